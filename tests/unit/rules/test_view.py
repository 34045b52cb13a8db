# SPDX-License-Identifier: MIT
"""A host as the rules look at it."""

import errno

import pytest

from lppack import abi
from lppack.engines.livepatch import Livepatch
from lppack.errors import HostError
from lppack.rules.view import View
from tests.kit.fake_kernel import FakeHost, FakeKernel


def view(monkeypatch: pytest.MonkeyPatch, **files: str) -> View:
    host = FakeHost(FakeKernel())
    own = {getattr(abi, name): text for name, text in files.items()}
    shown = host.files
    monkeypatch.setattr(host, "files", lambda: {**shown(), **own})
    return View(host=host, engine=Livepatch(host), states=())


def test_a_file_that_is_not_there_is_none_and_another_error_is_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = view(monkeypatch, COMMAND_LINE="quiet\n")
    assert made.read(abi.COMMAND_LINE) == "quiet"
    assert made.read("/nothing") is None

    def refused(path: str) -> str:
        raise HostError(path, errno.EACCES)

    monkeypatch.setattr(made.host, "read", refused)
    with pytest.raises(HostError):
        made.read(abi.COMMAND_LINE)


@pytest.mark.parametrize(
    ("files", "how"),
    [
        ({}, None),
        ({"PREEMPTION": "none voluntary (full)\n"}, "full"),
        ({"PREEMPTION": "full (lazy)\n"}, "lazy"),
        ({"PREEMPTION": "(none) voluntary full\n"}, None),
        ({"PREEMPTION": "none (voluntary) full\n", "COMMAND_LINE": "preempt=full"}, None),
        # Without debugfs it is what the kernel was started with.
        ({"COMMAND_LINE": "quiet preempt=full ro\n"}, "full"),
        ({"COMMAND_LINE": "preempt=lazy\n"}, "lazy"),
        ({"COMMAND_LINE": "preempt=none\n"}, None),
        ({"COMMAND_LINE": "preempt=fuller\n"}, None),
        ({"COMMAND_LINE": "rcu.nopreempt=full\n"}, None),
    ],
)
def test_how_the_kernel_preempts_its_own_code(
    monkeypatch: pytest.MonkeyPatch, files: dict[str, str], how: str | None
) -> None:
    assert view(monkeypatch, **files).preempts() == how


def test_the_command_with_which_a_person_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert view(monkeypatch).command("revert", "x") == "lppack revert x --on fake"
