# SPDX-License-Identifier: MIT
"""Live patches of other tools: what is adopted, and what is not."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from lppack.abi import PatchPhase
from lppack.cli.main import commands
from lppack.errors import ApplyRefused, ApplyReversed
from lppack.hosts.lock import HostLock
from lppack.stages.adopt import ADOPTED, adopt, as_bundle, build_of, installed, refuse_after_crash
from lppack.stages.apply import Control, refuse_early
from lppack.stages.changing import changing
from lppack.stages.revert import revert
from lppack.stages.status import PatchReport
from tests.kit import tiny_elf
from tests.kit.bundles import KO
from tests.kit.command import check_shape
from tests.kit.control import control, patched, snapshot
from tests.kit.fake_kernel import FakeHost, FakeKernel, Patch, Thread
from tests.kit.samples import RELEASE

MODULE = "kpatch_fix"
PATH = Path("kpatch-fix.ko")
MODINFO = ("license=GPL", "livepatch=Y", "srcversion=AB", f"vermagic={RELEASE} SMP ")


def module(modinfo: tuple[str, ...] = MODINFO) -> bytes:
    return tiny_elf.module(modinfo, parts=tiny_elf.this_module(MODULE))


def adopted(c: Control) -> PatchReport:
    report = adopt(c, as_bundle(c, PATH, module()), PATH, build=str(build_of(module())))
    assert report is not None
    return report


@pytest.fixture
def host(kernel: FakeKernel, tmp_path: Path) -> FakeHost:
    made = FakeHost(kernel)
    made.lock = HostLock(tmp_path / "lock", made.name)
    made.modules[MODULE] = Patch(info=None, srcversion="AB")
    return made


def test_it_is_applied_and_reverted_with_its_name(kernel: FakeKernel, host: FakeHost) -> None:
    c = control(host)
    bundle = as_bundle(c, PATH, module())
    assert (bundle.module, bundle.release, bundle.srcversion) == (MODULE, RELEASE, "AB")
    assert adopt(c, bundle, PATH, build="AB", load=False) is None
    assert kernel.log == [] and ADOPTED not in host.stored
    assert adopted(c).phase is PatchPhase.PATCHED
    assert adopted(c).changed is False
    del host.stored[ADOPTED]
    assert adopt(c, bundle, PATH, build=str(build_of(module())), load=False) is not None
    assert ADOPTED not in host.stored, "a dry run writes nothing"
    assert adopted(c).changed is False
    assert revert(c, MODULE).phase is PatchPhase.ABSENT
    assert kernel.patches == {}


def test_another_build_of_that_name_is_not_adopted(kernel: FakeKernel, host: FakeHost) -> None:
    c = control(host)
    adopted(c)
    kernel.patches[MODULE] = Patch(info=None, complete=True, srcversion="CD")
    before = snapshot(host)
    with pytest.raises(ApplyRefused) as caught:
        revert(c, MODULE)
    assert caught.value.reason == "not-lppacks"
    assert snapshot(host) == before
    for damaged in ("", "[]", "{", '{"kpatch_fix": 5}'):
        host.stored[ADOPTED] = damaged
        with pytest.raises(ApplyRefused):
            revert(c, MODULE)


def test_what_it_would_remove_is_named(kernel: FakeKernel, host: FakeHost) -> None:
    """kpatch-build makes patches that replace all others."""
    kernel.patches["lppack_conn_limit_2"] = patched()
    c = control(host)
    with pytest.raises(
        ApplyRefused, match="would remove live patches that it does not name: conn-limit"
    ):
        refuse_early(c, as_bundle(c, PATH, module()))


def test_a_transition_that_does_not_end_is_reversed(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.blocked[True] = (Thread(700, 701, "x", stack=("schedule", "f")),)
    kernel.polls = 2
    c = control(host)
    with pytest.raises(ApplyReversed):
        adopted(c)
    assert kernel.patches == {}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"text", "not-a-live-patch"),
        (module(("license=GPL", f"vermagic={RELEASE} ")), "not-a-live-patch"),
        (KO, "lppacks-own"),
        (module(("license=GPL", "livepatch=Y", f"vermagic={RELEASE} ")), "not-a-live-patch"),
    ],
)
def test_what_is_not_adopted(host: FakeHost, data: bytes, reason: str) -> None:
    with pytest.raises(ApplyRefused) as caught:
        as_bundle(control(host), PATH, data)
    assert caught.value.reason == reason


def test_another_kernel_is_refused(host: FakeHost) -> None:
    c = control(host)
    other = as_bundle(c, PATH, module((*MODINFO[:-1], "vermagic=6.1.0-9-amd64 SMP ")))
    with pytest.raises(ApplyRefused, match=r"is for 6\.1\.0-9-amd64"):
        refuse_early(c, other)


def test_what_kpatch_has_installed(host: FakeHost) -> None:
    assert installed(control(host)) == ()


def test_the_command_lists_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "lppack.pipeline.installed_modules", lambda _on: ("/x/a.ko",), raising=False
    )
    shown = CliRunner().invoke(commands, ["adopt", "--format", "json"])
    check_shape("installed", json.loads(shown.stdout))
    assert CliRunner().invoke(commands, ["adopt"]).stdout == "/x/a.ko\n"
    refused = CliRunner().invoke(commands, ["adopt", "x.ko", "--on", "simulated"])
    assert refused.exit_code == 2 and "keeps no history" in refused.output


def test_one_with_which_the_machine_went_down_is_not_tried_again(
    kernel: FakeKernel, host: FakeHost
) -> None:
    """It dies in the middle, and the host is booted anew, before or after the next command."""

    class Died(BaseException):
        pass

    c = control(host)
    bundle = as_bundle(c, PATH, module())
    intent = {"module": MODULE, "sha256": bundle.module_sha256}

    def die(when: str, step: str) -> None:
        if (when, step) == ("after", "insmod"):
            raise Died

    refuse_after_crash(c, bundle)
    with pytest.raises(Died), changing(c, "apply x", intent, fault=die) as alone:
        adopt(alone, bundle, PATH, build="AB")
    refuse_after_crash(c, bundle)  # lppack died, and not the machine
    kernel.boot, kernel.patches, kernel.moving = "second", {}, None
    for _ in range(2):
        with pytest.raises(ApplyRefused) as caught:
            refuse_after_crash(c, bundle)
        assert caught.value.reason == "went-down"
        with changing(c, "recover", {}):
            pass  # closes what an earlier boot has left
    other = replace(bundle, module_sha256="another build")
    refuse_after_crash(c, other)
    with changing(c, "apply x", intent) as alone:
        adopt(alone, bundle, PATH, build="AB")
    refuse_after_crash(c, bundle)  # it was tried, and all went well
