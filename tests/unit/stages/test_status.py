# SPDX-License-Identifier: MIT
import pytest

from lppack.abi import PatchPhase
from lppack.cli.patches import patch_lines
from lppack.engines.kernel import KernelEngines
from lppack.engines.livepatch import Livepatch
from lppack.engines.protocol import PatchState
from lppack.model import Effective, Fix
from lppack.model.patch_info import PatchInfo
from lppack.stages.status import PatchReport, report, status
from tests.kit.control import MODULE, patched, stranger
from tests.kit.fake_kernel import FakeHost, FakeKernel, Patch, Thread, info


def told(host: FakeHost) -> dict[str, PatchReport]:
    return {found.module: found for found in status(Livepatch(host), host.name)}


def test_nothing_is_there(host: FakeHost) -> None:
    assert told(host) == {}


def test_other_modules_are_not_live_patches(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.other_modules = ("conn", "lppack_engine", "lppack_unrelated_1")
    assert told(host) == {}


def test_ours_and_strangers(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches |= {MODULE: patched(), "kpatch_1": stranger()}
    found = told(host)
    assert sorted(found) == ["kpatch_1", MODULE]
    ours, other = found[MODULE], found["kpatch_1"]
    assert (ours.series, ours.version, ours.conversion, ours.converted) == (
        "conn-limit",
        2,
        "on",
        3,
    )
    assert (other.series, other.version, other.mode, other.conversion) == (None, None, None, "none")
    assert (other.phase, other.fixes) == (PatchPhase.PATCHED, ())


def test_a_module_that_stayed_behind_is_shown(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches[MODULE] = Patch(info=info(), known=False, enabled=False)
    assert told(host)[MODULE].phase is PatchPhase.UNPATCHED


def test_whether_inlining_was_checked_is_told(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches |= {MODULE: patched(), "kpatch_1": stranger()}
    found = told(host)
    assert (found[MODULE].inlining, found["kpatch_1"].inlining) == ("unchecked", None)
    kernel.patches[MODULE] = Patch(info=info().replace('"unchecked"', '"\\u001b["'))
    assert told(host)[MODULE].inlining is None, "what is neither is not passed on"


@pytest.mark.parametrize("text", ["", "not json", "[]", "7", '{"name": "x"}'])
def test_who_does_not_speak_as_we_do_is_a_stranger(
    kernel: FakeKernel, host: FakeHost, text: str
) -> None:
    kernel.patches[MODULE] = patched()
    assert told(host)[MODULE].series == "conn-limit"
    kernel.patches[MODULE] = Patch(info=text, complete=True)
    found = told(host)[MODULE]
    assert (found.series, found.conversion, found.phase) == (None, "none", PatchPhase.PATCHED)


def test_blockers_are_told_with_the_function_that_holds_them(
    kernel: FakeKernel, host: FakeHost
) -> None:
    kernel.patches[MODULE] = Patch(info=info(), functions=("conn/conn_open,1", "conn/s_show,2"))
    kernel.moving = MODULE
    kernel.blocked[True] = (
        Thread(1, 2, "in the old one", stack=("schedule", "s_show", "do_syscall_64")),
        Thread(3, 3, "in the new one", state="R", stack=("lp_conn_open",)),
        Thread(4, 4, "elsewhere", stack=("schedule", "ep_poll")),
        Thread(5, 5, "(a b) c", state="R"),
    )
    found = told(host)[MODULE]
    assert found.phase is PatchPhase.PATCHING
    assert [(b.pid, b.tid, b.comm, b.function, b.reason) for b in found.blockers] == [
        (1, 2, "in the old one", "s_show", "sleeps in s_show"),
        (3, 3, "in the new one", "lp_conn_open", "runs in lp_conn_open"),
        (4, 4, "elsewhere", None, "not checked yet, or its stack is not reliable"),
        (5, 5, "(a b) c", None, "runs, and has not crossed the border to user space"),
    ]


def test_at_rest_nobody_blocks(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches[MODULE] = patched()
    kernel.blocked[True] = (Thread(1, 1, "sleeper"),)
    assert told(host)[MODULE].blockers == ()


def state(phase: PatchPhase, *, convert: bool, converts: bool = True) -> PatchState:
    return PatchState(
        module=MODULE,
        phase=phase,
        convert=convert,
        converted=0,
        info=PatchInfo(
            series="x",
            transforms=("t",) if converts else (),
            fixes=(
                Fix(cve="CVE-1", commit=None, functions=("a",), effective=Effective.PATCHED),
                Fix(cve=None, commit=None, functions=(), effective=Effective.CONVERTED),
            ),
        ),
    )


@pytest.mark.parametrize(
    ("phase", "convert", "live"),
    [
        (PatchPhase.PATCHING, False, [False, False]),
        (PatchPhase.PATCHED, False, [True, False]),
        (PatchPhase.PATCHED, True, [True, True]),
        (PatchPhase.UNPATCHING, False, [False, False]),
        (PatchPhase.UNPATCHED, False, [False, False]),
        (PatchPhase.ABSENT, False, [False, False]),
    ],
)
def test_a_fix_is_live_from_its_phase_on(
    phase: PatchPhase, convert: bool, live: list[bool]
) -> None:
    made = report(state(phase, convert=convert), engine="livepatch", host="local")
    assert [fix["live"] for fix in made.fixes] == live


def test_conversion_in_three_words() -> None:
    def word(*, convert: bool, converts: bool) -> str:
        of = state(PatchPhase.PATCHED, convert=convert, converts=converts)
        return report(of, engine="livepatch", host="local").conversion

    assert word(convert=False, converts=False) == "none"
    assert word(convert=False, converts=True) == "off"
    assert word(convert=True, converts=True) == "on"


def test_the_json_has_what_scripts_rely_on(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches[MODULE] = Patch(info=info())
    kernel.moving = MODULE
    kernel.blocked[True] = (Thread(1, 2, "x"),)
    made = told(host)[MODULE].to_json()
    assert set(made) == {
        "series",
        "version",
        "module",
        "srcversion",
        "engine",
        "mode",
        "host",
        "phase",
        "conversion",
        "converted",
        "longest_stop_ms",
        "blockers",
        "fixes",
        "forced",
        "inlining",
        "complete",
        "next",
        "overridden",
        "irreversible",
        "problem",
        "still_new",
        "waiting",
    }
    (blocker,) = made["blockers"]
    assert set(blocker) == {"pid", "tid", "comm", "function", "reason", "seconds"}
    assert {"cve", "live"} <= set(made["fixes"][0])
    assert made["phase"] == "patching"


def test_two_builds_of_one_version_are_told_apart(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches |= {MODULE: Patch(info=info(), srcversion="D02E08"), "kpatch_1": stranger()}
    found = told(host)
    assert (found[MODULE].srcversion, found["kpatch_1"].srcversion) == ("D02E08", None)
    assert found[MODULE].to_json()["srcversion"] == "D02E08"


def test_a_module_that_is_not_loaded_is_named(kernel: FakeKernel, host: FakeHost) -> None:
    made = Patch(info=info(engine="consistency", mode="kgraft"), complete=True, hooked=False)
    made.functions = ("conn/a,1",)
    kernel.patches[MODULE] = made
    (found,) = status(KernelEngines(host), host.name)
    assert found.to_json()["waiting"] == [{"object": "conn", "function": "a"}]
    lines = patch_lines(found)
    assert "  waits for module conn, which is not loaded: a" in lines
    assert "  CVE-1: not live: its module is not loaded; it is patched when it is loaded" in lines
    assert "  CVE-2: not live" in lines, "that one is not in a"
