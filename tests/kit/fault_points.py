# SPDX-License-Identifier: MIT
"""lppack is killed at each step of apply, convert and revert, on a real kernel.

After each kill, status must be true and name one command, and that command must bring the patch to
patched or to absent, with the data of the target as it was.
"""

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from lppack import pipeline
from lppack.hosts import open_host
from lppack.hosts.console import faults
from lppack.stages.faults import STEPS, VARIABLE
from tests.kit.command import EXAMPLES, lppack

NEW = 1 << 31
REQUESTS = 3  # half-open ones of the connection `web`: its word must keep that count
MODULE = "lppack_conn_limit_1"
GUEST = "faults"
ENGINES = ("livepatch", "consistency")
COMMANDS = ("apply", "convert", "revert")
#: Where the patch is: (phase, conversion).
Place = tuple[str, str]
ABSENT: Place = ("absent", "off")
LIVE: Place = ("patched", "on")
PATCHED: Place = ("patched", "off")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One kill and what came of it."""

    engine: str
    command: str
    point: str
    killed: Place
    next: str | None
    rest: Place

    def __str__(self) -> str:
        killed, rest = " ".join(self.killed), " ".join(self.rest)
        way = self.next or "-"
        return f"{self.engine:12} {self.command:8} {self.point:26} {killed:15} {way:36} {rest}"


@contextlib.contextmanager
def started() -> Iterator[None]:
    """A guest with the target of conn-limit."""
    run_dir = tempfile.mkdtemp(prefix="lp")  # short: a socket's path is limited
    env = {"XDG_RUNTIME_DIR": run_dir}
    try:
        ran = lppack("guest", "start", GUEST, "--target", EXAMPLES / "conn-limit", env=env)
        assert ran.rc == 0, ran.err
        requests = f"for i in $(seq {REQUESTS}); do echo 'syn web' > /proc/conn; done"
        assert lppack("guest", "shell", GUEST, requests, env=env).rc == 0
        with mock.patch.dict(os.environ, env):
            yield
        console = Path(run_dir) / f"lppack/{GUEST}/console.log"
        assert faults(console.read_text(errors="replace")) == ()
    finally:
        lppack("guest", "stop", GUEST, env=env)
        shutil.rmtree(run_dir)


def built(engine: str, folder: Path) -> Path:
    """The bundle of conn-limit for ``engine``."""
    words = ("build", EXAMPLES / "conn-limit", "--engine", engine, "-o", folder / engine)
    ran = lppack(*words)
    assert ran.rc == 0, ran.err
    return next((folder / engine).glob("*.lpp"))


class Operator:
    """Types commands against that guest. What is not tried itself is called without a process."""

    def __init__(self, bundle: Path, engine: str, *, on: str = f"guest:{GUEST}") -> None:
        self.on = on
        self.bundle = bundle
        self.engine = engine

    def type(self, *words: str, fault: str | None = None) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "lppack", *words],
            env=os.environ | ({VARIABLE: fault} if fault else {}),
            capture_output=True,
            text=True,
            timeout=180,
            stdin=subprocess.DEVNULL,
        )

    def status(self) -> dict[str, Any]:
        """What `status --format json` prints."""
        found = pipeline.status_of(None, self.on)
        return {"patches": [patch.to_json() for patch in found.patches], **found.to_json()}

    def shell(self, line: str) -> str:
        with open_host(self.on) as host:
            done = host.run(["/bin/sh", "-c", line], limit=30.0)
        assert done.rc == 0, done.err
        return done.out

    def command(self, name: str) -> list[str]:
        return [name, str(self.bundle) if name == "apply" else "conn-limit", "--on", self.on]

    def do(self, name: str, *, convert: bool = True) -> None:
        if name == "apply":
            pipeline.apply_bundle(
                *(self.bundle, self.on), convert=convert, timeout=60, dry_run=False, say=_silent
            )
        elif name == "convert":
            pipeline.convert_series("conn-limit", self.on, say=_silent)
        else:
            pipeline.revert_series("conn-limit", self.on, timeout=60, say=_silent)

    def begin(self, place: Place) -> None:
        """Bring the patch to where a command begins."""
        now = place_of(self.status())
        if (now, place) == (PATCHED, LIVE):
            self.do("convert")
        elif now != place:
            if now != ABSENT:
                self.do("revert")
            if place != ABSENT:
                self.do("apply", convert=place == LIVE)

    def count(self, place: Place) -> int:
        """Touch the connection, which converts it if conversion is on; return what it counts."""
        shown = self.shell(
            "echo 'ack web' > /proc/conn; echo 'syn web' > /proc/conn; cat /proc/conn"
        )
        found = re.search(r"web 0x([0-9a-f]+)", shown)
        assert found
        word = int(found[1], 16)
        assert bool(word & NEW) == (place == LIVE), f"web is {word:#x}"
        return word & 0xFFFF

    def points(self, command: str, start: Place) -> list[str]:
        """The steps of one run without a fault, as its record has them."""
        self.begin(start)
        self.do(command)
        (record,) = pipeline.history_of(self.on, 1)
        assert (record.command, record.result) == (command, "done")
        taken = {step["step"] for step in record.steps}
        assert taken <= set(STEPS)
        return [step for step in STEPS if step in taken | {"begin", "end"}]

    def kill(self, command: str, start: Place, point: str) -> Row:
        self.begin(start)
        done = self.type(*self.command(command), fault=f"kill {point}")
        assert done.returncode == -signal.SIGKILL, f"{point}: {done.returncode}\n{done.stderr}"
        found = self.status()
        if found["next"] is not None:
            ran = self.type(*shlex.split(found["next"])[1:])
            assert ran.returncode == 0, f"{point}: {found['next']}: {ran.stdout}{ran.stderr}"
        rest = self.status()
        assert (rest["unfinished"], rest["leftovers"], rest["next"]) == ([], [], None), point
        place = place_of(rest)
        assert self.count(place) == REQUESTS, f"{self.engine} {command} {point}"
        left = self.shell("ls /run/lppack/load /var/lib/lppack/open; lsmod")
        assert ".ko" not in left, left
        assert ".json" not in left or point == "after end", left
        assert ("lppack_engine" in left) == (place != ABSENT and self.engine == "consistency")
        return Row(
            engine=self.engine,
            command=command,
            point=point,
            killed=place_of(found),
            next=found["next"],
            rest=place,
        )

    def walk(self, command: str, *, after: bool) -> Iterator[Row]:
        """Kill ``command`` before each of its steps; and after each, with ``after``.

        Just after a step the kernel is where it is just before the next one.
        """
        start = {"apply": ABSENT, "convert": PATCHED, "revert": LIVE}[command]
        for step in self.points(command, start):
            yield self.kill(command, start, f"before {step}")
            if after or step == "end":
                yield self.kill(command, start, f"after {step}")


def _silent(_line: str) -> None:
    pass


def place_of(status: Mapping[str, Any]) -> Place:
    patches = status["patches"]
    return (patches[0]["phase"], patches[0]["conversion"]) if patches else ABSENT


def check(row: Row) -> None:
    """The patch rests where the command was going, or where it came from; status named the way."""
    start = {"apply": ABSENT, "convert": PATCHED, "revert": LIVE}[row.command]
    if row.point == "before begin":
        assert (row.next, row.rest) == (None, start), row
    elif row.point == "after end":
        assert (row.next, row.rest) == (None, ABSENT if row.command == "revert" else LIVE), row
    else:
        assert row.next == f"lppack recover --on guest:{GUEST}", row
        begun = row.command == "revert" or row.killed != ABSENT
        assert row.rest == (ABSENT if row.command == "revert" or not begun else LIVE), row
