# SPDX-License-Identifier: MIT
"""A bundle whose sums are right, and whose parts do not agree: apply loads none of it."""

import contextlib
from pathlib import Path

import pytest

from lppack import pipeline
from lppack.elf.identity import identity
from lppack.elf.module import NotAModule
from lppack.engines.simulated import state_file
from lppack.stages import bundle as bundles
from lppack.stages.agreement import verify
from lppack.stages.bundle import BadBundle, contents
from lppack.stages.inspect import inspect
from tests.kit import tiny_elf
from tests.kit.bundles import KO, made, repacked
from tests.kit.forged import FORGED


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return made(tmp_path / "in", tmp_path)


@pytest.mark.parametrize("case", FORGED)
def test_apply_loads_none_of_it(
    path: Path, case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    change, says = FORGED[case]
    forged = repacked(path, change)
    with pytest.raises(BadBundle) as caught:
        pipeline.apply_bundle(
            forged, "simulated", convert=True, timeout=5.0, dry_run=False, say=lambda _line: None
        )
    assert caught.value.exit_code == 9
    assert says in caught.value.message
    assert "nothing was loaded" in caught.value.message
    assert caught.value.hint
    assert not state_file().exists(), "no kernel was touched"


@pytest.mark.parametrize("case", [case for case in FORGED if "that is none" not in case])
def test_inspect_finds_the_same(path: Path, case: str) -> None:
    change, says = FORGED[case]
    assert any(says in fault for fault in inspect(repacked(path, change)).faults)


def test_what_was_packed_is_applied(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    files = contents(path)
    verify(bundles.parse(path, files), files)
    report = pipeline.apply_bundle(
        path, "simulated", convert=True, timeout=60.0, dry_run=False, say=lambda _line: None
    )
    assert report is not None
    assert (report.series, report.version) == ("conn-limit", 2)


def test_identity() -> None:
    made = identity(tiny_elf.patch("{}", {"vmlinux": ["a", "b"], "conn": ["a"]}, name="x"))
    assert made.name == "x"
    assert made.functions == {("vmlinux", "a"), ("vmlinux", "b"), ("conn", "a")}


def test_a_module_that_is_cut_or_flipped_raises_nothing_else() -> None:
    for length in range(0, len(KO), 11):
        with pytest.raises(NotAModule):
            identity(KO[:length])
    for index in range(len(KO)):
        data = bytearray(KO)
        data[index] ^= 0xFF
        with contextlib.suppress(NotAModule):
            identity(bytes(data))
