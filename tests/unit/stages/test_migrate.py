# SPDX-License-Identifier: MIT
"""migrate: what was lost is named, and what cannot be tried is refused before a guest boots."""

import errno
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lppack import pipeline
from lppack.cli.migrate import migrated_json
from lppack.errors import AnswerIsNo, EnvironmentMissing, HostError
from lppack.hosts.protocol import Ran
from lppack.stages.migrate import Migrated, TreeState, migrate
from tests.kit.command import check_shape, lppack

OUT = """\
P 7 program
T 7/7
T 7/9
F 7/0 /dev/null
F 7/3 pipe:[420]
P 8 program
T 8/8
"""


class Guest:
    """Answers scripts by a word that is in them."""

    def __init__(self, **answers: str | int) -> None:
        self.answers: dict[str, str | int] = {"pidof program |": "7\n", "readlink": OUT, **answers}
        self.ran: list[str] = []

    def run(self, argv: Sequence[str], *, limit: float) -> Ran:
        self.ran.append(argv[-1])
        for word, answer in self.answers.items():
            if word in argv[-1]:
                failed = isinstance(answer, int)
                rc, out = (answer, "") if isinstance(answer, int) else (0, answer)
                return Ran(rc=rc, out=out, err="told" if failed else "")
        return Ran(rc=0, out="64\t/criu\n", err="")

    def put(self, *_words: Any, **_more: Any) -> None:
        pass

    def read(self, path: str) -> str:
        if path.endswith("out"):
            return "its last words\n"
        if path.endswith("dump.log"):
            return "(0.1) Dumping\n(0.2) Error (criu/x.c:1): Can't dump socket\n"
        raise HostError(path, errno.ENOENT)

    def close(self) -> None:
        pass

    def ping(self, *, limit: float = 10.0) -> None:
        pass


def run(guest: Guest, monkeypatch: pytest.MonkeyPatch) -> Migrated:
    monkeypatch.setattr("lppack.stages.migrate.time.sleep", lambda _seconds: None)
    place = Path("/x")
    return migrate(
        guest,  # type: ignore[arg-type]
        program=place,
        arguments="a",
        image=place,
        initramfs=place,
        settle=1.0,
        say=lambda _line: None,
    )


def test_all_steps_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    guest = Guest()
    made = run(guest, monkeypatch)
    assert made.before == made.after
    assert made.before.files == ("7/0 /dev/null", "7/3 pipe"), "a pipe has another number there"
    assert list(made.seconds)[:6] == ["start", "dump", "pack", "load", "boot", "restore"]
    order = [
        word for line in guest.ran for word in ("criu dump", "kexec -l", "kexec -e") if word in line
    ]
    assert order == ["criu dump", "kexec -l", "kexec -e"]
    check_shape("migrate", {"ok": True, **migrated_json(made)})


def test_what_criu_refuses_is_told_in_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AnswerIsNo, match="(?s)dump: exit code 1\ntold\n.*Can't dump socket"):
        run(Guest(**{"criu dump": 1}), monkeypatch)
    with pytest.raises(AnswerIsNo, match="load: exit code 255"):
        run(Guest(**{"kexec -l": 255}), monkeypatch)


def test_a_program_that_ends_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    guest = Guest(**{"pidof program |": ""})
    with pytest.raises(AnswerIsNo, match="(?s)has ended before 1 s were over\nits last words"):
        run(guest, monkeypatch)
    assert not [line for line in guest.ran if "criu" in line and "mkdir" not in line]


def test_what_is_lost_is_named() -> None:
    before = TreeState(processes=("7 a", "8 b"), threads=("7/7", "7/9"), files=("7/3 pipe",))
    after = TreeState(processes=("7 a",), threads=("7/7", "7/9"), files=())
    assert before.lost(after) == ("processes 8 b", "files 7/3 pipe")
    assert before.lost(before) == ()


def test_a_timer_that_criu_disarms_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its log has the time that is left: none, where the timer had expired."""
    line = "(00.07) timerfd: Dumping id 0x4 clockid 1 it_value({}) it_interval({})\n"
    cases = (("0, 0", "0, 50000000"), ("0, 7", "0, 40000000"), ("0, 0", "0, 0"))
    log = "".join(line.format(*case) for case in cases)
    made = run(Guest(**{"grep timerfd": log}), monkeypatch)
    assert made.lost == ("periodic timerfd of 0.05 s",)
    assert run(Guest(**{"grep timerfd": ""}), monkeypatch).lost == ()


def test_what_is_no_program_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentMissing, match="is no file"):
        pipeline.plan_migration(tmp_path / "absent", None, "x")
    text = tmp_path / "text"
    text.write_text("#!/bin/sh\n")
    ran = lppack("migrate", text, "--to", "x")
    assert (ran.rc, "is not a Linux program" in ran.err, "gcc -static" in ran.err) == (
        4,
        True,
        True,
    )
