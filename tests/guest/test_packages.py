# SPDX-License-Identifier: MIT
"""The script of a package, in a guest: applies, guards, takes back. tests/soak has systemd."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lppack import abi, pipeline
from lppack.abi import PatchPhase
from lppack.hosts.guest import GuestHost
from lppack.hosts.protocol import Ran
from lppack.model import Bundle
from lppack.pipeline.build import open_builder
from lppack.stages.apply import Control
from lppack.stages.build import build_program
from tests.kit.one_way import one_way
from tests.kit.packages import MAINTAINER, helper_of, name_of, state_of, unpacked
from tests.kit.target import Target

pytestmark = pytest.mark.guest

FLOCK = Path(__file__).parent / "programs/flock.c"
Built = Callable[[str, bool], tuple[Bundle, Path]]


class Installed:
    """The files of a package in the guest; what it does is asked of its script."""

    def __init__(self, guest: GuestHost, bundle: Bundle, folder: Path) -> None:
        self.guest, self.bundle = guest, bundle
        deb = pipeline.package_bundle(
            bundle.path, "deb", folder, maintainer=MAINTAINER, irreversible=True, signers=None
        )
        self.name, self.script, self.state = name_of(deb), helper_of(deb), state_of(deb)
        for file in unpacked(deb, folder / "x"):
            source = folder / "x" / file
            guest.put(source, f"/{file}", mode=source.stat().st_mode & 0o777)

    def __call__(self, word: str) -> Ran:
        return self.guest.run([self.script, word], limit=120.0)


@pytest.fixture(scope="module", autouse=True)
def flock(guest: GuestHost) -> None:
    guest.put(build_program(FLOCK, open_builder("docker", lambda _line: None)), "/usr/bin/flock")
    guest.run(["chmod", "755", "/usr/bin/flock"], limit=20.0)
    guest.run(["mkdir", "-p", "/run/lppack"], limit=20.0)


@pytest.fixture
def first(guest: GuestHost, loaded: Target, tmp_path: Path) -> Installed:
    return Installed(guest, loaded.bundle, tmp_path)


def phase(control: Control, installed: Installed) -> PatchPhase:
    return control.engine.state(installed.bundle.module).phase


def other_boot(target: Target, state: str) -> None:
    """What is noted there is of a boot before this one."""
    target.sh(f"sed -i 's/ [0-9a-f-]* / 1-2-3 /' {state}/trying")


def test_start_applies_and_converts_and_revert_takes_it_back(
    control: Control, target: Target, first: Installed
) -> None:
    ran = first("start")
    assert ran.rc == 0, ran.err
    assert f"{first.bundle.module} is live" in ran.err
    assert phase(control, first) is PatchPhase.PATCHED
    target.tell("syn web")
    assert target.forms()["web"] == "new"
    again = first("start")
    assert (again.rc, "is live already" in again.err) == (0, True)
    ran = first("revert")
    assert (ran.rc, phase(control, first)) == (0, PatchPhase.ABSENT), ran.err
    assert target.words()["web"] == 1
    assert first("revert").rc == 0, "there is nothing to do"


def test_the_kernel_command_line_switches_it_off(
    control: Control, target: Target, first: Installed
) -> None:
    for words in ("lppack.disable", "lppack.disable=1", "lppack.disable=x,conn-limit"):
        target.sh(f"echo quiet {words} > /tmp/cmdline; mount --bind /tmp/cmdline /proc/cmdline")
        ran = first("start")
        target.sh("umount /proc/cmdline")
        assert (ran.rc, phase(control, first)) == (0, PatchPhase.ABSENT)
        assert "the kernel command line says lppack.disable" in ran.err
    target.sh("echo lppack.disable=other > /tmp/cmdline; mount --bind /tmp/cmdline /proc/cmdline")
    assert first("start").rc == 0
    target.sh("umount /proc/cmdline")
    assert phase(control, first) is PatchPhase.PATCHED, "the other one is meant"
    assert first("revert").rc == 0


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("applying", "the machine went down while it was being applied"),
        ("watching", "the machine crashed within a minute after it was live"),
    ],
)
def test_what_was_followed_by_a_crash_is_held(
    control: Control, target: Target, first: Installed, what: str, why: str
) -> None:
    assert first("start").rc == 0
    assert target.sh(f"cat {first.state}/trying").startswith("watching ")
    target.sh(f"sed -i s/watching/{what}/ {first.state}/trying")
    control.engine.convert(first.bundle.module, on=False)
    assert first("revert").rc == 0
    target.sh(f"echo {what} 1-2-3 {first.bundle.module} > {first.state}/trying")
    for _ in range(2):
        ran = first("start")
        assert (ran.rc, phase(control, first)) == (0, PatchPhase.ABSENT)
        assert f"held: {why}" in ran.err
    assert first("release").rc == 0
    assert first("start").rc == 0
    assert phase(control, first) is PatchPhase.PATCHED
    assert first("revert").rc == 0


def test_what_has_settled_or_went_down_in_order_is_not_held(
    control: Control, target: Target, first: Installed
) -> None:
    assert first("start").rc == 0
    assert first("settled").rc == 0
    assert target.sh(f"ls {first.state}") == ""
    assert phase(control, first) is PatchPhase.PATCHED, "a shutdown unpatches nothing"
    assert first("revert").rc == 0
    target.sh(f"echo applying 1-2-3 lppack_conn_limit_9 > {first.state}/trying")
    assert first("start").rc == 0
    assert phase(control, first) is PatchPhase.PATCHED, "that was another version"
    assert first("revert").rc == 0


def test_a_thread_inside_is_waited_for_and_the_rest_is_as_before(
    control: Control, target: Target, first: Installed
) -> None:
    target.sh(f"sed -i s/^SECONDS_MAX=.*/SECONDS_MAX=3/ {first.script}")
    target.background("wait web")
    target.until(lambda: target.sleepers("conn_wait") == 1)
    ran = first("start")
    assert (ran.rc, phase(control, first)) == (1, PatchPhase.ABSENT), ran.err
    assert "was not applied in 3 s" in ran.err
    assert target.sh(f"ls {first.state}") == "", "it was no crash"
    target.tell("wake web")
    assert first("start").rc == 0
    target.background("wait web")
    target.until(lambda: target.sleepers("lp_conn_wait") == 1)
    ran = first("revert")
    assert (ran.rc, phase(control, first)) == (1, PatchPhase.PATCHED), ran.err
    assert target.parameter("convert") == "1"
    target.tell("wake web")
    assert first("revert").rc == 0


def test_a_newer_version_takes_its_place_and_the_older_comes_back(
    control: Control,
    target: Target,
    guest: GuestHost,
    first: Installed,
    built: Built,
    tmp_path: Path,
) -> None:
    assert first("start").rc == 0
    target.tell("syn web")
    second = Installed(guest, built("conn-limit-2", True)[0], tmp_path / "2")
    ran = second("start")
    assert (ran.rc, phase(control, second)) == (0, PatchPhase.PATCHED), ran.err
    assert phase(control, first) is PatchPhase.ABSENT, "replaced, and unloaded"
    assert control.engine.state(second.bundle.module).converted == 1
    Installed(guest, first.bundle, tmp_path / "1")
    ran = first("start")
    assert (ran.rc, phase(control, first)) == (0, PatchPhase.PATCHED), ran.err
    assert "taking lppack_conn_limit_2 back" in ran.err
    assert first("revert").rc == 0


def test_what_has_no_way_back_is_kept(
    control: Control, target: Target, guest: GuestHost, built: Built, tmp_path: Path
) -> None:
    bundle, _ = built(str(one_way(tmp_path)), True)
    kept = Installed(guest, bundle, tmp_path / "k")
    assert kept("start").rc == 0
    target.tell("syn web")
    ran = kept("revert")
    assert (ran.rc, phase(control, kept)) == (1, PatchPhase.PATCHED)
    assert "cannot be reverted" in ran.err
    assert guest.read(abi.parameter(bundle.module, "convert")) == "1\n"
    target.tell("close web", "open web")
    assert kept("revert").rc == 0


def test_another_kernel_and_another_command_are_left_alone(
    control: Control, target: Target, first: Installed
) -> None:
    target.sh(f"sed 's/^RELEASE=.*/RELEASE=6.1.0-1-amd64/' {first.script} > /tmp/other")
    target.sh("chmod 755 /tmp/other")
    ran = first.guest.run(["/tmp/other", "start"], limit=60.0)
    assert (ran.rc, "nothing to do" in ran.err) == (0, True)
    target.sh(f"sed -i s/^SECONDS_MAX=.*/SECONDS_MAX=1/ {first.script}")
    target.sh("(flock -w 1 9; sleep 8) 9>> /run/lppack/operate.lock > /dev/null 2>&1 &")
    target.until(lambda: "sleep 8" in target.sh("ps"))
    ran = first("start")
    assert (ran.rc, "another command changes" in ran.err) == (1, True)
    assert phase(control, first) is PatchPhase.ABSENT
