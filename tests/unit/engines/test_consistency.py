# SPDX-License-Identifier: MIT
"""lppack's own engine through its files, and both engines as one."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from lppack import abi
from lppack.abi import PatchPhase
from lppack.consistency import EngineName
from lppack.engines.consistency import Consistency
from lppack.engines.kernel import KernelEngines
from lppack.engines.livepatch import Livepatch
from lppack.engines.protocol import Engine
from lppack.errors import ApplyRefused, ApplyStuck, HostError
from lppack.hosts.protocol import TIMED_OUT, Ran
from tests.kit.fake_kernel import FakeHost, FakeKernel, Patch, Thread, info

MODULE = "lppack_conn_limit_2"
KO = Path("/files") / f"{MODULE}.ko"


def fresh() -> FakeHost:
    host = FakeHost(FakeKernel(engine_api=None))
    host.modules[MODULE] = Patch(info=info(engine="consistency", mode="kpatch"))
    return host


def loaded() -> FakeHost:
    host = fresh()
    Consistency(host).load(MODULE, KO)
    return host


def as_engine(engine: Consistency | KernelEngines) -> Engine:
    """The smallest legal engine: this line is what mypy checks."""
    return engine


def test_the_engine_comes_with_the_first_patch_and_goes_with_the_last() -> None:
    host = loaded()
    engine = Consistency(host)
    host.kernel.finish()
    assert engine.state(MODULE).phase is PatchPhase.PATCHED
    engine.reverse(MODULE)
    assert engine.state(MODULE).phase is PatchPhase.UNPATCHING
    host.kernel.finish()
    engine.unload(MODULE)
    log = host.kernel.log
    assert log[:2] == ["insmod lppack_engine", f"insmod {MODULE}"]
    assert log[-2:] == [f"rmmod {MODULE}", "rmmod lppack_engine"]
    assert engine.state(MODULE).phase is PatchPhase.ABSENT


def test_an_engine_that_is_there_is_used() -> None:
    host = fresh()
    host.kernel.engine_api = abi.ENGINE_API
    Consistency(host).load(MODULE, KO)
    assert host.kernel.log == [f"insmod {MODULE}"]


def test_an_engine_that_another_command_loads_at_this_moment_is_used() -> None:
    host = FakeHost(FakeKernel(engine_api=None))
    host.modules[MODULE] = Patch(info=info(engine="consistency", mode="kgraft"))
    real = host.run

    def run(argv: Sequence[str], *, limit: float) -> Ran:
        ran = real(argv, limit=limit)
        if argv[0] == "insmod" and "engine" in argv[1]:
            return Ran(rc=1, out="", err="insmod: can't insert: File exists")
        return ran

    host.run = run  # type: ignore[method-assign]
    Consistency(host).load(MODULE, KO)
    assert MODULE in host.kernel.patches


def test_an_engine_of_another_api_is_refused() -> None:
    host = fresh()
    host.kernel.engine_api = abi.ENGINE_API + 1
    with pytest.raises(ApplyRefused, match=f"has API {abi.ENGINE_API + 1}") as caught:
        Consistency(host).load(MODULE, KO)
    assert "rmmod lppack_engine" in str(caught.value.hint)
    assert host.kernel.log == []


def test_a_patch_that_is_refused_leaves_no_engine() -> None:
    host = fresh()
    host.kernel.refuses = "cannot be hooked"
    with pytest.raises(ApplyRefused, match="refused"):
        Consistency(host).load(MODULE, KO)
    assert host.kernel.log[-1] == "rmmod lppack_engine"


def test_a_load_that_is_cut_off_is_not_taken_for_a_refusal() -> None:
    """The kernel goes on with it: nobody may say that the target is untouched."""

    class Slow(FakeHost):
        def run(self, argv: Sequence[str], *, limit: float) -> Ran:
            slow = argv[0] == "insmod" and MODULE in argv[1]
            return Ran(rc=TIMED_OUT, out="", err="") if slow else super().run(argv, limit=limit)

    host = Slow(FakeKernel(engine_api=None))
    with pytest.raises(ApplyStuck, match="did not end in 600 s") as caught:
        Livepatch(host).load(MODULE, KO)
    assert "lppack status" in str(caught.value.hint)
    with pytest.raises(ApplyStuck):
        Consistency(host).load(MODULE, KO)


def test_blockers() -> None:
    host = loaded()
    host.kernel.blocked[True] = (Thread(7, 8, "a b", stack=("conn_wait [conn]",)), Thread(9, 9, ""))
    first, second = Consistency(host).state(MODULE).blockers
    assert (first.pid, first.tid, first.comm, first.function) == (7, 8, "a b", "conn_wait")
    assert first.reason == "is in conn_wait"
    assert (second.function, second.reason) == (None, "is in")
    host.kernel.blocked.clear()
    host.kernel.finish()
    assert Consistency(host).state(MODULE).blockers == ()


def test_functions() -> None:
    host = loaded()
    host.kernel.finish()
    assert Consistency(host).replaced(MODULE) == {("conn", "conn_open")}
    assert Consistency(host).state(MODULE).waiting == frozenset()
    host.kernel.patches[MODULE].hooked = False
    assert Consistency(host).state(MODULE).waiting == {("conn", "conn_open")}


def test_both_engines_as_one() -> None:
    host = loaded()
    host.kernel.finish()
    host.kernel.patches["lppack_other_1"] = Patch(info=info("other", 1), functions=("vmlinux/f,1",))
    host.kernel.patches["stranger"] = Patch(info=None, functions=("vmlinux/g,1",))
    both = as_engine(KernelEngines(host))
    assert [state.module for state in both.patches()] == [MODULE, "lppack_other_1", "stranger"]
    assert both.replaced(MODULE) == {("conn", "conn_open")}
    assert both.replaced("lppack_other_1") == {("vmlinux", "f")}
    assert both.state(MODULE).info.mode == "kpatch"
    both.convert(MODULE, on=True)
    assert both.state(MODULE).convert
    both.reverse(MODULE)
    assert [s.phase for s in both.patches()] == [
        PatchPhase.UNPATCHING,
        PatchPhase.PATCHED,
        PatchPhase.PATCHED,
    ]


@pytest.mark.parametrize("engine", ["livepatch", "consistency"])
def test_what_is_loaded_goes_to_the_bundles_engine(engine: str) -> None:
    host = fresh()
    host.modules[MODULE] = Patch(info=info(engine=engine))
    KernelEngines(host, EngineName(engine)).load(MODULE, KO)
    assert ("insmod lppack_engine" in host.kernel.log) is (engine == "consistency")


def test_the_lost_file_of_a_patch_that_goes() -> None:
    host = loaded()
    del host.kernel.patches[MODULE]
    with pytest.raises(HostError):
        Consistency(host).reverse(MODULE)
