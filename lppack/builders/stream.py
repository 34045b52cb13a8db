# SPDX-License-Identifier: MIT
"""Output as it comes, with a deadline even when nothing comes."""

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

from lppack.clock import Deadline

Item = TypeVar("Item")


def until(deadline: Deadline, items: Iterable[Item]) -> Iterator[Item]:
    """Yield the items as they come; raise TimeoutError when the deadline passes.

    Another thread reads ``items``, so that a silent engine or child cannot block the caller.
    """
    arrived: queue.SimpleQueue[tuple[Item] | BaseException | None] = queue.SimpleQueue()

    def read() -> None:
        try:
            for item in items:
                arrived.put((item,))
            arrived.put(None)
        except BaseException as error:  # raised again in the caller's thread
            arrived.put(error)

    threading.Thread(target=read, name="lppack-stream", daemon=True).start()
    while True:
        try:
            item = arrived.get(timeout=max(deadline.left, 0.001))
        except queue.Empty:
            if deadline.expired:
                raise TimeoutError from None
            continue
        if item is None:
            return
        if isinstance(item, BaseException):
            raise item
        yield item[0]


def lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Yield the lines without their ends; chunks may break anywhere, also inside a character."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.decode(errors="replace").removesuffix("\r")
    if rest:
        yield rest.decode(errors="replace")
