# SPDX-License-Identifier: MIT
import pytest

from lppack import abi
from lppack.engines.livepatch import Livepatch
from lppack.errors import ApplyRefused
from lppack.rules.host import function_is_free
from lppack.rules.view import View
from lppack.stages.apply import refuse_early
from tests.kit.control import MODULE, control
from tests.kit.fake_kernel import FakeHost, FakeKernel, Patch, info
from tests.kit.samples import bundle
from tests.unit.rules.cases import title
from tests.unit.rules.every_case import of_kind
from tests.unit.rules.host_cases import KPROBE, HostCase


class HostWithFiles(FakeHost):
    """The fake host, and files of the kernel's that it does not know."""

    def __init__(self, kernel: FakeKernel, more: dict[str, str]) -> None:
        super().__init__(kernel)
        self.more = more

    def files(self) -> dict[str, str]:
        return {**super().files(), **self.more}


@pytest.mark.parametrize("case", of_kind(HostCase), ids=title)
def test_rule(case: HostCase) -> None:
    kernel = FakeKernel()
    case.prepare(kernel)
    host = HostWithFiles(kernel, case.files)
    engine = Livepatch(host)
    view = View(host=host, engine=engine, states=engine.patches())
    found = list(case.rule(view, bundle(**case.bundle)))
    assert bool(found) is case.fails
    assert all(case.says in refusal.message and refusal.hint for refusal in found)


def test_an_error_refuses() -> None:
    host = HostWithFiles(FakeKernel(), {abi.SIG_ENFORCE: "Y\n"})
    with pytest.raises(ApplyRefused, match="only signed modules"):
        refuse_early(control(host), bundle())


def test_a_warning_is_told_and_does_not_refuse() -> None:
    said: list[str] = []
    host = HostWithFiles(FakeKernel(), {abi.ENABLED_FUNCTIONS: KPROBE})
    refuse_early(control(host, said.append), bundle())
    assert [line.partition(":")[0] for line in said] == ["warning"]


def test_a_live_patch_that_came_meanwhile_is_no_kprobe() -> None:
    """Another apply of the same bundle has redirected the function since the states were read."""
    kernel = FakeKernel()
    host = HostWithFiles(kernel, {abi.ENABLED_FUNCTIONS: KPROBE})
    engine = Livepatch(host)
    view = View(host=host, engine=engine, states=engine.patches())
    kernel.patches[MODULE] = Patch(info=info(), functions=("conn/conn_syn,1",))
    assert list(function_is_free(view, bundle())) == []
