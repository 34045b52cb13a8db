# SPDX-License-Identifier: MIT
"""A command that changes a host is alone on it, and has a journal."""

import errno
from pathlib import Path

import pytest

from lppack.abi import PatchPhase
from lppack.consistency import EngineName
from lppack.errors import ApplyRefused, HostError
from lppack.stages.changing import changing
from lppack.stages.journal import FOLDER, Journal, new_record
from lppack.stages.revert import revert
from tests.kit.control import MODULE, control, patched
from tests.kit.mortal import Mortal, history, mortal, run


class Full(Mortal):
    """The journal's file system is full."""

    def put(self, source: Path, path: str, *, mode: int = 0o644) -> None:
        if path.startswith(FOLDER):
            raise HostError(path, errno.ENOSPC)
        super().put(source, path, mode=mode)


def test_without_a_journal_nothing_is_applied_and_revert_still_works(tmp_path: Path) -> None:
    host = mortal(tmp_path)
    host.__class__ = Full
    with pytest.raises(ApplyRefused) as caught:
        run(host, EngineName.LIVEPATCH, "apply")
    assert caught.value.reason == "journal-not-written"
    assert host.kernel.log == []
    host.kernel.patches[MODULE] = patched()
    said: list[str] = []
    with changing(control(host, said.append), "revert conn-limit", {}) as alone:
        assert revert(alone, "conn-limit").phase is PatchPhase.ABSENT
    assert len([line for line in said if "the journal cannot be written" in line]) == 1


def test_another_commands_patch_settles_what_died_before_anything(tmp_path: Path) -> None:
    """The record of an apply of another series that never came to the kernel is closed."""
    host = mortal(tmp_path)
    Journal(host).save(new_record("apply", host, module="lppack_other_1", series="other"))
    said: list[str] = []
    with changing(control(host, said.append), "revert x", {}):
        pass
    assert "to complete it: lppack recover --on fake" in said[0]
    assert [record.result for record in history(host)] == ["cut-off"]
