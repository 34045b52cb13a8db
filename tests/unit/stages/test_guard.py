# SPDX-License-Identifier: MIT
"""The boot guard: an apply that was followed by a crash within a minute is known after the boot.

tests/soak/test_packages.py has it on a real machine.
"""

import errno
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from lppack.consistency import EngineName
from lppack.errors import WARNING, ApplyRefused, HostError
from lppack.hosts.protocol import TIMED_OUT, Ran
from lppack.stages.adopt import adopt, as_bundle, refuse_after_crash
from lppack.stages.agent import AgentOutcome, AgentState, guarded
from lppack.stages.apply import apply
from lppack.stages.changing import changing
from lppack.stages.guard import WATCHED, crashed
from lppack.stages.journal import HISTORY, Journal
from lppack.stages.revert import revert
from tests.kit import tiny_elf
from tests.kit.control import KO, MODULE, control
from tests.kit.fake_kernel import Patch, info
from tests.kit.mortal import Mortal, both, mortal
from tests.kit.samples import RELEASE, bundle

_KPATCH = "kpatch_fix"
_PATH = Path("kpatch-fix.ko")
_MODINFO = ("license=GPL", "livepatch=Y", "srcversion=AB", f"vermagic={RELEASE} SMP ")


class Systemd(Mortal):
    """It runs transient units."""

    rc = 0
    says = ""
    running = True
    interrupted = False
    #: Files of the guard that systemd removes just after they were listed.
    goes = False
    units: Sequence[Sequence[str]]

    def list(self, path: str) -> tuple[str, ...]:
        if path == "/run/systemd/system" and self.running:
            return ()  # as it is on most machines
        names = super().list(path)
        if path == WATCHED and self.goes:
            self.stop()
        return names

    def run(self, argv: Sequence[str], *, limit: float) -> Ran:
        if argv[0] != "systemd-run":
            return super().run(argv, limit=limit)
        assert self.watched, "what comes after its remover stays"
        assert "--no-block" in argv and limit <= 5, "systemd may wait for something else"
        self.units = [*self.units, argv]
        if self.interrupted:
            raise KeyboardInterrupt
        return Ran(rc=self.rc, out="", err=self.says)

    def stop(self) -> None:
        """A minute has passed, or the machine goes down in order."""
        for argv in self.units:
            [after] = [word for word in argv if word.startswith("--property=ExecStopPost=")]
            super().run(after.removeprefix("--property=ExecStopPost=/bin/").split(), limit=1.0)
        self.units = []

    def boot(self, name: str) -> None:
        self.units = []
        self.kernel.boot, self.kernel.patches = name, {}

    @property
    def watched(self) -> Sequence[str]:
        return [path for path in self.stored if path.startswith(WATCHED)]


@pytest.fixture
def host(tmp_path: Path) -> Systemd:
    made = mortal(tmp_path)
    made.__class__ = Systemd
    assert isinstance(made, Systemd)
    made.units = []
    made.modules[MODULE] = Patch(info=info())
    made.modules[_KPATCH] = Patch(info=None, srcversion="AB")
    return made


def applied(host: Systemd) -> list[str]:
    """Return what lppack said."""
    said: list[str] = []
    made = bundle()
    intent = {"series": made.series, "version": 2}
    c = replace(both(host, EngineName.LIVEPATCH), say=said.append)
    with changing(c, "apply x.lpp", intent) as alone:
        apply(alone, made, KO)
    return said


def held(host: Systemd) -> str | None:
    """What an agent says of it."""
    wanted = AgentOutcome(file="f", series="conn-limit", version=2, state=AgentState.WANTED)
    return guarded(wanted, Journal(host).history(500)).reason


def test_a_crash_within_the_minute_is_found(host: Systemd) -> None:
    applied(host)
    [file] = host.watched
    assert host.units[0][-2:] == ["/bin/sleep", "60"]
    assert held(host) is None, "the machine runs"
    host.boot("second")
    assert held(host) == "crashed"
    with changing(control(host), "recover", {}):
        pass
    assert host.watched == []
    assert '"result": "crashed"' in host.stored[f"{HISTORY}/{Path(file).name}.json"]
    host.boot("third")
    assert held(host) == "crashed", "it is not forgotten"
    applied(host)
    host.stop()
    host.boot("fourth")
    assert held(host) is None


def test_a_minute_live_or_an_orderly_end_is_no_crash(host: Systemd) -> None:
    applied(host)
    host.stop()
    assert host.watched == []
    host.boot("second")
    assert held(host) is None


def test_what_is_adopted_is_guarded_too(host: Systemd) -> None:
    c = control(host)
    data = tiny_elf.module(_MODINFO, parts=tiny_elf.this_module(_KPATCH))
    made = as_bundle(c, _PATH, data)

    def adopted() -> None:
        intent = {"module": _KPATCH, "sha256": made.module_sha256}
        with changing(c, "apply kpatch-fix.ko", intent) as alone:
            adopt(alone, made, _PATH, build="AB")

    adopted()
    refuse_after_crash(c, made)
    host.boot("second")
    for _ in range(2):
        with pytest.raises(ApplyRefused, match="crashed within a minute after it was") as caught:
            refuse_after_crash(c, made)
        assert (caught.value.reason, "--again" in str(caught.value.hint)) == ("crashed", True)
        with changing(c, "recover", {}):
            pass
    adopted()
    host.stop()
    host.boot("third")
    refuse_after_crash(c, made)


def test_only_an_apply_is_watched(host: Systemd) -> None:
    applied(host)
    host.stop()
    with changing(control(host), "revert conn-limit", {"series": "conn-limit"}) as alone:
        revert(alone, "conn-limit")
    with changing(control(host), "apply x.lpp", {}):
        pass  # nothing was to be done
    assert (host.units, host.watched) == ([], [])


def test_where_systemd_does_not_run_nothing_is_noted(host: Systemd) -> None:
    host.running = False
    assert not any("boot guard" in line for line in applied(host))
    assert (host.units, host.watched) == ([], [])


@pytest.mark.parametrize(
    ("rc", "says", "why"),
    [
        (1, "Failed to connect to bus\n", "systemd-run: Failed to connect to bus; if"),
        (TIMED_OUT, "", "systemd-run: no answer in 5 s; if"),
        (3, "", "systemd-run: exit code 3; if"),
    ],
)
def test_a_guard_that_systemd_does_not_take_is_told_once(
    host: Systemd, rc: int, says: str, why: str
) -> None:
    host.rc, host.says = rc, says
    [told] = [line for line in applied(host) if "boot guard" in line]
    assert told.startswith(f"{WARNING}the boot guard is not set: ") and why in told
    assert len(host.units) == 1 and host.watched == []
    host.boot("second")
    assert held(host) is None, "nothing is known of a crash"


def test_ctrl_c_at_the_guard_leaves_nothing_unfinished(host: Systemd) -> None:
    host.interrupted = True
    with pytest.raises(KeyboardInterrupt):
        applied(host)
    assert Journal(host).unfinished() == () and host.watched == []
    assert [record.result for record in Journal(host).history(9)] == ["done"]


def test_what_systemd_removes_meanwhile_is_no_crash(host: Systemd) -> None:
    applied(host)
    host.goes = True
    assert held(host) is None
    assert host.watched == []


@pytest.mark.parametrize("name", [".draft-{}.x1", "{}.lppack-new"])
def test_a_file_that_is_under_way_is_no_crash(host: Systemd, name: str) -> None:
    """As both kinds of host name it; of another boot, it is of an apply that was cut off."""
    applied(host)
    [file] = host.watched
    host.stop()
    host.stored[f"{WATCHED}/{name.format(Path(file).name)}"] = ""
    assert crashed(host, "second") == ()
    host.stored[file] = "first\n"
    assert crashed(host, "second") == (Path(file).name,)


class Sealed(Systemd):
    """The guard's file cannot be written."""

    def put(self, source: Path, path: str, *, mode: int = 0o644) -> None:
        if path.startswith(WATCHED):
            raise HostError(path, errno.ENOSPC)
        super().put(source, path, mode=mode)


def test_a_guard_that_cannot_be_written_leaves_nothing_unfinished(host: Systemd) -> None:
    host.__class__ = Sealed
    assert len([line for line in applied(host) if "boot guard is not set" in line]) == 1
    assert Journal(host).unfinished() == ()
    assert [record.result for record in Journal(host).history(9)] == ["done"]
