# SPDX-License-Identifier: MIT
"""guest: what it says where no guest runs."""

from pathlib import Path

import pytest

from tests.kit.cli import cli
from tests.kit.command import check_shape


@pytest.fixture(autouse=True)
def no_guest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_RUNTIME_DIR", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))


def test_no_guest_runs() -> None:
    assert cli("guest", "list").out == "no guest runs\n"
    shown = cli("guest", "list", "--format", "json")
    check_shape("guests", shown.json)
    assert shown.json == {"ok": True, "guests": []}


@pytest.mark.parametrize("words", [("stop", "none"), ("shell", "none", "true")])
def test_a_guest_that_is_not_there(words: tuple[str, ...]) -> None:
    ran = cli("guest", *words)
    assert (ran.rc, ran.out) == (4, "")
    assert "none" in ran.err
    assert "hint" in ran.err


def test_a_limit_is_a_time() -> None:
    assert cli("guest", "shell", "none", "--limit", "0", "true").rc == 2


def test_a_command_has_a_minute_if_nothing_is_said() -> None:
    """A guest whose kernel hangs is not waited for without end."""
    assert "[default: 60.0;" in " ".join(cli("guest", "shell", "--help").out.split())
