# SPDX-License-Identifier: MIT
"""A fix as a live patch tells it, and which names are the same fix."""

import subprocess
import sys
from pathlib import Path

import pytest

from lppack.model import Effective, Fix, fix_of
from lppack.model.fix import fix_json

_FIX = Fix(cve="CVE-2026-0001", commit="0123abcd", functions=("f",), effective=Effective.CONVERTED)


def test_what_is_told_is_what_is_read() -> None:
    assert fix_of(fix_json(_FIX)) == _FIX


def test_what_is_not_told_is_not_known() -> None:
    bare = fix_of({})
    assert (bare.cve, bare.commit, bare.functions) == (None, None, ())
    assert bare.effective is Effective.PATCHED
    assert bare.name == "a fix without a name"


def test_an_unknown_effect_is_no_fix() -> None:
    with pytest.raises(ValueError, match="some day"):
        fix_of({"effective": "some day"})


def test_cve_and_commit_name_the_same_fix() -> None:
    assert _FIX.name == "CVE-2026-0001"
    assert _FIX.names == {"CVE-2026-0001", "0123abcd"}
    assert fix_of({"functions": ["f", "g"]}).names == {"f, g"}


def test_status_does_not_pay_for_manifests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each host of a fleet asks for it again and again."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    program = (
        "import sys; from lppack.cli.main import commands;"
        "commands(['status', '--on', 'simulated'], standalone_mode=False);"
        "sys.exit('lppack.model.manifest' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
