# SPDX-License-Identifier: MIT
"""Runs lppack as a user does, in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    rc: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.out)
        return value


def lppack(
    *words: str | Path,
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
    limit: float = 300.0,
) -> Ran:
    done = subprocess.run(
        [sys.executable, "-m", "lppack", *map(str, words)],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=limit,
        stdin=subprocess.DEVNULL,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Ran(rc=done.returncode, out=done.stdout, err=done.stderr)


def heed_ctrl_c() -> None:
    """For a child's start: what a background job or nohup ignores, all below it would ignore."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def interrupted(
    *words: str | Path,
    when: Callable[[int], bool],
    cwd: Path = ROOT,
    limit: float = 180.0,
    by: Sequence[signal.Signals] = (signal.SIGINT,),
) -> Ran:
    """Sends SIGINT once ``when`` holds of its process, as Ctrl-C does; or other signals."""
    process = subprocess.Popen(
        [sys.executable, "-m", "lppack", *map(str, words)],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        stdin=subprocess.DEVNULL,
        preexec_fn=heed_ctrl_c,
    )
    try:
        end = time.monotonic() + limit
        while not when(process.pid):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < end, "the moment to interrupt never came"
            time.sleep(0.1)
        for number in by:
            process.send_signal(number)
        out, err = process.communicate(timeout=limit)
    finally:
        process.kill()
    assert "Traceback" not in err, err
    return Ran(rc=process.returncode, out=out, err=err)


def check_shape(name: str, value: dict[str, Any]) -> None:
    """Holds the JSON of a command against ``schemas/output-v1.json``."""
    from jsonschema import Draft202012Validator

    from lppack.resources import schema

    Draft202012Validator({**schema("output-v1"), "$ref": f"#/$defs/{name}"}).validate(value)


def shell(line: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LPPACK": f"{sys.executable} -m lppack", **variables}
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=heed_ctrl_c,
    )
