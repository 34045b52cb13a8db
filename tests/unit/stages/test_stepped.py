# SPDX-License-Identifier: MIT
"""Each request that changes a host is a step of the transaction; one that looks is none."""

from collections.abc import Sequence

import pytest

from lppack import abi
from lppack.engines.modules import DROP
from lppack.hosts.protocol import Ran
from lppack.stages.journal import Journal, new_record
from lppack.stages.stepped import SteppedHost, _module
from lppack.stages.transaction import Transaction
from tests.kit.fake_kernel import FakeHost


def test_every_request_that_changes_a_host_is_a_step(host: FakeHost) -> None:
    """A program that is not known to look only is one, too."""

    class Any(FakeHost):
        def run(self, argv: Sequence[str], *, limit: float) -> Ran:
            return Ran(rc=0, out="", err="")

    taken = []
    journal_ = Journal(host)
    made = Transaction(
        journal_,
        new_record("apply", host),
        say=lambda _line: None,
        fault=lambda when, step: taken.append(step) if when == "before" else None,
    )
    stepped = SteppedHost(Any(host.kernel), made)
    for words in (["modprobe", "x"], ["dmesg"], ["sh", "-c", "x"]):
        stepped.run(words, limit=1)
    assert taken == ["begin", "modprobe"]


@pytest.mark.parametrize(
    "path",
    [
        f"{DROP}/lppack_x_1.ko",
        "lppack_x_1",
        abi.patch_attribute("lppack_x_1", "enabled"),
        abi.engine_attribute("lppack_x_1", "enabled"),
        abi.parameter("lppack_x_1", "convert"),
        abi.unload_attribute("lppack_x_1", "unload"),
    ],
)
def test_each_request_is_about_a_module(path: str) -> None:
    assert _module(path) == "lppack_x_1"
