# SPDX-License-Identifier: MIT
"""What its author calls irreversible: asked for before it converts, and never reverted after."""

from dataclasses import replace
from pathlib import Path

import pytest

from lppack.abi import PatchPhase
from lppack.analyse.prediction import predict_steps
from lppack.cli.patches import patch_lines
from lppack.engines.kernel import KernelEngines
from lppack.engines.simulated import Simulated, SimulatedClock, SimulatedHost
from lppack.engines.simulated_kernel import SimulatedKernel
from lppack.errors import ApplyRefused, HostError
from lppack.model import StepName
from lppack.stages.apply import Control, apply, refuse_irreversible
from lppack.stages.convert import convert
from lppack.stages.drive import undo
from lppack.stages.generate import generate
from lppack.stages.load import load
from lppack.stages.revert import revert
from lppack.stages.status import status
from lppack.stages.validate import validate
from tests.kit import samples
from tests.kit.command import EXAMPLES
from tests.kit.control import KO, MODULE, control, snapshot
from tests.kit.fake_kernel import FakeHost, FakeKernel, Patch, info
from tests.kit.generated import planned
from tests.kit.one_way import one_way

BUNDLE = samples.bundle(irreversible=True)
REVERT = "lppack revert conn-limit --on fake"
CONVERT = "lppack convert conn-limit --irreversible --on fake"


def made(*, convert: bool = True, converted: int = 3) -> Patch:
    return Patch(info=info(irreversible=True), complete=True, convert=convert, converted=converted)


def test_apply_asks_before_it_converts() -> None:
    with pytest.raises(ApplyRefused, match="cannot be reverted") as caught:
        refuse_irreversible(BUNDLE, allowed=False)
    assert caught.value.reason == "irreversible"
    assert caught.value.hint is not None
    assert "--irreversible" in caught.value.hint
    assert "--phase patch" in caught.value.hint
    refuse_irreversible(BUNDLE, allowed=True)
    refuse_irreversible(samples.bundle(), allowed=False)


def test_apply_says_so_and_so_does_status(kernel: FakeKernel, host: FakeHost) -> None:
    host.modules[MODULE] = Patch(info=info(irreversible=True))
    said: list[str] = []
    report = apply(control(host, said.append), BUNDLE, KO)
    assert "irreversible: what it converts stays so" in "\n".join(said)
    assert report.irreversible and report.to_json()["irreversible"] is True
    (shown,) = status(KernelEngines(host), host.name)
    assert any("irreversible: what it converts stays so" in line for line in patch_lines(shown))


def test_convert_asks_too(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches[MODULE] = made(convert=False, converted=0)
    before = snapshot(host)
    with pytest.raises(ApplyRefused) as caught:
        convert(control(host), "conn-limit")
    assert caught.value.reason == "irreversible"
    assert snapshot(host) == before and kernel.log == []
    (shown,) = status(KernelEngines(host), host.name)
    assert shown.next_step == (
        f"phase 2 is still to do, and cannot be undone: {CONVERT}, or: {REVERT}"
    )
    assert convert(control(host), "conn-limit", irreversible=True).conversion == "on"


def test_what_has_converted_nothing_is_reverted(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches[MODULE] = made(converted=0)
    assert revert(control(host), "conn-limit").phase is PatchPhase.ABSENT


@pytest.mark.parametrize("converting", [True, False])
def test_what_has_converted_is_left_as_it_is(
    kernel: FakeKernel, host: FakeHost, converting: bool
) -> None:
    kernel.patches[MODULE] = made(convert=converting)
    before = snapshot(host)
    with pytest.raises(ApplyRefused, match="3 objects that it has converted") as caught:
        revert(control(host), "conn-limit")
    assert caught.value.reason == "irreversible"
    assert caught.value.hint is not None and "`replaces`" in caught.value.hint
    assert caught.value.report is not None
    assert caught.value.report["patches"][0]["phase"] == "patched"
    assert snapshot(host) == before
    assert undo(control(host), MODULE).phase is PatchPhase.PATCHED, "nor after Ctrl-C"
    assert snapshot(host) == before


def test_what_was_converted_at_that_moment_goes_on_converting(
    kernel: FakeKernel, host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel side had switched conversion off before it found the first one."""
    kernel.patches[MODULE] = made(converted=0)
    whole = FakeKernel.write_convert

    def late(self: FakeKernel, module: str, wanted: bool) -> None:
        patch = self.patches[module]
        if not wanted:
            patch.converted = 1
            try:
                whole(self, module, wanted)
            except HostError:
                patch.convert = False
                raise
        whole(self, module, wanted)

    monkeypatch.setattr(FakeKernel, "write_convert", late)
    with pytest.raises(ApplyRefused):
        revert(control(host), "conn-limit")
    assert kernel.patches[MODULE].convert


def test_what_was_disabled_by_hand_is_told(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches[MODULE] = made()
    kernel.write_enabled(MODULE, False)
    (shown,) = status(KernelEngines(host), host.name)
    assert "turn back: echo 1 > /sys/kernel/livepatch/" in str(shown.next_step)
    kernel.finish()
    (shown,) = status(KernelEngines(host), host.name)
    assert str(shown.next_step).startswith("restart the host")


def test_the_simulated_kernel_does_the_same() -> None:
    kernel = SimulatedKernel.fresh()
    c = Control(
        engine=Simulated(kernel, BUNDLE), host=SimulatedHost(kernel), clock=SimulatedClock(kernel)
    )
    apply(c, BUNDLE, KO)
    assert revert(c, "conn-limit").phase is PatchPhase.ABSENT, "nothing was converted yet"
    apply(c, BUNDLE, KO)
    patch = kernel.patch(MODULE)
    assert patch is not None
    for _ in range(1000):
        if any(patch.tracked):
            break
        kernel.pass_time(1.0)
    assert any(patch.tracked)
    with pytest.raises(ApplyRefused) as caught:
        revert(c, "conn-limit")
    assert caught.value.reason == "irreversible"
    assert patch.converting and any(patch.tracked)


def test_the_test_ends_where_there_is_no_way_back(tmp_path: Path) -> None:
    manifest = validate(load(one_way(tmp_path)))
    assert manifest.irreversible == ("conn",)
    steps = predict_steps(manifest, BUNDLE).steps
    assert [step.step for step in steps] == [
        *(StepName.BEFORE, StepName.PATCHED, StepName.CONVERTED, StepName.REVERTED)
    ]
    assert str(steps[-1].skipped).startswith("it is irreversible")


def test_the_generated_code_has_no_way_back() -> None:
    """Nor a prototype of one; a transform with a way back beside it keeps its own."""
    manifest = validate(load(EXAMPLES / "conn-limit"))
    [transform] = manifest.transforms
    other = replace(transform, name="other", forward="lp_other_forward", reverse=None)
    both = replace(manifest, transforms=(transform, other), shadow_variables=())
    files = dict(generate(planned(both)).files)
    code = files["lp_convert.c"]
    assert "void lp_conn_downgrade(struct conn *obj);" in files["lppack.h"]
    assert "None" not in files["lppack.h"] + code
    assert code.count("return -EPERM;") == 2
    assert "lp_reverse_one_conn" in code and "lp_reverse_one_other" not in code
    assert r"\"irreversible\":true" in files["lp_glue.c"]
