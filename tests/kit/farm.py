# SPDX-License-Identifier: MIT
"""A scheduler and workers of dask on this machine, each worker with a cache of its own."""

import contextlib
import gc
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.kit.at_once import empty_cache
from tests.kit.command import ROOT

_START = 120.0  # seconds


@dataclass(frozen=True)
class Farm:
    address: str
    scheduler: "subprocess.Popen[bytes]"
    workers: "tuple[subprocess.Popen[bytes], ...]"


@contextlib.contextmanager
def _started(*words: str, log: Path, **env: str) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "distributed.cli." + words[0], *words[1:]],
            cwd=ROOT,
            env={**os.environ, **env},
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextlib.contextmanager
def farm(folder: Path, *, workers: int = 2) -> Iterator[Farm]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    with contextlib.ExitStack() as stack:
        port = address.rpartition(":")[2]
        words: tuple[str, ...] = (
            *("dask_scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard"),
        )
        scheduler = stack.enter_context(_started(*words, log=folder / "scheduler.log"))
        started, logs = [], []
        for number in range(workers):
            (folder / f"w{number}").mkdir()
            cache = empty_cache(folder / f"w{number}")
            words = (
                *("dask_worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"),
                *("--local-directory", str(folder / f"w{number}")),
            )
            logs.append(folder / f"worker{number}.log")
            env = {"XDG_CACHE_HOME": str(cache)}
            started.append(stack.enter_context(_started(*words, log=logs[-1], **env)))
        end = time.monotonic() + _START
        while not all("Registered to" in log.read_text() for log in logs):
            assert time.monotonic() < end, [log.read_text() for log in logs]
            time.sleep(0.2)
        yield Farm(address, scheduler, tuple(started))
    # A client leaves a task whose exception nobody has read. Its report, when it is collected,
    # parses source, and so breaks an ast.parse() that it interrupts (Python 3.11).
    gc.collect()
