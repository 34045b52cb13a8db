# SPDX-License-Identifier: MIT
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lppack.consistency import Mode, ModeName
from lppack.document import Document, Pointer
from lppack.kernel.config import KernelConfig
from lppack.kernel.facts import Facts
from lppack.model import Kernel
from lppack.rules import counted, inlining, kernel, needs, own_engine, registry, target
from lppack.rules.registry import ConfigRule
from lppack.rules.runner import Fault
from tests.kit.fake_facts import CONFIG, DEEP, FACTS, FakeFacts, symbol, with_exit_lists
from tests.kit.samples import RELEASE, document, full, patch_folder
from tests.kit.samples import kernel as kernel_named
from tests.unit.rules.cases import OLD0, ON_ACCESS, WORLD, functions, objects


@dataclass(frozen=True)
class KernelCase:
    """FULL with changes, held against the kernel of fake_facts."""

    rule: Callable[[Document, Facts], Iterator[Fault]]
    title: str
    changes: dict[str, Any]
    faults: list[Pointer] = field(default_factory=list)  # none: the rule is content
    facts: Facts = FACTS

    @property
    def fails(self) -> bool:
        return bool(self.faults)


@dataclass(frozen=True)
class TargetCase:
    """FULL, held against a release, options beside those of CONFIG, and headers."""

    rule: ConfigRule
    title: str
    says: str = ""  # empty: the rule is content
    release: str = RELEASE
    options: dict[str, str] = field(default_factory=dict)
    headers: str | None = None  # what they say that they are of; None: there are none
    context: str = "process"  # of the transform
    needs: str = ON_ACCESS  # the transform flag
    code: str | None = None  # instead of the C of FULL
    changes: dict[str, Any] = field(default_factory=dict)

    @property
    def fails(self) -> bool:
        return bool(self.says)

    def patch(self, folder: Path) -> Document:
        made = patch_folder(folder)
        if self.code is not None:
            (made / "conn.c").write_text(self.code)
        [transform] = full()["transforms"]
        needs = [*full()["needs"][:2], self.needs]
        transforms = [{**transform, "context": self.context}]
        return document(full(transforms=transforms, needs=needs, **self.changes), made)

    def config(self) -> KernelConfig:
        return KernelConfig({**CONFIG, **self.options})

    def kernel(self, folder: Path) -> Kernel:
        if self.headers is not None:
            made = folder / f"usr/src/linux-headers-{self.release}/include/generated"
            made.mkdir(parents=True)
            (made / "utsrelease.h").write_text(self.headers)
        return kernel_named(folder, release=self.release)


@dataclass(frozen=True)
class PlanCase:
    """A mode and an engine, and where the rule finds a fault."""

    rule: Callable[[Document, Mode, str, Facts], Iterator[Fault]]
    title: str
    mode: ModeName
    engine: str
    faults: list[Pointer] = field(default_factory=list)
    changes: dict[str, Any] = field(default_factory=dict)
    facts: Facts = FACTS

    @property
    def fails(self) -> bool:
        return bool(self.faults)


#: sys_a and sys_b are two names of one function.
TWINS = FakeFacts(
    {
        "vmlinux": [
            symbol("sys_a"),
            replace(symbol("sys_b"), address=symbol("sys_a").address),
            symbol("sys_c"),
        ]
    }
)


def _one(old: str, *, sympos: int | None = None, name: str = "vmlinux") -> dict[str, Any]:
    return functions({"old": old, "new": "lp_x", "sympos": sympos}, name=name)


def _fixes(*names: str, old: str = "tcp_rcv", sympos: int | None = None) -> dict[str, Any]:
    return {**_one(old, sympos=sympos), "fixes": [{"functions": list(names)}]}


def _both(*names: str, fixes: list[str] | None = None) -> dict[str, Any]:
    changes = functions(*({"old": old, "new": "lp_x"} for old in names), name="vmlinux")
    return {**changes, "fixes": [{"functions": fixes}] if fixes else None}


GOOD = {**_one("cmdline_proc_show"), "fixes": None}

_RULES = [entry.rule for entry in registry.FACTS.entries()]
_FIX0: Pointer = ("fixes", 0, "functions", 0)

KERNEL_CASES = (
    *(KernelCase(rule, "a plain function", GOOD) for rule in _RULES),
    *(KernelCase(rule, "a plain function, deep", GOOD, facts=DEEP) for rule in _RULES),
    KernelCase(kernel.function_exists, "misspelt", _one("cmdline_show"), [OLD0]),
    KernelCase(kernel.function_exists, "not so many", _one("s_show", sympos=4), [OLD0]),
    KernelCase(kernel.function_has_a_body_of_its_own, "a clone", _one("tcp_v4"), [OLD0]),
    KernelCase(kernel.function_is_one, "of three", _one("s_show"), [OLD0]),
    KernelCase(kernel.function_is_one, "the second", _one("s_show", sympos=2)),
    KernelCase(
        kernel.function_has_one_replacement,
        "two names of one",
        _both("sys_a", "sys_b"),
        [("objects", 0, "functions", 1, "old")],
        TWINS,
    ),
    KernelCase(
        kernel.function_has_one_replacement, "two functions", _both("sys_a", "sys_c"), facts=TWINS
    ),
    KernelCase(kernel.function_is_traceable, "notrace", _one("do_idle"), [OLD0]),
    KernelCase(kernel.function_outlives_boot, "init", _one("start_kernel"), [OLD0]),
    KernelCase(kernel.module_is_known, "a module", objects("loop")),
    KernelCase(kernel.exiting_threads_are_found, "lists", GOOD, facts=with_exit_lists()),
    KernelCase(
        kernel.exiting_threads_are_found,
        "lists of another kind",
        GOOD,
        [("kernels",)],
        with_exit_lists(nodes=False),
    ),
    KernelCase(kernel.module_is_known, "a test target", objects("conn")),
    KernelCase(kernel.module_is_known, "not a module", objects("ext4"), [("objects", 0, "name")]),
    KernelCase(kernel.siblings_are_replaced_too, "a sibling", _one("tcp_rcv"), [OLD0]),
    KernelCase(kernel.siblings_are_replaced_too, "its cold part", _one("udp_rcv")),
    KernelCase(
        kernel.siblings_are_replaced_too,
        "both",
        functions({"old": "tcp_rcv"}, {"old": "tcp_rcv.part.0"}, name="vmlinux"),
    ),
    KernelCase(inlining.fixed_function_is_replaced, "it is", _fixes("tcp_rcv")),
    KernelCase(
        inlining.fixed_function_is_replaced,
        "one is not, one is inlined",
        _fixes("tcp_rcv", "udp_rcv", "tcp_check"),
        [("fixes", 0, "functions", 1), ("fixes", 0, "functions", 2)],
    ),
    KernelCase(
        inlining.fixed_function_is_replaced,
        "another rule knows it",
        _fixes("tcp_check", "udp_rcv"),
        facts=DEEP,
    ),
    KernelCase(
        inlining.fixed_function_is_replaced, "nowhere", _fixes("tcp_chek"), [_FIX0], facts=DEEP
    ),
    KernelCase(
        inlining.fixed_function_is_replaced,
        "a clone that others may call",
        _fixes("tcp_v4", old="udp_rcv"),
        [_FIX0],
        facts=DEEP,
    ),
    KernelCase(kernel.function_is_not_inlined_away, "not known", _one("tcp_check")),
    KernelCase(kernel.function_is_not_inlined_away, "it is", _one("tcp_check"), [OLD0], facts=DEEP),
    KernelCase(kernel.function_is_not_inlined_away, "in init", _one("once"), facts=DEEP),
    KernelCase(kernel.function_exists, "inlined away", _one("tcp_check"), facts=DEEP),
    KernelCase(kernel.function_exists, "in init", _one("once"), [OLD0], facts=DEEP),
    KernelCase(inlining.fix_reaches_every_copy, "not known", _fixes("tcp_check")),
    KernelCase(
        inlining.fix_reaches_every_copy, "one holder", _fixes("tcp_check"), [_FIX0], facts=DEEP
    ),
    KernelCase(
        inlining.fix_reaches_every_copy,
        "all holders",
        _both("tcp_rcv", "udp_rcv", fixes=["tcp_check"]),
        facts=DEEP,
    ),
    KernelCase(
        inlining.fix_reaches_every_copy,
        "the holder, not the function",
        _both("worker_thread", fixes=["ep_poll"]),
        [_FIX0],
        facts=DEEP,
    ),
    KernelCase(
        inlining.fix_reaches_every_copy,
        "the function, not the holder",
        _both("ep_poll", fixes=["ep_poll"]),
        [_FIX0],
        facts=DEEP,
    ),
    KernelCase(
        inlining.fix_reaches_every_copy,
        "neither",
        _both("tcp_rcv", fixes=["ep_poll"]),
        [_FIX0, _FIX0],
        facts=DEEP,
    ),
    KernelCase(
        inlining.fix_reaches_every_copy,
        "both",
        _both("ep_poll", "worker_thread", fixes=["ep_poll"]),
        facts=DEEP,
    ),
    KernelCase(
        inlining.fix_reaches_every_copy,
        "the second of a name, of which the first is inlined",
        _fixes("s_show", old="s_show", sympos=2),
        facts=DEEP,
    ),
    KernelCase(
        inlining.fix_reaches_every_copy,
        "the first of a name",
        _fixes("s_show", old="s_show", sympos=1),
        [_FIX0],
        facts=DEEP,
    ),
    KernelCase(
        inlining.fix_reaches_every_copy,
        "of a module",
        {**_one("lo_open", name="loop"), "fixes": [{"functions": ["ep_poll"]}]},
        facts=DEEP,
    ),
    KernelCase(
        inlining.replaced_function_has_no_copy, "a copy", _both("ep_poll"), [OLD0], facts=DEEP
    ),
    KernelCase(
        inlining.replaced_function_has_no_copy,
        "both",
        _both("ep_poll", "worker_thread"),
        facts=DEEP,
    ),
    KernelCase(
        inlining.replaced_function_has_no_copy,
        "a fix",
        _both("ep_poll", fixes=["ep_poll"]),
        facts=DEEP,
    ),
    *(
        KernelCase(kernel.function_is_left_now_and_then, name, _one(name), [OLD0])
        for name in ("worker_thread", "ep_poll")
    ),
    KernelCase(kernel.function_is_left_now_and_then, "of a module", _one("ep_poll", name="loop")),
    *(
        KernelCase(
            own_engine.held_threads_are_outside,
            f"{old}, {' '.join(asked.values()) or 'each by itself'}",
            {**_one(old), **asked},
            [OLD0] if warned else [],
        )
        for old, asked, warned in (
            ("get_signal", {"mode": "kpatch"}, True),
            ("task_work_run", {"mode": "checkpoint"}, True),
            ("task_work_run", {"mode": "kgraft"}, False),
            ("get_signal", {}, False),
            ("cmdline_proc_show", {"mode": "kpatch"}, False),
        )
    ),
)

TARGET_CASES = (
    *(
        TargetCase(rule, "a plain kernel")
        for kind in (registry.CONFIG, registry.ENVIRONMENT)
        for rule in (entry.rule for entry in kind.entries())
    ),
    *(
        TargetCase(
            target.included_headers_are_there, title, says, headers="", code=code, changes=more
        )
        for title, says, code, more in (
            ("of the headers package", "", '#include "generated/utsrelease.h"\n', {}),
            ("in angle brackets", "", "#include <net/8021q/vlan.h>\n", {}),
            ("of the patch", "", '#include "ext.h"\n#include "lppack.h"\n', {}),
            ("declared", "", '#include "mm/slab.h"\n', {"kernel_headers": ["mm"]}),
            (
                "as a draft names it",
                "",
                '#include "kernel_headers/mm/slab.h"\n',
                {"kernel_headers": ["mm"]},
            ),
            ("private", '"net/8021q/vlan.h" is in no', '#include "net/8021q/vlan.h"\n', {}),
            ("misspelt", '"exd.h" is in no folder', '#include "exd.h"\n', {}),
        )
    ),
    TargetCase(target.kernel_is_named, "another flavour", "is none of", "6.1.0-56-cloud-amd64"),
    TargetCase(
        target.kernel_can_be_live_patched,
        "no livepatch support",
        "without CONFIG_LIVEPATCH",
        options={"LIVEPATCH": "n"},
    ),
    TargetCase(
        target.kernel_can_be_live_patched,
        "no way to redirect",
        "without CONFIG_DYNAMIC_FTRACE_WITH_REGS and CONFIG_DYNAMIC_FTRACE_WITH_ARGS",
        options={"DYNAMIC_FTRACE_WITH_ARGS": "n"},
    ),
    TargetCase(
        target.kernel_can_be_live_patched,
        "trimmed",
        "with CONFIG_TRIM_UNUSED_KSYMS",
        options={"TRIM_UNUSED_KSYMS": "y"},
    ),
    *(
        TargetCase(
            target.interrupts_are_not_threads,
            context,
            "" if context == "process" else "its spinlocks sleep",
            options={"PREEMPT_RT": "y"},
            context=context,
        )
        for context in ("process", "softirq", "irq")
    ),
    TargetCase(target.interrupts_are_not_threads, "not real time", context="irq"),
    TargetCase(
        target.stop_finds_no_lock_held,
        "real time",
        "in a stop a thread may hold a spinlock",
        options={"PREEMPT_RT": "y"},
        needs=WORLD,
    ),
    TargetCase(target.stop_finds_no_lock_held, "not real time", needs=WORLD),
    TargetCase(target.stop_finds_no_lock_held, "no stop changes data", options={"PREEMPT_RT": "y"}),
    TargetCase(target.kernel_is_new_enough, "just", release="5.5.0-1-amd64"),
    TargetCase(target.kernel_is_new_enough, "not", "is older than 5.5", "5.4.0-26-generic"),
    TargetCase(target.kernel_is_new_enough, "a name", release="my-kernel"),
    TargetCase(
        target.compiler_is_gcc,
        "clang",
        "was built by Debian clang version 14.0.6",
        options={"CC_VERSION_TEXT": "Debian clang version 14.0.6"},
    ),
    TargetCase(
        target.compiler_is_gcc, "unknown", "an unknown compiler", options={"CC_VERSION_TEXT": "n"}
    ),
    TargetCase(
        target.headers_are_of_the_kernel, "they are", headers=f'#define UTS_RELEASE "{RELEASE}"\n'
    ),
    TargetCase(
        target.headers_are_of_the_kernel,
        "a plus",
        f"are of {RELEASE}+",
        headers=f'#define UTS_RELEASE "{RELEASE}+"\n',
    ),
    TargetCase(target.headers_are_of_the_kernel, "empty", "are of an unknown kernel", headers=""),
    TargetCase(
        target.stacks_are_reliable,
        "they are not",
        "has no CONFIG_HAVE_RELIABLE_STACKTRACE",
        options={"HAVE_RELIABLE_STACKTRACE": "n"},
    ),
    TargetCase(
        target.layouts_are_not_shuffled,
        "they are",
        "CONFIG_RANDSTRUCT",
        options={"RANDSTRUCT": "y"},
    ),
    TargetCase(
        target.symbols_have_checksums,
        "they have none",
        "without CONFIG_MODVERSIONS",
        options={"MODVERSIONS": "n"},
    ),
    *(
        TargetCase(
            target.threads_are_not_preempted_in_kernel_code,
            option,
            "a new function may call an old one",
            options={option: "y"},
        )
        for option in ("PREEMPT_LAZY", "PREEMPT", "PREEMPT_RT")
    ),
    TargetCase(
        target.threads_are_not_preempted_in_kernel_code,
        "voluntary",
        options={"PREEMPT_VOLUNTARY": "y", "PREEMPT_DYNAMIC": "y"},
    ),
)

REAL_TIME = FakeFacts({"vmlinux": [symbol("rt_spin_lock")]})
UNNAMED = FakeFacts({"vmlinux": [symbol("irqentry_exit", traceable=False)]})
INLINED = FakeFacts(
    {
        "vmlinux": [
            symbol(name, traceable=False)
            for name in (
                *("do_syscall_64", "exit_to_user_mode_loop", "irqentry_exit"),
                "trace_syscall_exit",
            )
        ]
    }
)
INLINED.release = "7.2.12+deb13-amd64"
NOT_PREEMPTED = FakeFacts(
    {"vmlinux": [one for one in FACTS.objects["vmlinux"] if one.name != "preempt_schedule"]}
)
LAZY = FakeFacts({"vmlinux": [*INLINED.objects["vmlinux"], symbol("resched_curr_lazy")]})
LAZY.release = INLINED.release
LATER = FakeFacts(FACTS.objects)
LATER.release = "7.9.1+deb14-amd64"

PLAN_CASES = (
    PlanCase(needs.engine_provides_the_mode, "any", ModeName.HYBRID, "auto"),
    PlanCase(needs.engine_provides_the_mode, "by name", ModeName.HYBRID, "livepatch"),
    PlanCase(needs.engine_provides_the_mode, "ours alone", ModeName.KGRAFT, "auto"),
    PlanCase(
        needs.engine_provides_the_mode, "not upstream", ModeName.KGRAFT, "livepatch", [("mode",)]
    ),
    PlanCase(
        needs.engine_provides_the_mode, "not that one", ModeName.HYBRID, "simulated", [("mode",)]
    ),
    PlanCase(needs.cumulative_patches_are_the_kernels, "upstream's", ModeName.HYBRID, "auto"),
    PlanCase(
        needs.cumulative_patches_are_the_kernels,
        "ours",
        ModeName.KPATCH,
        "auto",
        [("replaces",)],
        changes={"replaces": ["conn-limit"]},
    ),
    *(
        PlanCase(
            own_engine.own_engine_needs_spinning_locks,
            f"{mode} of {engine}, which {'spin' if facts is FACTS else 'sleep'}",
            mode,
            engine,
            [("kernels",)] if refused else [],
            facts=facts,
        )
        for mode, engine, facts, refused in (
            (ModeName.KPATCH, "auto", FACTS, False),
            (ModeName.KPATCH, "auto", REAL_TIME, True),
            (ModeName.HYBRID, "consistency", REAL_TIME, True),
            (ModeName.HYBRID, "auto", REAL_TIME, False),
        )
    ),
    *(
        PlanCase(
            own_engine.own_engine_knows_the_border,
            f"{mode} of {engine} on {name}",
            mode,
            engine,
            [("kernels",)] if refused else [],
            facts=facts,
        )
        for mode, engine, name, facts, refused in (
            (ModeName.KPATCH, "auto", "6.1", FACTS, False),
            (ModeName.KPATCH, "auto", "7.2", INLINED, False),
            (ModeName.KPATCH, "auto", "one without their names", UNNAMED, True),
            (ModeName.HYBRID, "consistency", "7.9", LATER, True),
            (ModeName.HYBRID, "auto", "7.9", LATER, False),
        )
    ),
    *(
        PlanCase(
            own_engine.kernel_threads_leave_together,
            f"{mode} of {engine} on {facts.release}",
            mode,
            engine,
            [("kernels",)] if warned else [],
            facts=facts,
        )
        for mode, engine, facts, warned in (
            (ModeName.KPATCH, "auto", FACTS, False),
            (ModeName.KPATCH, "auto", LAZY, True),
            (ModeName.CHECKPOINT, "auto", LAZY, True),
            (ModeName.REFCOUNT, "auto", LAZY, False),
            (ModeName.KGRAFT, "auto", LAZY, False),
            (ModeName.HYBRID, "auto", LAZY, False),
        )
    ),
    *(
        PlanCase(
            own_engine.own_engine_was_tried_on_such_a_kernel,
            f"{mode} of {engine} on {name}",
            mode,
            engine,
            [("kernels",)] if refused else [],
            facts=facts,
        )
        for mode, engine, name, facts, refused in (
            (ModeName.KPATCH, "auto", "6.1", FACTS, False),
            (ModeName.HYBRID, "consistency", "one without CONFIG_PREEMPTION", NOT_PREEMPTED, True),
            (ModeName.HYBRID, "auto", "one without CONFIG_PREEMPTION", NOT_PREEMPTED, False),
        )
    ),
    *(
        PlanCase(
            counted.counted_functions_can_be_wrapped,
            f"{old} by {mode} of {engine}",
            mode,
            engine,
            [OLD0] if refused else [],
            changes=_one(old),
        )
        for old, mode, engine, refused in (
            ("cmdline_proc_show", ModeName.REFCOUNT, "auto", False),
            ("_printk", ModeName.REFCOUNT, "auto", True),
            ("_printk", ModeName.REFCOUNT, "consistency", True),
            ("_printk", ModeName.REFCOUNT, "simulated", False),
            ("_printk", ModeName.KPATCH, "auto", False),
        )
    ),
)
