# SPDX-License-Identifier: MIT
"""Source against kernel on the packages' own bytes, and faults that were planted to be found."""

import re
import shutil
import struct
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from lppack.debian.apt import Apt
from lppack.debian.deb import unpack
from lppack.debian.kernels import resolve
from lppack.debian.linux_source import package_at, source_tree
from lppack.debian.supported import releases_of
from lppack.kernel.elf64 import SHT_RELA, Elf
from lppack.kernel.facts import open_facts
from lppack.pipeline.build import open_builder
from lppack.proof.match import Matched
from lppack.proof.objects import ObjectFile
from lppack.proof.prover import Prover
from lppack.proof.reader import read_object
from tests.docker.cases import KERNEL
from tests.kit.command import Ran, lppack

pytestmark = pytest.mark.docker

CASES = Path(__file__).parent.parent / "cases"
#: Files of vmlinux, and one of each of twenty modules.
FILES = (
    *("fs/eventpoll.c", "kernel/sys.c", "net/core/dev.c", "kernel/sched/core.c", "mm/pagewalk.c"),
    *("net/ipv4/udp.c", "kernel/signal.c", "fs/dax.c", "lib/vsprintf.c", "block/blk-mq.c"),
    *("arch/x86/kvm/x86.c", "drivers/block/loop.c", "drivers/md/raid10.c", "fs/btrfs/inode.c"),
    *("fs/ext4/inode.c", "fs/xfs/xfs_inode.c", "drivers/net/virtio_net.c", "sound/core/pcm_lib.c"),
    *("net/mac80211/main.c", "net/netfilter/nf_tables_api.c", "drivers/vhost/vhost.c"),
    *("drivers/usb/storage/usb.c", "drivers/nvme/host/core.c", "net/sctp/socket.c"),
    *("drivers/net/ethernet/intel/e1000e/netdev.c", "fs/nfsd/nfs4state.c", "fs/smb/client/file.c"),
    *("drivers/scsi/sg.c", "net/bluetooth/hci_core.c", "drivers/net/tun.c"),
    *("fs/overlayfs/super.c", "net/tls/tls_sw.c"),
)


def prover(release: str) -> Prover:
    kernel = resolve(release, ())
    return Prover(kernel, open_facts(kernel), open_builder("docker", lambda _line: None), print)


@pytest.fixture(scope="module")
def debian12() -> Prover:
    return prover(KERNEL)


def matched(of: Prover, files: tuple[str, ...]) -> Iterator[tuple[str, str, dict[str, Matched]]]:
    for unit, code in of.objects(files).items():
        assert code is not None, f"{unit.path} does not compile"
        for object_ in unit.objects:
            yield unit.path, object_, of.match(object_, code)


@pytest.mark.parametrize("release", [KERNEL, releases_of("6.12"), releases_of("7.2")])
def test_what_is_compiled_is_what_the_kernel_has(release: str) -> None:
    """At least 99 of 100 functions; and each other one is explained."""
    found = list(matched(prover(release), FILES))
    assert len({object_ for _, object_, _ in found if object_ != "vmlinux"}) >= 20
    every = [one for _, _, functions in found for one in functions.values()]
    same = [one for one in every if one.symbol is not None]
    others = [one for one in every if one.symbol is None and not one.expected]
    sys.stderr.write(f"\n  {release}: {len(same)} of {len(every)} functions match\n")
    sys.stderr.writelines(f"  {one.name}: {one.why}\n" for one in every if one.symbol is None)
    assert len(same) >= 0.99 * len(every)
    assert len(others) * 500 <= len(every) and all(one.why for one in others)


def compiled(of: Prover, path: str) -> ObjectFile:
    [code] = of.objects((path,)).values()
    assert code is not None
    return code


def mismatches(functions: dict[str, Matched]) -> list[str]:
    return [one.name for one in functions.values() if one.symbol is None and not one.expected]


def test_sources_that_are_one_version_off_are_found(debian12: Prover) -> None:
    """prctl_set_auxv() of 6.1.192-2 is not that of 6.1.170-3."""
    assert not mismatches(debian12.match("vmlinux", compiled(debian12, "kernel/sys.c")))
    off = prover(KERNEL)
    off.__dict__["tree"] = source_tree(package_at("6.1.192-2"))
    off.__dict__["_cache"] = debian12._cache / "one-off"
    assert "prctl_set_mm" in mismatches(debian12.match("vmlinux", compiled(off, "kernel/sys.c")))


#: gcc 12.4 and what it runs on; Debian 12, and its kernels, have gcc 12.2.
COMPILER = ("cpp-12", "libc6", "libisl23", "libmpc3", "libmpfr6", "libgmp10", "zlib1g", "libzstd1")


def other_compiler(work: Path, seen: str) -> str:
    """Unpack Debian 13's compiler proper in the work directory, which gcc knows as ``seen``.

    Return the option that makes gcc run it.
    """
    source = Apt("trixie")
    with ThreadPoolExecutor(2) as pool:
        for package in pool.map(lambda name: source.download(name, None, work), COMPILER):
            unpack(package, work / "root")
    libraries, own = "root/usr/lib/x86_64-linux-gnu", "root/usr/lib/gcc/x86_64-linux-gnu/12/cc1"
    (work / "other").mkdir()
    script = work / "other/cc1"
    loader = f"{seen}/{libraries}/ld-linux-x86-64.so.2 --library-path {seen}/{libraries}"
    script.write_text(f'#!/bin/sh\nexec {loader} {seen}/{own} "$@"\n')
    script.chmod(0o755)
    return f"-B{seen}/other/"


def test_a_compiler_of_another_minor_version_is_found(debian12: Prover) -> None:
    """gcc 12.4 in place of 12.2, for files of which all functions match by the kernel's own."""
    with debian12._compiler(FILES[:4]) as compiler:
        units = [one for path in FILES[:4] for one in debian12.kbuild.units(path)]
        option = other_compiler(compiler._work, compiler._site.work)
        others = [replace(unit, flags=(*unit.flags, option)) for unit in units]
        compiler._cache = compiler._work / "cache"
        made = compiler.before(others)
    mismatched = 0
    for unit, one in made.items():
        assert one.object is not None, one.log
        assert b"12.4" in one.object, "another compiler made it"
        theirs = debian12.match("vmlinux", read_object(one.object, unit.path, tree=one.tree))
        mismatched += len(mismatches(theirs))
    own = debian12.objects([one.path for one in units])
    ours = [debian12.match("vmlinux", code) for code in own.values() if code]
    assert [name for one in ours for name in mismatches(one)] == []
    sys.stderr.write(f"\n  gcc 12.4: {mismatched} functions are not the kernel's\n")
    assert mismatched


def test_a_wrong_addend_to_read_only_data_is_found(debian12: Prover) -> None:
    """It loads, and prints another text."""
    [unit] = debian12.kbuild.units("fs/timerfd.c")
    with debian12._compiler((unit.path,)) as compiler:
        made = compiler.before([unit])[unit]
    assert made.object is not None
    whole, spoilt = (read_object(data, unit.path) for data in (made.object, wrong(made.object)))
    differ = [n for n, f in whole.functions.items() if f.key != spoilt.functions[n].key]
    assert len(differ) == 1
    assert differ[0] in mismatches(debian12.match("vmlinux", spoilt))


def wrong(data: bytes) -> bytes:
    """The object file with the addend of one relocation to a string four bytes off."""
    elf = Elf(data, "spoilt")
    symbols = elf.symbols()
    for table in elf.sections:
        if table.type != SHT_RELA or not table.name.startswith(".rela.text."):
            continue
        for at, (_, number, _, addend) in enumerate(elf.relocations_in(table)):
            section = symbols[number].section
            named = elf.sections[section].name if section < len(elf.sections) else ""
            if ".str" in named:
                place = table.offset + at * 24 + 16
                return data[:place] + struct.pack("<q", addend + 4) + data[place + 8 :]
    raise AssertionError("no function refers to a string")


def drafted(name: str, folder: Path) -> Path:
    made = folder / name
    ran = lppack("draft", CASES / f"{name}.diff", "--kernel", KERNEL, "-o", made, limit=900.0)
    assert ran.rc == 0, ran.err
    return made


def proved(patch: Path) -> Ran:
    words = ("--kernel", KERNEL, "--prove", "--format", "json")
    return lppack("validate", patch, *words, limit=900.0)


def edited(patch: Path, change: "dict[str, str]") -> None:
    """The manifest with other names of functions; "" takes one out."""
    file = patch / "manifest.yaml"
    manifest = yaml.safe_load(file.read_text())
    for entry in manifest["objects"]:
        kept = [one for one in entry.get("functions", ()) if change.get(one["old"], "x")]
        for one in kept:
            one["old"] = change.get(one["old"], one["old"])
        entry["functions"] = kept
    del manifest["fixes"]  # by which rules of names would find it before any proof
    file.write_text(yaml.safe_dump(manifest))


def test_a_holder_that_is_left_out_is_found(tmp_path: Path) -> None:
    patch = drafted("m1-nested-macro", tmp_path)
    assert proved(patch).json["proofs"][0]["complete"] == "proved"
    edited(patch, {"do_epoll_ctl": ""})
    ran = proved(patch)
    assert ran.rc == 9
    assert (
        "do_epoll_ctl of vmlinux (fs/eventpoll.c) differs, and is not replaced" in ran.err + ran.out
    )
    refused = lppack("build", patch, "--kernel", KERNEL, "--release", "-o", tmp_path, limit=900.0)
    assert refused.rc == 9
    assert "is incomplete" in refused.err
    assert not list(tmp_path.glob("*.lpp"))


def test_a_function_of_the_wrong_file_is_found(tmp_path: Path) -> None:
    """mm/vmscan.c has the kernel's only symbol walk_pud_range."""
    patch = drafted("w2-pagewalk", tmp_path)
    edited(patch, {"walk_pgd_range": "walk_pud_range"})
    ran = proved(patch)
    assert ran.rc == 9
    assert "walk_pgd_range of vmlinux (mm/pagewalk.c) differs" in ran.err + ran.out


def test_an_edited_copy_is_no_proof(tmp_path: Path) -> None:
    patch = drafted("w2-pagewalk", tmp_path)
    [source] = patch.glob("*.c")
    text = source.read_text()
    assert "walk_pmd_range" in text
    source.write_text(re.sub(r"\breturn err;", "return 0;", text, count=1))
    [proof] = proved(patch).json["proofs"]
    assert proof["complete"] == "not checked"
    assert any("is not what the change makes of" in reason for reason in proof["reasons"])


def test_a_released_bundle_says_that_it_is_complete(tmp_path: Path) -> None:
    patch = drafted("w2-pagewalk", tmp_path)
    words = ("--kernel", KERNEL, "--release", "-o", tmp_path, "--format", "json")
    ran = lppack("build", patch, *words, limit=900.0)
    assert ran.rc == 0, ran.err
    [bundle] = ran.json["bundles"]
    assert (bundle["complete"], bundle["not_proved"]) == ("proved", [])
    shown = lppack("inspect", bundle["path"], "--format", "json")
    assert shown.json["facts"]["complete"] == "proved"


def test_eight_drafts_at_once_on_an_empty_cache(tmp_path: Path) -> None:
    """All unpack the same sources; none may find a half-made tree, or lose a rename."""

    def one(number: int) -> Ran:
        return lppack(
            "draft",
            CASES / "w2-pagewalk.diff",
            *("--kernel", KERNEL, "-o", tmp_path / f"made-{number}", "--format", "json"),
            env={"XDG_CACHE_HOME": str(tmp_path / "cache")},
            limit=900.0,
        )

    with ThreadPoolExecutor(8) as pool:
        every = list(pool.map(one, range(8)))
    assert [ran.rc for ran in every] == [0] * 8, [ran.err for ran in every]
    answers = [{**ran.json, "folder": ""} for ran in every]
    assert all(answer == answers[0] for answer in answers)
    shutil.rmtree(tmp_path / "cache")  # 3 GB
