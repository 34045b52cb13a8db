# SPDX-License-Identifier: MIT
"""Bundles that are damaged, forged, untrusted, or for another machine: each is refused with the
right words, and nothing is loaded, put or changed on the host."""

import contextlib
import re
import shutil
import struct
import subprocess
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lppack import abi, pipeline
from lppack.errors import ApplyRefused, LppackError
from lppack.hosts.lock import HostLock
from lppack.pipeline import operate
from lppack.stages import kept, trust
from lppack.stages.newest import VERSIONS
from lppack.stages.trust import sign, signature_of
from tests.kit.bundles import made, put, repacked, take
from tests.kit.control import snapshot
from tests.kit.fake_kernel import FakeHost, FakeKernel
from tests.kit.forged import FORGED
from tests.kit.keys import allow, make_key


@dataclass(frozen=True, slots=True)
class Stage:
    """A good bundle, a host that would take it, and the keys of a signer and of a stranger."""

    bundle: Path
    host: FakeHost
    folder: Path

    @property
    def key(self) -> Path:
        return self.folder / "key"

    def policy(self, options: str = "") -> None:
        """From here on only what the signer has signed is applied."""
        trust.POLICY.write_text(allow(self.folder, self.key, options=options).read_text())

    def signed(self) -> None:
        self.policy()
        sign(self.bundle, self.bundle.read_bytes(), self.key)


Spoil = Callable[[Stage], Path | None]


def bytes_of(change: Callable[[bytearray], bytes | bytearray | None]) -> Spoil:
    """The file with other bytes."""

    def spoil(stage: Stage) -> None:
        data = bytearray(stage.bundle.read_bytes())
        stage.bundle.write_bytes(change(data) or data)

    return spoil


def flipped(mark: bytes, offset: int, bit: int = 0x10) -> Spoil:
    """A bit flipped ``offset`` bytes behind the last ``mark``."""

    def change(data: bytearray) -> None:
        data[data.rindex(mark) + offset] ^= bit

    return bytes_of(change)


def first(mark: bytes, offset: int, value: bytes) -> Spoil:
    def change(data: bytearray) -> None:
        at = data.index(mark) + offset
        data[at : at + len(value)] = value

    return bytes_of(change)


def files_of(change: Callable[[dict[str, bytes]], None], *, sums: bool = True) -> Spoil:
    def spoil(stage: Stage) -> Path:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return repacked(stage.bundle, change, sums=sums)

    return spoil


def twice(stage: Stage) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return repacked(stage.bundle, lambda files: None, extra=(("manifest.yaml", b"x"),))


def bomb(data: bytearray) -> None:
    at = data.find(b"PK\1\2")
    while at >= 0:
        data[at + 24 : at + 28] = struct.pack("<I", 1 << 31)
        at = data.find(b"PK\1\2", at + 4)


def lie(stage: Stage) -> Path:
    path = repacked(stage.bundle, put("sources/zeros.c", bytes(1 << 20)))
    data = bytearray(path.read_bytes())
    at = data.rindex(b"sources/zeros.c") - 46
    data[at + 24 : at + 28] = struct.pack("<I", 10)
    path.write_bytes(data)
    return path


def many(files: dict[str, bytes]) -> None:
    files.update({f"sources/f{n}.c": b"" for n in range(2001)})


def stranger(stage: Stage) -> None:
    stage.policy()
    sign(stage.bundle, stage.bundle.read_bytes(), stage.folder / "stranger")


def namespace(stage: Stage) -> None:
    stage.policy()
    words = ["ssh-keygen", "-Y", "sign", "-q", "-f", str(stage.key), "-n", "file"]
    done = subprocess.run(words, input=stage.bundle.read_bytes(), capture_output=True, check=True)
    signature_of(stage.bundle).write_bytes(done.stdout)


def other_bytes(stage: Stage) -> None:
    stage.policy()
    sign(stage.bundle, b"another bundle", stage.key)


def signature(text: str) -> Spoil:
    def spoil(stage: Stage) -> None:
        stage.signed()
        signature_of(stage.bundle).write_text(text)

    return spoil


def after_signing(change: Callable[[bytearray], bytes | bytearray | None]) -> Spoil:
    def spoil(stage: Stage) -> None:
        stage.signed()
        bytes_of(change)(stage)

    return spoil


def at(part: float) -> Spoil:
    """A bit flipped in a signed bundle, that far into it."""

    def change(data: bytearray) -> None:
        data[int(len(data) * part)] ^= 1

    return after_signing(change)


def only_for(options: str) -> Spoil:
    def spoil(stage: Stage) -> None:
        stage.signed()
        stage.policy(options)

    return spoil


def newer_before(stage: Stage) -> None:
    stage.host.stored[VERSIONS] = '{"conn-limit": 3}'


def other_release(stage: Stage) -> None:
    stage.host.kernel.release = "6.1.0-99-amd64"


def other_build(stage: Stage) -> None:
    stage.host.kernel.version = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.1-1 (2026-01-01)"


def strict(stage: Stage) -> None:
    stage.host.stored[abi.SIG_ENFORCE] = "Y\n"


def locked_down(stage: Stage) -> None:
    stage.host.stored[abi.LOCKDOWN] = "none [integrity] confidentiality\n"


def gap(data: bytearray) -> bytes:
    second = data.index(b"PK\3\4", 4)
    return bytes(data[:second]) + b"between" + bytes(data[second:])


CUT, WRONG, BELONG = "cannot be read", "not what SHA256SUMS says", "belong to no file"


def empty(stage: Stage) -> None:
    stage.bundle.write_bytes(b"")


DAMAGED: dict[str, tuple[Spoil, str]] = {
    "a flip in a packed file": (flipped(b"lppack_conn_limit_2.ko", -60), ""),
    "a flip in the last file": (first(b"PK\3\4", 60, b"\xff\xfe"), ""),
    "a flip in a name": (flipped(b"plan.json", 1, 1), ""),
    "a flip in the mark of a directory entry": (flipped(b"PK\1\2", 1), CUT),
    "a flip in the end": (flipped(b"PK\5\6", 0), CUT),
    "a flip in where the directory is": (flipped(b"PK\5\6", 17), ""),
    "a flip in the count of files": (flipped(b"PK\5\6", 10, 1), BELONG),
    "a flip in the date of a file": (flipped(b"PK\1\2", 12, 1), BELONG),
    "encrypted, it says": (flipped(b"PK\1\2", 8, 1), BELONG),
    "packed in a way that is not known": (flipped(b"PK\1\2", 10, 0x40), BELONG),
    "one byte less": (bytes_of(lambda data: data[:-1]), CUT),
    "half of it": (bytes_of(lambda data: data[: len(data) // 2]), CUT),
    "nothing": (empty, CUT),
    "two letters": (bytes_of(lambda data: b"PK"), CUT),
    "an empty archive": (bytes_of(lambda data: b"PK\5\6" + bytes(18)), "SHA256SUMS"),
    "text": (bytes_of(lambda data: b"not a zip" * 1000), CUT),
    "a byte behind it": (bytes_of(lambda data: data + b"x"), ""),
    "a script before it": (bytes_of(lambda data: b"#!/bin/sh\n" + data), BELONG),
    "a comment": (bytes_of(lambda data: data[:-2] + b"\1\0x"), BELONG),
    "bytes between two files": (bytes_of(gap), ""),
    "no sums": (files_of(take("SHA256SUMS"), sums=False), WRONG),
    "empty sums": (files_of(put("SHA256SUMS", b""), sums=False), WRONG),
    "sums that are no text": (files_of(put("SHA256SUMS", b"\xff" * 99), sums=False), WRONG),
    "another source": (files_of(put("sources/a.c", b"int b;\n"), sums=False), WRONG),
    "a file that is missing": (files_of(take("sources/a.c"), sums=False), WRONG),
    "a file without a sum": (files_of(put("sources/x.c", b""), sums=False), WRONG),
    "no plan": (files_of(take("plan.json")), "lacks plan.json"),
    "no module": (files_of(take("lppack_conn_limit_2.ko")), "lacks lppack_conn_limit_2.ko"),
    "no manifest": (files_of(take("manifest.yaml")), "its manifest cannot be read"),
}
TRAPS: dict[str, tuple[Spoil, str]] = {
    **{
        f"the name {ascii(name)}": (files_of(put(name, b"x")), "contains a file with the name")
        for name in (
            *("../evil", "/etc/evil", "a/../../evil", "a/./b", "a//b", "dir/", ".hidden"),
            *("-option", "a b", "a\\..\\b", "a\nb", "ä"),
        )
    },
    "a name that is there twice": (twice, ""),
    "a file that is a folder too": (files_of(put("sources", b"x")), "both a file and a folder"),
    "a bomb": (bytes_of(bomb), "larger than any bundle"),
    "a lie about a size": (lie, ""),
    "too many files": (files_of(many), "larger than any bundle"),
}
UNTRUSTED: dict[str, tuple[Spoil, str]] = {
    "unsigned": (lambda stage: stage.policy(), "is not signed"),
    "signed by a stranger": (stranger, " does not allow"),
    "signed for another use": (namespace, "is not a signature of these bytes"),
    "the signature of another bundle": (other_bytes, "is not a signature of these bytes"),
    "a signature that is none": (signature("none\n"), "is not a signature of these bytes"),
    "an empty signature": (signature(""), "is not a signature of these bytes"),
    "a signature without end": (signature("x" * 99999), "larger than any signature"),
    "a key for other files": (only_for('namespaces="git"'), "is not a signature"),
    "a key that has expired": (only_for('valid-before="20200101"'), " does not allow"),
    "a byte behind what was signed": (after_signing(lambda data: data + b"\0"), "not a signature"),
    "a byte less than was signed": (after_signing(lambda data: data[:-1]), "not a signature"),
    **{
        f"a flip at {part:.0%} of it": (at(part), "not a signature") for part in (0, 0.3, 0.6, 0.99)
    },
}
ELSEWHERE: dict[str, tuple[Spoil, str]] = {
    "for another release": (other_release, "is for 6.1.0-56-amd64"),
    "for another build of the release": (other_build, "is for 6.1.0-56-amd64"),
    "older than what was here before": (newer_before, "is older than conn-limit 3"),
    "unsigned, where modules are signed": (strict, "accepts only signed modules"),
    "unsigned, under lockdown": (locked_down, "accepts only signed modules"),
}
ALL: dict[str, tuple[Spoil, str]] = {
    **DAMAGED,
    **TRAPS,
    **{title: (files_of(change), says) for title, (change, says) in FORGED.items()},
    **UNTRUSTED,
    **ELSEWHERE,
}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    make_key(folder, "key")
    make_key(folder, "stranger")
    return folder


@pytest.fixture
def stage(tmp_path: Path, keys: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setattr(trust, "POLICY", tmp_path / "policy")
    host = FakeHost(FakeKernel())
    host.lock = HostLock(tmp_path / "lock", host.name)

    @contextlib.contextmanager
    def open_host(_on: str) -> Iterator[FakeHost]:
        yield host

    monkeypatch.setattr(operate, "open_host", open_host)
    for file in keys.iterdir():
        shutil.copy2(file, tmp_path)
    host.kernel.engine_api = None
    return Stage(made(tmp_path / "in", tmp_path), host, tmp_path)


def apply(bundle: Path, *, dry_run: bool = False) -> object:
    return pipeline.apply_bundle(
        *(bundle, "fake"), convert=True, timeout=5.0, dry_run=dry_run, say=lambda _line: None
    )


def test_the_good_one_is_taken_so_far(stage: Stage) -> None:
    """The control: what is refused below is refused for what was done to it."""
    assert apply(stage.bundle, dry_run=True) is None
    stage.signed()
    assert apply(stage.bundle, dry_run=True) is None
    assert len(ALL) >= 60


def test_going_back_reverts_nothing_if_what_follows_would_be_refused(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`revert --to` reverts before it applies."""
    monkeypatch.setattr(kept, "fetch", lambda *_: stage.bundle)
    monkeypatch.setattr(operate, "revert_series", lambda *_, **_more: pytest.fail("reverted"))
    stage.host.stored[VERSIONS] = "what is this"
    with pytest.raises(ApplyRefused) as caught:
        operate.revert_to("conn-limit", 2, "fake", timeout=5.0, say=lambda _line: None)
    assert caught.value.reason == "not-stored"


@pytest.mark.parametrize("case", ALL)
def test_it_is_refused_and_nothing_was_loaded(stage: Stage, case: str) -> None:
    spoil, says = ALL[case]
    bundle = spoil(stage) or stage.bundle
    before = snapshot(stage.host)[1:]
    with pytest.raises(LppackError) as caught:
        apply(bundle)
    error = caught.value
    assert says in error.message
    assert error.exit_code == (6 if case in ELSEWHERE else 9)
    assert not re.search(r"[a-z]Error\b|Traceback", error.message), "no word of Python's"
    assert stage.host.kernel.log == []
    assert snapshot(stage.host)[1:] == before, "no file of a module was put either"
    assert not (stage.folder.parent / "evil").exists()
    assert not Path("/etc/evil").exists()
