# SPDX-License-Identifier: MIT
"""Whose code runs, where several live patches replace one function: nobody else's fix is live."""

import pytest

from lppack import abi
from lppack.abi import PatchPhase
from lppack.engines.livepatch import Livepatch
from lppack.errors import HostError
from lppack.stages.apply import apply
from lppack.stages.owners import overridden
from lppack.stages.revert import revert
from lppack.stages.status import PatchReport, status
from tests.kit.control import KO, MODULE, control
from tests.kit.fake_kernel import FakeHost, FakeKernel, Patch, info
from tests.kit.samples import bundle

A, B = "conn/a,1", "conn/b,1"  # CVE-1 is fixed in a, CVE-2 in b


def ours(*, complete: bool = True) -> Patch:
    return Patch(info=info(), functions=(A, B), complete=complete, convert=complete)


def foreign(*functions: str) -> Patch:
    return Patch(info=None, functions=functions, complete=True)


def found(host: FakeHost) -> dict[str, PatchReport]:
    return {patch.module: patch for patch in status(Livepatch(host), host.name)}


def live(host: FakeHost) -> list[bool]:
    return [fix["live"] for fix in found(host)[MODULE].fixes]


@pytest.mark.parametrize(
    ("functions", "fixed"),
    [
        ((A,), [False, True]),
        ((B,), [True, False]),
        ((A, B), [False, False]),
        (("vmlinux/a,1",), [True, True]),
        (("conn/c,1",), [True, True]),
    ],
)
def test_a_fix_below_a_foreign_patch_is_not_live(
    kernel: FakeKernel, host: FakeHost, functions: tuple[str, ...], fixed: list[bool]
) -> None:
    kernel.patches |= {MODULE: ours(), "by_hand": foreign(*functions)}
    assert live(host) == fixed
    shared = [("conn", name[5], "by_hand") for name in functions if name in (A, B)]
    assert list(found(host)[MODULE].overridden) == shared
    assert control(host).report(MODULE).overridden == tuple(shared)
    assert found(host)["by_hand"].overridden == ()


def test_a_fix_above_a_foreign_patch_is_live(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches |= {"by_hand": foreign(A), MODULE: ours()}
    assert live(host) == [True, True]
    assert found(host)["by_hand"].overridden == (("conn", "a", MODULE),)


def test_what_is_on_its_way_counts_for_the_threads_that_have_switched(
    kernel: FakeKernel, host: FakeHost
) -> None:
    kernel.patches |= {MODULE: ours(), "by_hand": foreign(A)}
    for enabled in (True, False):
        kernel.patches["by_hand"].enabled, kernel.moving = enabled, "by_hand"
        assert found(host)["by_hand"].phase in (PatchPhase.PATCHING, PatchPhase.UNPATCHING)
        assert live(host) == [False, True]
    kernel.patches["by_hand"].known, kernel.moving = False, None
    assert live(host) == [True, True]


def test_the_topmost_of_three_is_named(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches |= {MODULE: ours(), "one": foreign(A), "two": foreign(A, B)}
    assert found(host)[MODULE].overridden == (("conn", "a", "two"), ("conn", "b", "two"))


def test_without_an_order_no_fix_is_called_live(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches |= {"by_hand": foreign(A), MODULE: ours()}
    files = host.files
    host.files = lambda: {k: v for k, v in files().items() if k != abi.MODULE_LIST}  # type: ignore[method-assign]
    assert live(host) == [False, True]


def test_a_version_that_takes_over_keeps_the_fixes_that_it_holds(
    kernel: FakeKernel, host: FakeHost
) -> None:
    """Until it is complete, threads run the one or the other; conversion waits meanwhile."""
    kernel.patches |= {
        MODULE: ours(),
        "lppack_conn_limit_3": Patch(info=info(version=3), functions=(A, B)),
    }
    kernel.moving = "lppack_conn_limit_3"
    assert live(host) == [True, False]


def test_the_json_says_who_has_the_function(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches |= {MODULE: ours(), "by_hand": foreign(A)}
    assert found(host)[MODULE].to_json()["overridden"] == [
        {"object": "conn", "function": "a", "by": "by_hand"}
    ]


def test_apply_reports_what_came_above_it_meanwhile(kernel: FakeKernel, host: FakeHost) -> None:
    host.modules[MODULE] = ours(complete=False)

    def say(line: str) -> None:
        if line.startswith("patched"):
            kernel.patches["by_hand"] = foreign(A)

    report = apply(control(host, say), bundle(), KO)
    assert [fix["live"] for fix in report.fixes] == [False, True]


def test_revert_says_what_does_not_go_back(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches |= {MODULE: ours(), "by_hand": foreign(A)}
    said: list[str] = []
    revert(control(host, said.append), MODULE)
    assert said[-1] == "not the original: a of conn still runs in by_hand"


def test_revert_says_what_goes_back(kernel: FakeKernel, host: FakeHost) -> None:
    """Not what still runs elsewhere; of many functions, not all."""
    kernel.patches |= {MODULE: ours(), "by_hand": foreign(A)}
    said: list[str] = []
    revert(control(host, said.append), MODULE)
    assert f"unloaded: {MODULE} is gone; the original again: b of conn" in said
    many = tuple(f"vmlinux/f{number},1" for number in range(9))
    kernel.patches = {MODULE: Patch(info=info(), functions=(A, *many), complete=True)}
    revert(control(host, said.append), MODULE)
    assert said[-1].endswith("again: a of conn; f0, f1, f2, f3, f4, f5, f6 of vmlinux and 2 more")


def test_one_patch_alone_asks_for_nothing(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches[MODULE] = ours()
    engine = Livepatch(host)
    states = engine.patches()
    host.files = lambda: {}  # type: ignore[method-assign]
    with pytest.raises(HostError):
        host.read(abi.MODULE_LIST)
    assert overridden(engine, states) == {}
