# SPDX-License-Identifier: MIT
"""test: each step of a bundle on a host, and what its checks print."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from lppack.abi import PatchPhase
from lppack.errors import ApplyStuck, ConsoleFault
from lppack.hosts.protocol import TIMED_OUT, Ran
from lppack.model import Bundle, Check, StepName
from lppack.model import TestSpec as Spec  # pytest would collect Test*
from lppack.stages import test as trial
from tests.kit.control import MODULE, control
from tests.kit.fake_kernel import FakeHost, FakeKernel, Patch, info
from tests.kit.samples import bundle

BEFORE, PATCHED = StepName.BEFORE, StepName.PATCHED


class Guest(FakeHost):
    """A fake kernel whose checks print the phase of the patch; ``oops`` is on its console."""

    console = Path("/console.log")
    oops: tuple[str, ...] = ()
    late: bool = False

    def faults(self) -> tuple[str, ...]:
        return self.oops

    def run(self, argv: Sequence[str], *, limit: float) -> Ran:
        if argv[0] == "/bin/sh":
            patch = self.kernel.patches.get(MODULE)
            out = "new\n" if patch and patch.enabled else "old\n"
            return Ran(rc=TIMED_OUT if self.late else 0, out=out, err="")
        if argv[0] == "insmod":  # what is in the file is not what the last one became
            self.modules = {name: Patch(info=one.info) for name, one in self.modules.items()}
        return super().run(argv, limit=limit)


@pytest.fixture
def guest() -> Guest:
    return Guest(FakeKernel())


def made(*expect: tuple[StepName, str], **more: object) -> Bundle:
    check = Check(run="cat /x", limit=2.0, expect=expect)
    spec = Spec(targets=(), programs=(), boot=(), checks=(check,))
    return bundle(test=spec, **more)


def steps(guest: Guest, of: Bundle) -> list[trial.StepResult]:
    return [*trial.test(control(guest), guest, of, Path("/files"))]


def test_it_goes_there_and_back_and_there_again(guest: Guest) -> None:
    found = steps(guest, made((BEFORE, "old"), (PATCHED, "new"), (StepName.REVERTED, "old")))
    assert [(step.step, step.phase, step.converting) for step in found] == [
        (StepName.BEFORE, PatchPhase.ABSENT, False),
        (StepName.PATCHED, PatchPhase.PATCHED, False),
        (StepName.CONVERTED, PatchPhase.PATCHED, True),
        (StepName.REVERTED, PatchPhase.UNPATCHED, False),
        (StepName.UNLOADED, PatchPhase.ABSENT, False),
        (StepName.AGAIN, PatchPhase.ABSENT, False),
    ]
    assert all(step.ok for step in found)
    assert guest.kernel.log.count(f"insmod {MODULE}") == 2
    assert guest.kernel.patches == {}


def test_a_check_that_prints_something_else_fails_its_step_alone(guest: Guest) -> None:
    found = steps(guest, made((BEFORE, "old"), (PATCHED, "/^ne.$/"), (StepName.REVERTED, "new")))
    assert [step.step for step in found if not step.ok] == [StepName.REVERTED]
    [wrong] = [check for step in found for check in step.checks if not check.ok]
    assert (wrong.expect, wrong.got) == ("new", "old")


def test_a_check_that_does_not_end_is_told(guest: Guest) -> None:
    guest.late = True
    [first, *_] = steps(guest, made((BEFORE, "old")))
    assert not first.ok
    assert first.checks[0].got == "old\n(no end after 2 s)"


def test_what_the_kernel_reports_against_itself_ends_the_test(guest: Guest) -> None:
    of = made((BEFORE, "old"))
    iterator = trial.test(control(guest), guest, of, Path("/files"))
    assert next(iterator).step is BEFORE
    guest.oops = ("BUG: unable to handle page fault",)
    with pytest.raises(ConsoleFault, match="at step patched") as caught:
        next(iterator)
    assert "BUG: unable" in caught.value.message
    assert "/console.log" in str(caught.value.hint)


def test_without_data_there_is_nothing_to_convert(guest: Guest) -> None:
    guest.modules[MODULE] = Patch(info=info(converts=False))
    found = steps(guest, made((BEFORE, "old"), converts=False))
    [step] = [step for step in found if step.skipped]
    assert (step.step, step.skipped) == (StepName.CONVERTED, "the patch has no data to convert")


def test_what_has_no_way_back_ends_where_revert_is_refused(guest: Guest) -> None:
    guest.modules[MODULE] = Patch(info=info(irreversible=True))
    found = steps(guest, made((BEFORE, "old"), irreversible=True))
    assert [step.step for step in found][-1] is StepName.REVERTED
    assert found[-1].skipped == "it is irreversible, and revert is refused"
    assert (found[-1].phase, found[-1].converted) == (PatchPhase.PATCHED, 3)


def test_a_target_that_does_not_load_is_named(guest: Guest) -> None:
    of = bundle(test=Spec(targets=("conn",), programs=("load/opener.c",), boot=(), checks=()))
    guest.modules["conn"] = Patch(info=None)
    guest.kernel.refuses = "Invalid module format"
    with pytest.raises(ApplyStuck, match="target conn does not load: .*Invalid module format"):
        steps(guest, of)
    assert guest.dropped["/test/opener"] == Path("/files/test/programs/opener")


@pytest.mark.parametrize(
    ("expect", "got", "fit"),
    [
        ("on", "on", True),
        (" on\n", "on", True),
        ("on", "off", False),
        ("on", "on\noff", False),
        ("", "", True),
        ("", "x", False),
        ("/^limit \\d+$/", "limit 12", True),
        ("/^limit \\d+$/", "limit x", False),
        ("/o/", "on", True),
        ("/", "/", True),
        ("/", "x", False),
        ("/proc/", "a proc b", True),  # a regular expression, not a path
        ("/proc", "/proc", True),
    ],
)
def test_what_a_check_expects(expect: str, got: str, fit: bool) -> None:
    assert trial.fits(expect, got) is fit
