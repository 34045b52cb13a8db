# SPDX-License-Identifier: MIT
"""Run one function on many items, in processes of this machine; all end with the run."""

import contextlib
import ctypes
import multiprocessing
import os
import signal
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from lppack.errors import EnvironmentMissing

Item = TypeVar("Item")
Result = TypeVar("Result")
_PR_SET_PDEATHSIG = 1  # include/uapi/linux/prctl.h
_END = 30.0  # seconds for a process to clean up after Ctrl-C


def run(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    jobs: int,
    on_start: Callable[[Item], None],
) -> Iterator[tuple[Item, Result | BaseException]]:
    """Yield each item with its result as it ends, ``jobs`` at a time; an exception is a result.

    If a process is killed, only its item fails. Each item has a new process, forked from this one,
    whose imports it shares. If ``items`` is a deque, the caller may add items while results come.
    """
    context = multiprocessing.get_context("fork")
    waiting = items if isinstance(items, deque) else deque(items)
    running: dict[Connection, tuple[Item, BaseProcess]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                item = waiting.popleft()
                mine, theirs = context.Pipe(duplex=False)
                child = context.Process(target=_child, args=(work, item, theirs, mine, os.getpid()))
                child.start()
                theirs.close()
                running[mine] = (item, child)
                on_start(item)
            for ready in wait(list(running)):
                assert isinstance(ready, Connection)
                item, process = running.pop(ready)
                result: Result | BaseException
                try:
                    result = ready.recv()
                except EOFError:
                    process.join()
                    result = _ended(process.exitcode or 0)
                ready.close()
                process.join()
                yield item, result
    finally:
        _stop([child for _, child in running.values()])


def _ended(code: int) -> EnvironmentMissing:
    if code < 0:
        return EnvironmentMissing(
            f"its process was ended: signal {-code}",
            hint="was it out of memory? see dmesg, and give fewer --jobs",
        )
    return EnvironmentMissing(
        f"its process ended with exit code {code} and no result", hint="try it again"
    )


def _child(
    work: Callable[[Item], Any], item: Item, out: Connection, other: Connection, parent: int
) -> None:
    other.close()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it ended before prctl
        os._exit(130)
    # Its own process group: only the command gets Ctrl-C, and then ends each child once.
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        result = work(item)
    except KeyboardInterrupt:
        os._exit(130)
    except Exception as error:
        result = RuntimeError("".join(traceback.format_exception(error)))
    out.send(result)
    out.close()
    os._exit(0)


def _interrupt(_number: int, _frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _stop(children: Iterable[BaseProcess]) -> None:
    """End processes with SIGTERM, on which they clean up; kill those that are left after a
    delay."""
    children = list(children)
    for child in children:
        child.terminate()
    for child in children:
        child.join(_END)
        with contextlib.suppress(ProcessLookupError, AttributeError):
            if child.is_alive():
                child.kill()
                child.join()
