# SPDX-License-Identifier: MIT
"""What `test` is to do, as a manifest and a bundle have it."""

from lppack.model.checks import CHECK_LIMIT, StepName
from lppack.model.checks import test_spec as spec_of  # pytest would collect test_*


def test_what_is_not_given_is_empty() -> None:
    spec = spec_of({})
    assert (spec.targets, spec.programs, spec.boot, spec.checks, spec.late) == ((), (), (), (), 0)


def test_steps_are_in_order_whatever_the_file_has() -> None:
    expect = {"unloaded": "off", "before": "on"}
    spec = spec_of({"late": True, "checks": [{"run": "x", "expect": expect}]})
    [check] = spec.checks
    assert check.expect == ((StepName.BEFORE, "on"), (StepName.UNLOADED, "off"))
    assert (check.limit, spec.late) == (CHECK_LIMIT, True)
