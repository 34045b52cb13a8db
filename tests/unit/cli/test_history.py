# SPDX-License-Identifier: MIT
"""watch and history, as they print."""

from pathlib import Path

import pytest

from tests.kit.cli import cli
from tests.kit.command import check_shape


def test_watch_where_nothing_goes_on(bundle: Path) -> None:
    assert cli("watch", "--on", "simulated").out == "no transition is under way on simulated\n"
    cli("apply", bundle, "--on", "simulated")
    assert cli("watch", "--on", "simulated").out.splitlines()[1:] == ["conn-limit 2: patched"]
    shown = cli("watch", "--on", "simulated", "--format", "json")
    check_shape("patches", shown.json)
    assert [patch["phase"] for patch in shown.json["patches"]] == ["patched"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--last", "0"), 2, "--last"),
        (("--on", "simulated"), 2, "a simulated kernel keeps no history"),
        (("--on", "nowhere:x"), 4, "nowhere:x"),
    ],
)
def test_what_history_cannot_show(words: tuple[str, str], code: int, said: str) -> None:
    ran = cli("history", *words)
    assert (ran.rc, ran.out) == (code, "")
    assert said in ran.err
