# SPDX-License-Identifier: MIT
"""A clock that tests can replace, and deadlines on it."""

import time
from dataclasses import dataclass, field
from typing import Protocol


class Clock(Protocol):
    def now(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The monotonic clock of this machine, in seconds."""

    def now(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


@dataclass(slots=True)
class Deadline:
    """A point in time, ``limit`` seconds after this object is created."""

    limit: float
    clock: Clock = field(default_factory=SystemClock)
    start: float = field(init=False)

    def __post_init__(self) -> None:
        self.start = self.clock.now()

    @property
    def elapsed(self) -> float:
        return self.clock.now() - self.start

    @property
    def left(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self.limit - self.elapsed)

    @property
    def expired(self) -> bool:
        return self.left <= 0

    def pause(self, seconds: float) -> None:
        """Sleep for ``seconds``, but not past the deadline."""
        self.clock.sleep(min(seconds, self.left))
