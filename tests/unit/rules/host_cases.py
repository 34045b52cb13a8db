# SPDX-License-Identifier: MIT
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lppack import abi
from lppack.model import Effective, Fix
from lppack.rules import host
from lppack.rules.registry import HOST, HostRule
from tests.kit.control import MODULE, patched, stranger
from tests.kit.fake_kernel import FakeKernel, Patch, info


@dataclass(frozen=True)
class HostCase:
    """A kernel, files beside what it shows, and a part of what the rule says of it."""

    rule: HostRule
    title: str
    prepare: Callable[[FakeKernel], object] = lambda _: None
    says: str = ""  # empty: the rule is content
    files: dict[str, str] = field(default_factory=dict)
    bundle: dict[str, Any] = field(default_factory=dict)

    @property
    def fails(self) -> bool:
        return bool(self.says)


def _moving(kernel: FakeKernel) -> None:
    kernel.patches["kpatch_1"] = stranger()
    kernel.moving = "kpatch_1"


def _replaces_the_same(kernel: FakeKernel) -> None:
    kernel.patches["kpatch_1"] = Patch(info=None, functions=("conn/conn_syn,1",), complete=True)


def _has(name: str, patch: Patch) -> Callable[[FakeKernel], object]:
    return lambda kernel: kernel.patches.update({name: patch})


def _fix(cve: str) -> Fix:
    return Fix(cve=cve, commit=None, functions=(), effective=Effective.PATCHED)


KPROBE = "conn_syn [conn] (1)   I  \ttramp: 0x0 (0x0)\nother (2) R    \n"

TWO = (("conn", "conn_syn"), ("conn", "conn_find"))
OWN = "livepatch"  # the kernel's own

CASES = (
    *(HostCase(entry.rule, "a kernel at rest") for entry in HOST.entries()),
    HostCase(
        host.kernel_is_the_one,
        "another build",
        lambda k: setattr(k, "version", "#1 other"),
        "#1 other",
    ),
    HostCase(host.ftrace_is_on, "off", lambda k: setattr(k, "ftrace", "0"), "ftrace_enabled is 0"),
    HostCase(
        host.no_transition_was_forced,
        "forced",
        lambda k: k.dmesg.append(f"[ 1.0] {abi.FORCED}"),
        "was forced",
    ),
    HostCase(host.no_other_transition, "of a foreign patch", _moving, "kpatch_1 is patching"),
    HostCase(
        host.series_is_not_live,
        "version 1",
        _has("lppack_conn_limit_1", Patch(info=info(version=1), complete=True)),
        "conn-limit 1 is on fake already",
    ),
    HostCase(
        host.series_is_not_live,
        "version 1, which it replaces",
        _has("lppack_conn_limit_1", Patch(info=info(version=1), complete=True)),
        bundle={"replaces": ("conn-limit",)},
    ),
    HostCase(
        host.series_is_not_live,
        "version 3",
        _has("lppack_conn_limit_3", Patch(info=info(version=3), complete=True)),
        "later than 2",
        bundle={"replaces": ("conn-limit",)},
    ),
    HostCase(
        host.nothing_unnamed_is_replaced,
        "a foreign patch",
        _has("kpatch_1", stranger()),
        "does not name: kpatch_1",
        bundle={"replaces": ("conn-limit",)},
    ),
    HostCase(
        host.nothing_unnamed_is_replaced,
        "another series",
        _has("lppack_other_1", Patch(info=info("other", 1), complete=True)),
        "does not name: other",
        bundle={"replaces": ("conn-limit",)},
    ),
    HostCase(
        host.nothing_unnamed_is_replaced,
        "all are named",
        _has("lppack_other_1", Patch(info=info("other", 1), complete=True)),
        bundle={"replaces": ("conn-limit", "other")},
    ),
    HostCase(host.nothing_unnamed_is_replaced, "beside a stranger", _has("kpatch_1", stranger())),
    HostCase(host.function_is_not_replaced, "it is", _replaces_the_same, "is replaced by kpatch_1"),
    HostCase(
        host.function_is_not_replaced,
        "by what is replaced itself",
        _has(
            "lppack_conn_limit_1",
            Patch(info=info(version=1), functions=("conn/conn_syn,1",), complete=True),
        ),
        bundle={"replaces": ("conn-limit",)},
    ),
    HostCase(host.module_is_not_loaded, "it is", _has(MODULE, patched()), "already: patched"),
    HostCase(
        host.module_is_not_loaded,
        "in another build",
        _has(MODULE, Patch(info=info(), complete=True, srcversion="AA")),
        "already: patched, another build: its srcversion is AA, that of the bundle BB",
        bundle={"srcversion": "BB"},
    ),
    HostCase(
        host.modules_can_be_loaded,
        "not any more",
        says="loads no more modules",
        files={abi.MODULES_DISABLED: "1\n"},
    ),
    HostCase(host.modules_can_be_loaded, "still", files={abi.MODULES_DISABLED: "0\n"}),
    HostCase(
        host.unsigned_module_is_taken,
        "signatures are asked for",
        says="accepts only signed modules",
        files={abi.SIG_ENFORCE: "Y\n"},
    ),
    HostCase(
        host.unsigned_module_is_taken,
        "lockdown",
        says="[integrity]",
        files={abi.LOCKDOWN: "none [integrity] confidentiality\n"},
    ),
    HostCase(
        host.unsigned_module_is_taken,
        "no lockdown",
        files={abi.LOCKDOWN: "[none] integrity confidentiality\n", abi.SIG_ENFORCE: "N\n"},
    ),
    HostCase(
        host.unsigned_module_is_taken,
        "signed",
        files={abi.SIG_ENFORCE: "Y\n"},
        bundle={"signed": True},
    ),
    HostCase(
        host.function_is_free,
        "a kprobe",
        says="conn_syn of conn",
        files={abi.ENABLED_FUNCTIONS: KPROBE},
    ),
    HostCase(
        host.function_is_free,
        "a live patch",
        _replaces_the_same,
        files={abi.ENABLED_FUNCTIONS: KPROBE},
    ),
    HostCase(
        host.function_is_free,
        "traced",
        files={abi.ENABLED_FUNCTIONS: "conn_syn [conn] (1)      \tops: x\n"},
    ),
    HostCase(
        host.every_fix_stays,
        "one is dropped",
        _has("lppack_conn_limit_1", Patch(info=info(version=1), complete=True)),
        "lppack_conn_limit_1 fixes CVE-1",
        bundle={"replaces": ("conn-limit",), "fixes": (_fix("CVE-2"),)},
    ),
    HostCase(
        host.every_fix_stays,
        "all stay",
        _has("lppack_conn_limit_1", Patch(info=info(version=1), complete=True)),
        bundle={"replaces": ("conn-limit",), "fixes": (_fix("CVE-1"), _fix("CVE-2"))},
    ),
    HostCase(
        host.modules_were_not_forced,
        "loaded by force",
        says="loaded by force",
        files={abi.TAINTED: f"{1 << abi.TAINT_FORCED_MODULE}\n"},
    ),
    *(
        HostCase(
            host.kernel_code_is_not_preempted,
            title,
            says=says,
            files=files,
            bundle={"functions": TWO, "engine": engine},
        )
        for title, says, files, engine in (
            ("full", "preempt=full", {abi.PREEMPTION: "none voluntary (full)\n"}, OWN),
            ("lazy", "preempt=lazy", {abi.PREEMPTION: "none voluntary full (lazy)\n"}, OWN),
            ("voluntary", "", {abi.PREEMPTION: "none (voluntary) full\n"}, OWN),
            ("at boot", "preempt=full", {abi.COMMAND_LINE: "quiet preempt=full ro\n"}, OWN),
            (
                "changed since boot",
                "",
                {
                    abi.COMMAND_LINE: "preempt=full\n",
                    abi.PREEMPTION: "none (voluntary) full\n",
                },
                OWN,
            ),
            ("lppack's own engine", "", {abi.COMMAND_LINE: "preempt=full\n"}, "consistency"),
        )
    ),
    HostCase(
        host.kernel_code_is_not_preempted,
        "one function",
        files={abi.COMMAND_LINE: "preempt=full\n"},
        bundle={"functions": TWO[:1]},
    ),
    HostCase(
        host.modules_were_not_forced,
        "tainted otherwise",
        files={abi.TAINTED: "36864\n"},
    ),
)
