# SPDX-License-Identifier: MIT
"""One command brings to rest what commands that died have begun."""

from pathlib import Path

import pytest

from lppack.consistency import EngineName
from tests.kit.fake_kernel import Thread
from tests.kit.mortal import Died, Mortal, look, mortal, recovered, rest, run


def test_a_revert_that_turns_back_and_dies(tmp_path: Path) -> None:
    engine = EngineName.LIVEPATCH
    for when in ("before", "after"):
        host = mortal(tmp_path)
        run(host, engine, "apply")
        host.kernel.blocked[False] = (Thread(7, 7, "sh"),)

        def fault(now: str, at: str, host: Mortal = host, when: str = when) -> None:
            if (now, at) == (when, "patch"):
                host.dead = True
                raise Died

        with pytest.raises(Died):
            run(host, engine, "revert", fault)
        host.dead = False
        host.kernel.blocked.clear()
        assert look(host, engine).next == "lppack recover --on fake"
        recovered(host, engine)
        assert rest(host, engine) == "absent"


def test_an_apply_that_dies_on_its_way_back_goes_on_there(tmp_path: Path) -> None:
    engine, host = EngineName.LIVEPATCH, mortal(tmp_path)
    host.kernel.blocked[True] = (Thread(7, 7, "sh"),)

    def fault(now: str, at: str) -> None:
        if (now, at) == ("before", "unpatch"):
            host.dead = True
            raise Died

    with pytest.raises(Died):
        run(host, engine, "apply", fault)
    host.dead = False
    host.kernel.blocked.clear()
    assert look(host, engine).next == "lppack recover --on fake"
    recovered(host, engine)
    assert rest(host, engine) == "absent"
