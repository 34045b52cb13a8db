# SPDX-License-Identifier: MIT
"""A kernel, a patch for it, and a thread that a test can put to sleep: what the suite needs of
every engine. A new engine is one more class here, and one more parameter in conftest.py."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from lppack.engines.simulated import Simulated, SimulatedClock, SimulatedHost
from lppack.engines.simulated_kernel import SimulatedKernel
from lppack.model import Bundle
from lppack.stages.apply import Control
from tests.kit.target import Target

#: A function of the patch in which a thread sleeps until it is woken.
SLEPT_IN = "conn_wait"


class World(Protocol):
    control: Control

    @property
    def bundle(self) -> Bundle: ...

    @property
    def ko(self) -> Path: ...

    def asleep(self) -> AbstractContextManager[None]:
        """While it lasts, a thread sleeps in SLEPT_IN, in the code that it called then."""

    def use(self) -> None:
        """Some thread uses the data that the patch converts."""

    def new_data(self) -> int:
        """How many objects are in the new form."""


class InMemory:
    """The simulated engine."""

    ko = Path("/nonexistent.ko")  # no file is read

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.kernel = SimulatedKernel.fresh(seed=7)
        self.control = Control(
            engine=Simulated(self.kernel, bundle),
            host=SimulatedHost(self.kernel),
            clock=SimulatedClock(self.kernel),
            timeout=60.0,
        )

    @contextmanager
    def asleep(self) -> Iterator[None]:
        task = self.kernel.hold(SLEPT_IN)
        yield
        self.kernel.wake(task)

    def use(self) -> None:
        self.kernel.pass_time(20.0)

    def new_data(self) -> int:
        return sum(form for patch in self.kernel.patches for form in patch.new)


class InGuest:
    """An engine of a real kernel, with the target of examples/conn-limit loaded."""

    def __init__(self, target: Target, control: Control) -> None:
        self.target = target
        self.control = control
        self.bundle = target.bundle
        self.ko = target.ko

    @contextmanager
    def asleep(self) -> Iterator[None]:
        before = self._sleepers()
        self.target.background("wait web")
        self.target.until(lambda: self._sleepers() == before + 1)
        yield
        self.target.tell("wake web")

    def _sleepers(self) -> int:
        return sum(self.target.sleepers(name) for name in (SLEPT_IN, f"lp_{SLEPT_IN}"))

    def use(self) -> None:
        self.target.tell("syn web", "ack web")

    def new_data(self) -> int:
        return list(self.target.forms().values()).count("new")
