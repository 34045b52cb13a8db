# SPDX-License-Identifier: MIT
"""A story of conn-limit that either engine plays."""

import pytest

from lppack.errors import ApplyStuck
from lppack.stages.apply import Control, apply, stop_conversion
from lppack.stages.revert import revert
from tests.kit.target import Target


def asleep_inside_accessors(control: Control, target: Target, point: str) -> None:
    """Four threads have sampled the flag as on (and, at the second point, changed the form and not
    tracked it yet) when conversion is stopped."""
    apply(control, target.bundle, target.ko)
    target.tell("open a", "open b")
    target.hold(point)
    target.background("syn a", "syn b", "syn web", "syn mail")
    target.wait_until_held(4)
    # Stopping does not wait for ever, and does not reverse while they are inside.
    assert not stop_conversion(control, target.bundle.module, 2.0)
    assert target.parameter("convert") == "0"
    hasty = Control(engine=control.engine, host=control.host, timeout=1.0)
    with pytest.raises(ApplyStuck):
        revert(hasty, "conn-limit")
    target.hold("")
    target.wait_until_held(0)
    if point == "conn-untracked":
        assert "new" in target.forms().values(), "they went on to the new form: the race is real"
    assert stop_conversion(control, target.bundle.module, 20.0)
    assert set(target.forms().values()) == {"old"}
    assert target.parameter("converted") == "0"
    # And forward again: everything that is touched is new.
    control.engine.convert(target.bundle.module, on=True)
    target.tell("syn web", "syn mail", "syn a", "syn b")
    assert set(target.forms().values()) == {"new"}
    revert(control, "conn-limit")
    assert set(target.forms().values()) == {"old"}
    assert target.words()["web"] == 2
