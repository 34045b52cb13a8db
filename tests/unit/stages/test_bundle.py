# SPDX-License-Identifier: MIT
import hashlib
import io
import json
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lppack.consistency import EngineName, ModeName
from lppack.errors import EnvironmentMissing
from lppack.stages.bundle import BadBundle, contents, extract, read
from lppack.stages.inspect import inspect
from tests.kit import tiny_elf
from tests.kit.bundles import FIXES, KO, SPEC, SRCVERSION, made, put, repacked, take
from tests.kit.samples import RELEASE, VERSION


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return made(tmp_path / "in", tmp_path)


def test_what_is_in_it(path: Path) -> None:
    files = contents(path)
    assert sorted(files) == [
        "lppack_conn_limit_2.ko",
        "manifest.yaml",
        "plan.json",
        "provenance.json",
        "sources/a.c",
        "sources/lp_glue.c",
        "test/programs/opener",
        "test/sources/programs/load/opener.c",
        "test/sources/target/conn.c",
        "test/targets/conn.ko",
    ]
    assert files["lppack_conn_limit_2.ko"] == KO
    assert files["sources/lp_glue.c"] == b"glue\n"


def test_sha256sum_can_check_it(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        lines = archive.read("SHA256SUMS").decode().splitlines()
        for line in lines:
            digest, name = line.split("  ", 1)
            assert hashlib.sha256(archive.read(name)).hexdigest() == digest
        assert len(lines) == len(archive.namelist()) - 1


def test_it_is_read_back_equal(path: Path) -> None:
    found = read(path)
    assert (found.path, found.series, found.version) == (path, "conn-limit", 2)
    assert (found.module, found.release) == ("lppack_conn_limit_2", RELEASE)
    assert found.kernel_version == VERSION
    assert (found.engine, found.mode) == (EngineName.LIVEPATCH, ModeName.HYBRID)
    assert found.converts is False
    assert found.module_sha256 == hashlib.sha256(KO).hexdigest()
    assert found.srcversion == SRCVERSION
    said = dict(found.provenance)
    assert (said["compiler"], said["inlining"], said["release"]) == ("gcc-12", "unchecked", "yes")
    assert found.fixes == FIXES
    assert found.test == SPEC


def test_extract_gives_the_files(path: Path, tmp_path: Path) -> None:
    extract(path, tmp_path / "out")
    assert {
        str(file.relative_to(tmp_path / "out")): file.read_bytes()
        for file in (tmp_path / "out").rglob("*")
        if file.is_file()
    } == contents(path)


# -- damaged, or made by someone else


def refused(path: Path) -> str:
    with pytest.raises(BadBundle) as caught:
        read(path)
    assert caught.value.exit_code == 9
    assert "Error" not in caught.value.message, "no word of Python's"
    return caught.value.message


def drop(name: str) -> Callable[[dict[str, bytes]], None]:
    return lambda files: files.__setitem__("dropped", files.pop(name))


def test_repacking_alone_does_no_harm(path: Path) -> None:
    assert contents(repacked(path, lambda files: None)) == contents(path)


def test_a_changed_file_is_named(path: Path) -> None:
    changed = repacked(path, put("sources/a.c", b"int b;\n"), sums=False)
    assert "sources/a.c is missing or not what SHA256SUMS says" in refused(changed)


def test_a_missing_file_is_named(path: Path) -> None:
    assert "sources/a.c is missing" in refused(repacked(path, take("sources/a.c"), sums=False))


def test_an_extra_file_is_named(path: Path) -> None:
    assert "extra.sh is missing or not" in refused(repacked(path, put("extra.sh", b""), sums=False))


def test_without_sums_nothing_is_believed(path: Path) -> None:
    refused(repacked(path, take("SHA256SUMS"), sums=False))


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"x", b"\n\n\n", b"a" * 200])
def test_sums_that_are_none(path: Path, data: bytes) -> None:
    refused(repacked(path, put("SHA256SUMS", data), sums=False))


@pytest.mark.parametrize("name", ["plan.json", "provenance.json", "lppack_conn_limit_2.ko"])
def test_a_part_that_must_be_there(path: Path, name: str) -> None:
    assert refused(repacked(path, take(name))).endswith(f" lacks {name}")


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "/etc/evil",
        "a/../../evil",
        "a/./b",
        "a//b",
        "dir/",
        ".hidden",
        "-option",
        "a b",
        "a\\..\\b",
        "a\nb",
        "ä",
        "a\n",
    ],
)
def test_a_name_that_climbs_is_refused(path: Path, tmp_path: Path, name: str) -> None:
    changed = repacked(path, put(name, b"x"))
    with pytest.raises(BadBundle):
        extract(changed, tmp_path / "out/deep")
    assert not (tmp_path / "out").exists()


def test_a_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    link = zipfile.ZipInfo("sources/link")
    link.external_attr = 0o120777 << 16
    changed = repacked(path, put("sources/link", b"/etc/passwd"))
    extract(changed, tmp_path / "out")
    assert not (tmp_path / "out/sources/link").is_symlink()


def test_a_file_and_a_folder_of_one_name(path: Path, tmp_path: Path) -> None:
    changed = repacked(path, put("sources", b"x"))
    with pytest.raises(BadBundle):
        extract(changed, tmp_path / "out")


def test_a_name_that_is_there_twice(path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        changed = repacked(path, lambda files: None, extra=(("manifest.yaml", b"other"),))
    refused(changed)


def test_a_bomb_is_not_unpacked(path: Path) -> None:
    """Every size in the central directory says 2 GiB; none of it is read."""
    data = bytearray(path.read_bytes())
    at = data.find(b"PK\1\2")
    while at >= 0:
        data[at + 24 : at + 28] = struct.pack("<I", 1 << 31)
        at = data.find(b"PK\1\2", at + 4)
    path.write_bytes(data)
    assert "larger than any bundle" in refused(path)


def test_a_lie_about_the_size_is_found(path: Path) -> None:
    """The directory says 10 bytes, the data go on: a megabyte of zeros."""
    changed = repacked(path, put("zeros", bytes(1 << 20)))
    data = bytearray(changed.read_bytes())
    at = data.rindex(b"zeros") - 46
    assert data[at : at + 4] == b"PK\1\2"
    data[at + 24 : at + 28] = struct.pack("<I", 10)
    changed.write_bytes(data)
    refused(changed)


def test_too_many_files_are_refused(path: Path) -> None:
    def many(files: dict[str, bytes]) -> None:
        files.update({f"f{i}": b"" for i in range(2001)})

    assert "larger than any bundle" in refused(repacked(path, many))


@pytest.mark.parametrize("data", [b"", b"PK", b"not a zip" * 1000, b"PK\5\6" + bytes(18)])
def test_what_is_no_zip(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.lpp").write_bytes(data)
    refused(tmp_path / "x.lpp")


def test_bytes_that_belong_to_no_file_are_refused(path: Path) -> None:
    """Behind the archive, before it, as its comment, and between two files: no sum covers them."""
    good = path.read_bytes()
    second = good.index(b"PK\3\4", 4)
    for data in (
        good + b"x",
        b"#!/bin/sh\n" + good,
        good[:-2] + b"\1\0x",
        good[:second] + b"between" + good[second:],
    ):
        path.write_bytes(data)
        refused(path)
    path.write_bytes(b"#!/bin/sh\n" + good)
    assert "bytes that belong to no file" in refused(path)
    path.write_bytes(good)
    contents(path)


def test_what_is_not_there(tmp_path: Path) -> None:
    for path, why in ((tmp_path / "absent.lpp", "does not exist"), (tmp_path, "is a folder")):
        with pytest.raises(EnvironmentMissing) as caught:
            contents(path)
        assert why in caught.value.message


@pytest.mark.slow
def test_every_flipped_byte_is_found_or_changes_nothing(path: Path) -> None:
    good, files = path.read_bytes(), contents(path)
    found = 0
    for index in range(len(good)):
        data = bytearray(good)
        data[index] ^= (0xFF, 0x01, 0x06)[index % 3]
        path.write_bytes(data)
        try:
            assert contents(path) == files, index
        except BadBundle:
            found += 1
    assert found > len(good) / 2


def test_every_cut_is_found(path: Path) -> None:
    good = path.read_bytes()
    for length in range(0, len(good), 7):
        path.write_bytes(good[:length])
        with pytest.raises(BadBundle):
            contents(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2, zipfile.ZIP_STORED])
def test_damage_is_found_however_it_was_packed(tmp_path: Path, method: int) -> None:
    with zipfile.ZipFile(tmp_path / "x.lpp", "w", method) as archive:
        archive.writestr("plan.json", os.urandom(2000).hex())
    data = bytearray((tmp_path / "x.lpp").read_bytes())
    data[60:400] = bytes(340)
    (tmp_path / "x.lpp").write_bytes(data)
    assert "cannot be read" in refused(tmp_path / "x.lpp")


def _plan(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(contents(path)["plan.json"])
    return value


@pytest.mark.parametrize(
    "changes",
    [
        {"module": "conn_limit"},
        {"module": "lppack_../x"},
        {"module": "lppack_conn_limit_3"},
        {"module": 5},
        {"engine": "kpatch"},
        {"mode": "fast"},
        {"name": 5},
        {"name": "--all"},
        {"version": "2"},
        {"version": None},
        {"release": ["6.1.0-56-amd64"]},
        {"kernel": None},
        {"converts": "no"},
        {"fixes": [{}]},
        {"fixes": [{"cve": 1, "commit": None, "functions": "abc", "effective": "patched"}]},
        {"fixes": None},
        {"test": []},
        {"test": {"targets": ["../../etc/x"]}},
        {"test": {"targets": "conn"}},
        {"test": {"boot": [1]}},
        {"test": {"checks": [{"run": "x"}]}},
        {"test": {"checks": [{"run": ["x"], "expect": {}}]}},
        {"test": {"checks": [{"run": "x", "limit": "long", "expect": {}}]}},
        {"test": {"checks": [{"run": "x", "expect": {"before": 1}}]}},
    ],
    ids=str,
)
def test_a_plan_of_another_shape_is_refused(path: Path, changes: dict[str, Any]) -> None:
    """The sums are right: whoever made this bundle meant it."""
    data = json.dumps({**_plan(path), **changes}).encode()
    refused(repacked(path, put("plan.json", data)))


@pytest.mark.parametrize("key", ["name", "version", "module", "release", "converts", "test"])
def test_a_plan_without_a_part_is_refused(path: Path, key: str) -> None:
    value = _plan(path)
    del value[key]
    refused(repacked(path, put("plan.json", json.dumps(value).encode())))


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b"{", b"\xff", b"[" * 100_000])
@pytest.mark.parametrize("name", ["plan.json", "provenance.json"])
def test_a_part_that_is_no_json_object(path: Path, name: str, data: bytes) -> None:
    refused(repacked(path, put(name, data)))


# -- inspect


def test_inspect_shows_a_bundle(path: Path) -> None:
    found = inspect(path)
    facts = dict(found.facts)
    assert facts["series"] == "conn-limit 2"
    assert facts["kernel"] == f"{RELEASE} {VERSION}"
    assert (facts["compiler"], facts["livepatch"], facts["depends"]) == ("gcc-12", "Y", "-")
    assert facts["undefined symbols"] == "2"
    assert dict(found.files)["lppack_conn_limit_2.ko"] == len(KO)
    assert found.faults == ()


def test_inspect_shows_a_module(tmp_path: Path) -> None:
    (tmp_path / "x.ko").write_bytes(tiny_elf.module(tiny_elf.MODINFO[:3]))
    found = inspect(tmp_path / "x.ko")
    assert found.files == ()
    assert dict(found.facts)["license"] == "GPL v2"
    assert len(found.faults) == 1


def test_inspect_tells_what_is_wrong(path: Path) -> None:
    other = tiny_elf.module(
        ["name=other", "vermagic=6.1.0-5-amd64 SMP", "depends=conn"],
        weak=["maybe"],
        parts=tiny_elf.this_module("other"),
    )
    found = inspect(repacked(path, put("lppack_conn_limit_2.ko", other)))
    words = (
        "livepatch=Y",
        "depends on conn",
        "vermagic",
        "weak symbol maybe",
        "the name of the module is other",
        "has no description of its patch",
        "provenance.json has another digest for",
    )
    assert len(found.faults) == len(words)
    for word, fault in zip(words, found.faults, strict=True):
        assert word in fault


def test_inspect_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentMissing, match="does not exist"):
        inspect(tmp_path / "absent.lpp")


def test_deterministic_means_no_time_inside(path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert [info.filename for info in archive.infolist()] == sorted(archive.namelist())
