# SPDX-License-Identifier: MIT
"""A `reverse` that does not reverse: the patch's own marker tells, and a second round would."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lppack.abi import PatchPhase
from lppack.engines.livepatch import Livepatch
from lppack.errors import ConsoleFault, LostHost, StillNew
from lppack.hosts.guest import GuestHost, boot
from lppack.model import Bundle, Kernel, StepName
from lppack.stages.apply import Control, apply, settle, unload
from lppack.stages.revert import revert
from lppack.stages.test import load_targets
from lppack.stages.test import test as run_steps
from tests.guest.controls import CONVERT, NOTHING
from tests.guest.mutation import Mutation, spoilt
from tests.kit.command import EXAMPLES, lppack
from tests.kit.target import Target

pytestmark = pytest.mark.guest

BODY = "\tc->word = FIELD_GET(CONN_COUNT, c->word);\n"
UNASKED = Mutation(CONVERT, "left = lp_conn_is_new(obj);", "left = false;")
LEFT = "2 objects are still in the new form after lp_conn_downgrade()"
LEFT_ONE = "1 object is still in the new form after lp_conn_downgrade()"


@pytest.fixture
def patch(tmp_path: Path) -> Path:
    """conn-limit with a `reverse` that does nothing."""
    made = Path(shutil.copytree(EXAMPLES / "conn-limit", tmp_path / "conn-limit"))
    source = made / "conn_limit.c"
    text = source.read_text()
    assert BODY in text
    source.write_text(text.replace(BODY, ""))
    return made


@pytest.fixture
def control(kernel: Kernel, initramfs: Path, tmp_path: Path) -> Iterator[Control]:
    """A guest of its own, whose console is not silent afterwards."""
    with boot(kernel, work=tmp_path / "g", initramfs=initramfs) as host:
        yield Control(engine=Livepatch(host), host=host, timeout=20.0)


def host_of(control: Control) -> GuestHost:
    assert isinstance(control.host, GuestHost)
    return control.host


def test_the_test_names_the_function(patch: Path) -> None:
    ran = lppack("test", patch, "--format", "json")
    assert ran.rc == 9, ran.err
    assert ran.json["error"]["kind"] == "still-new"
    assert LEFT in ran.json["error"]["message"]
    assert "no data is in the new form" not in ran.err
    console = Path(ran.json["console"]).read_text()
    assert "an object is still in the new form after lp_conn_downgrade()" in console


def test_revert_leaves_the_patch_and_what_it_needs(
    control: Control, patch: Path, kernel: Kernel, tmp_path: Path
) -> None:
    """Old code would misread the object; the new, which stays, finds its shadow variable."""
    target = _loaded(control, *spoilt(patch, kernel, tmp_path, NOTHING))
    apply(control, target.bundle, target.ko)
    target.tell("syn web", "syn mail")
    with pytest.raises(StillNew, match=re.escape(LEFT)) as caught:
        revert(control, "conn-limit")
    assert caught.value.exit_code == 9
    assert control.engine.state(target.bundle.module).phase is PatchPhase.PATCHED
    assert target.parameter("convert") == "0"
    assert "web limit 8 refused 0" in target.sh("cat /proc/conn_limit")
    with pytest.raises(StillNew):
        revert(control, "conn-limit")
    target.tell("close mail")
    with pytest.raises(StillNew, match=re.escape(LEFT_ONE)):
        revert(control, "conn-limit")
    _the_next_version_reverses_it(control, target, kernel, tmp_path)
    _what_belongs_to_it_goes_with_the_module(control, target)
    assert host_of(control).faults() == ()


def _the_next_version_reverses_it(
    control: Control, target: Target, kernel: Kernel, tmp_path: Path
) -> None:
    """What is left is no secret of the version that has left it."""
    (tmp_path / "2").mkdir()
    bundle, files = spoilt(EXAMPLES / "conn-limit-2", kernel, tmp_path / "2", NOTHING)
    apply(control, bundle, files / f"{bundle.module}.ko", convert=False)
    state = control.engine.state(bundle.module)
    assert (state.converted, state.left_new) == (1, None), "it is still to be reversed"
    revert(control, "conn-limit")
    assert target.words() == {"web": 1}


def _what_belongs_to_it_goes_with_the_module(control: Control, target: Target) -> None:
    """Where somebody unpatches all the same."""
    apply(control, target.bundle, target.ko)
    target.tell("syn web")
    with pytest.raises(StillNew, match=re.escape(LEFT_ONE)):
        revert(control, "conn-limit")
    control.engine.reverse(target.bundle.module, to=False)
    assert settle(control, target.bundle.module, PatchPhase.UNPATCHED, 60.0)[0].left_new == LEFT_ONE
    assert unload(control, target.bundle.module)
    assert target.sh("dmesg | grep 'allocations are left' | tail -n 1").endswith(
        f"{target.bundle.module}: 0 allocations are left"
    )


def test_the_second_round_finds_what_the_marker_is_not_asked_for(
    control: Control, patch: Path, kernel: Kernel, tmp_path: Path
) -> None:
    """Its shadow variable has gone with the first round."""
    bundle, files = spoilt(patch, kernel, tmp_path, UNASKED)
    reads = tuple(check for check in bundle.test.checks if check.run == "cat /proc/conn_limit")
    bundle = replace(bundle, test=replace(bundle.test, checks=reads))
    done: list[StepName] = []
    with pytest.raises((ConsoleFault, LostHost)):
        for step in run_steps(control, host_of(control), bundle, files):
            done.append(step.step)  # noqa: PERF402 (what was done before it raised counts)
    assert done[-1] is StepName.UNLOADED, "the first round does not find it"
    assert any("NULL pointer" in fault for fault in host_of(control).faults())


def _loaded(control: Control, bundle: Bundle, files: Path) -> Target:
    host = host_of(control)
    load_targets(host, bundle, files)
    return Target(host, bundle, files)
