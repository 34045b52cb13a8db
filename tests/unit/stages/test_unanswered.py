# SPDX-License-Identifier: MIT
"""A host that does not answer a request: no command takes that for the absence of what it asked."""

import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from lppack import abi
from lppack.engines.kernel import KernelEngines
from lppack.errors import ApplyRefused, HostError
from lppack.hosts.protocol import Ran
from lppack.stages.apply import Control, refuse_early
from lppack.stages.convert import convert
from lppack.stages.host_status import host_status
from lppack.stages.revert import revert
from lppack.stages.status import status
from tests.kit.control import MODULE, patched
from tests.kit.fake_kernel import FakeHost, FakeKernel, Patch, info
from tests.kit.samples import bundle

ERRORS = (errno.EBUSY, errno.EIO, errno.ETIMEDOUT, errno.EACCES)


@dataclass
class Unanswered(FakeHost):
    """Answers request number ``fails`` (from 0), and that alone, with ``error``."""

    kernel: FakeKernel
    fails: int = -1
    error: int = errno.EBUSY
    requests: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(self.kernel)

    def _next(self, path: str) -> None:
        self.requests.append(path)
        if len(self.requests) == self.fails + 1:
            raise HostError(path, self.error)

    def read(self, path: str) -> str:
        self._next(path)
        return super().read(path)

    def list(self, path: str) -> tuple[str, ...]:
        self._next(path)
        return super().list(path)

    def run(self, argv: Sequence[str], *, limit: float) -> Ran:
        self._next(argv[0])
        return super().run(argv, limit=limit)


def _kernel() -> FakeKernel:
    moved = Patch(info=info("other", 1, engine="consistency", mode="kgraft"), complete=True)
    return FakeKernel(patches={MODULE: patched(), "lppack_other_1": moved})


def _requests(kernel: FakeKernel) -> list[str]:
    host = Unanswered(kernel)
    host_status(KernelEngines(host), host)
    return host.requests


@pytest.mark.parametrize("error", ERRORS)
def test_status_of_a_host_that_does_not_answer_is_never_a_shorter_list(error: int) -> None:
    kernel = _kernel()
    for number, path in enumerate(_requests(kernel)):
        if path in (abi.PREEMPTION, abi.COMMAND_LINE) and error == errno.EACCES:
            continue  # how the kernel preempts is for root, and no more than a note
        host = Unanswered(kernel, fails=number, error=error)
        with pytest.raises(HostError) as caught:
            host_status(KernelEngines(host), host)
        assert (caught.value.errno, caught.value.exit_code) == (error, 8), host.requests[number]


@pytest.mark.parametrize("error", ERRORS)
def test_apply_is_refused_where_a_rule_could_not_look(error: int) -> None:
    kernel = FakeKernel(patches={"lppack_other_1": Patch(info=info("other", 1), complete=True)})
    host = Unanswered(kernel)
    refuse_early(Control(engine=KernelEngines(host), host=host), bundle())
    for number, path in enumerate(host.requests):
        if path == abi.ENABLED_FUNCTIONS and error == errno.EACCES:
            continue  # below
        host = Unanswered(kernel, fails=number, error=error)
        with pytest.raises(ApplyRefused, match="nothing was changed"):
            refuse_early(Control(engine=KernelEngines(host), host=host), bundle())
    assert kernel.log == []


@pytest.mark.parametrize("error", [errno.EACCES, errno.EPERM])
def test_a_kernel_that_hides_who_redirects_functions_is_no_reason_to_refuse(error: int) -> None:
    host = Unanswered(FakeKernel())
    refuse_early(Control(engine=KernelEngines(host), host=host), bundle())
    number = host.requests.index(abi.ENABLED_FUNCTIONS)
    said: list[str] = []
    host = Unanswered(FakeKernel(), fails=number, error=error)
    refuse_early(Control(engine=KernelEngines(host), host=host, say=said.append), bundle())
    assert len(said) == 1
    assert "redirects a function of conn-limit; if one does" in said[0]


@pytest.mark.parametrize("act", [convert, revert])
def test_what_cannot_be_found_is_not_acted_on(act: Callable[[Control, str], object]) -> None:
    kernel = FakeKernel(patches={MODULE: patched(convert=False)})
    host = Unanswered(kernel, fails=0)
    with pytest.raises(ApplyRefused, match="nothing was changed on fake") as caught:
        act(Control(engine=KernelEngines(host), host=host), "conn-limit")
    assert caught.value.reason == "unanswered"
    assert kernel.log == []


class Mute(FakeHost):
    """A host on which the kernel's log cannot be read."""

    def run(self, argv: Sequence[str], *, limit: float) -> Ran:
        if list(argv) == ["dmesg"]:
            return Ran(
                rc=1, out="", err="dmesg: read kernel buffer failed: Operation not permitted"
            )
        return super().run(argv, limit=limit)


def test_a_log_that_cannot_be_read_is_not_a_log_without_force() -> None:
    host = Mute(FakeKernel())
    with pytest.raises(ApplyRefused, match="does not know whether a transition was forced"):
        refuse_early(Control(engine=KernelEngines(host), host=host), bundle())
    host.kernel.patches[MODULE] = patched()
    assert [patch.forced for patch in status(KernelEngines(host), host.name)] == [None]
