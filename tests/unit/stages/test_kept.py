# SPDX-License-Identifier: MIT
"""Bundles that a host keeps, and the return to the version before."""

import contextlib
import errno
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from lppack.consistency import EngineName
from lppack.errors import ApplyRefused, HostError
from lppack.hosts.lock import HostLock
from lppack.hosts.protocol import Ran
from lppack.stages import kept
from lppack.stages.apply import Control, refuse_early
from lppack.stages.kept import KEPT, fetch, keep, versions
from lppack.stages.trust import signature_of
from tests.kit.control import MODULE, patched
from tests.kit.fake_kernel import FakeHost, FakeKernel
from tests.kit.mortal import both
from tests.kit.samples import bundle

ENGINE = EngineName.LIVEPATCH


class Keeping(FakeHost):
    """Its files are real ones, and so is its shell."""

    def __init__(self, folder: Path) -> None:
        super().__init__(FakeKernel())
        self.folder = folder
        self.lock = HostLock(folder / "lock", self.name)

    def _at(self, path: str) -> Path:
        return self.folder / path.lstrip("/")

    def put(self, source: Path, path: str, *, mode: int = 0o644) -> None:
        self._at(path).parent.mkdir(parents=True, exist_ok=True)
        self._at(path).write_bytes(source.read_bytes())

    def list(self, path: str) -> tuple[str, ...]:
        if not path.startswith(KEPT):
            return super().list(path)
        with contextlib.suppress(FileNotFoundError):
            return tuple(sorted(each.name for each in self._at(path).iterdir()))
        raise HostError(path, errno.ENOENT)

    def run(self, argv: Sequence[str], *, limit: float) -> Ran:
        words = [str(self._at(word)) if word.startswith(KEPT) else word for word in argv]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=limit)
        return Ran(rc=done.returncode, out=done.stdout, err=done.stderr)


@pytest.fixture
def control(tmp_path: Path) -> Control:
    return both(Keeping(tmp_path / "host"), ENGINE)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(kept, "_PART", 64)
    monkeypatch.setattr(kept, "_READ", kept._READ.replace(str(1 << 20), "64"))
    yield


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 128, 1000])
def test_what_is_kept_comes_back_byte_by_byte(control: Control, tmp_path: Path, size: int) -> None:
    data = bytes(number % 251 for number in range(size))
    keep(control, bundle(), data, data[::-1])
    path = fetch(control, "conn-limit", 2, tmp_path)
    assert path.read_bytes() == data
    assert signature_of(path).read_bytes() == data[::-1]


def test_a_bundle_without_a_signature(control: Control, tmp_path: Path) -> None:
    keep(control, bundle(), b"other", b"signature of that")
    keep(control, bundle(), b"data", None)
    assert not signature_of(fetch(control, "conn-limit", 2, tmp_path)).exists()


def test_three_versions_are_kept(control: Control) -> None:
    for version in (1, 2, 3, 10):
        keep(control, replace(bundle(), version=version), b"data", b"signature")
    assert versions(control.host, "conn-limit") == [2, 3, 10]
    assert len(control.host.list(f"{KEPT}/conn-limit")) == 6
    keep(control, replace(bundle(), version=1), b"data", None)
    assert versions(control.host, "conn-limit") == [1, 2, 3, 10], "the one that is live stays"


def test_what_is_not_kept_is_refused(control: Control, tmp_path: Path) -> None:
    with pytest.raises(ApplyRefused, match="conn-limit 1 is not kept on fake") as caught:
        fetch(control, "conn-limit", 1, tmp_path)
    assert "lppack apply --allow-older" in (caught.value.hint or "")
    keep(control, bundle(), b"data", None)
    with pytest.raises(ApplyRefused) as caught:
        fetch(control, "conn-limit", 1, tmp_path)
    assert caught.value.hint == "kept versions: 2"
    assert caught.value.reason == "not-kept"


def test_a_bundle_that_cannot_be_kept_is_a_warning(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    def full(*_: object) -> None:
        raise HostError("/var", errno.ENOSPC)

    monkeypatch.setattr(kept, "put_bytes", full)
    keep(replace(control, say=said.append), bundle(), b"data", None)
    assert said[0].startswith("warning: the bundle cannot be kept on fake")


def test_the_rules_look_past_what_will_be_reverted(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches[MODULE] = patched()
    older = replace(bundle(), version=1, module="lppack_conn_limit_1")
    with pytest.raises(ApplyRefused, match="is on fake already"):
        refuse_early(both(host, ENGINE), older)
    refuse_early(both(host, ENGINE), older, without="conn-limit")
