# SPDX-License-Identifier: MIT
"""Rules of the host at the moment of apply: checked before anything is loaded."""

import errno
import re
from collections.abc import Iterator

from lppack import abi
from lppack.abi import PatchPhase
from lppack.consistency import EngineName
from lppack.engines.protocol import Engine, PatchState
from lppack.errors import HostError, Level
from lppack.hosts.protocol import Host
from lppack.model import Bundle
from lppack.rules.registry import HOST, rule
from lppack.rules.view import Refusal, View


@rule(needs=HOST, sources=(18, 54))
def kernel_is_the_one(view: View, bundle: Bundle) -> Iterator[Refusal]:
    """The host runs exactly the kernel build for which the bundle was built.

    Several builds can have the same release, so the version (`uname -v`) is compared, too. A target
    module that is not from the kernel's own package is not checked.
    """
    release, version = view.read(abi.OSRELEASE), view.read(abi.VERSION)
    if (release, version) != (bundle.release, bundle.kernel_version):
        hint = f"build it for that kernel: lppack build PATCH --kernel {release}"
        if bundle.engine is EngineName.LIVEPATCH and not _has_livepatch(view.host):
            hint = f"boot another kernel: {release} has no livepatch support ({abi.LIVEPATCH})"
        yield Refusal(
            f"{bundle.path.name} is for {bundle.release} {bundle.kernel_version}, and "
            f"{view.host.name} runs {release} {version}",
            hint,
        )


def _has_livepatch(host: Host) -> bool:
    try:
        host.list(abi.LIVEPATCH)
    except HostError as error:
        return not error.absent
    return True


@rule(needs=HOST, sources=(53,))
def ftrace_is_on(view: View, bundle: Bundle) -> Iterator[Refusal]:
    """`kernel.ftrace_enabled` is 1: live patches redirect functions with ftrace.

    Documentation/livepatch/livepatch.rst, limitations; register_ftrace_function() with
    FTRACE_OPS_FL_PERMANENT fails while it is 0 (kernel/trace/ftrace.c).
    """
    if view.read(abi.FTRACE_ENABLED) == "0":
        yield Refusal(
            f"{abi.FTRACE_ENABLED} is 0 on {view.host.name}: no function can be redirected",
            f"on {view.host.name}: echo 1 > {abi.FTRACE_ENABLED}",
        )


@rule(needs=HOST, sources=(55,))
def no_transition_was_forced(view: View, bundle: Bundle) -> Iterator[Refusal]:
    """No transition was forced since boot, as far as the kernel's log shows.

    klp_force_transition(), kernel/livepatch/transition.c: patch->forced cannot be read from user
    space, and force sets no taint. Only the kernel's log shows it, if the log still contains that
    line.
    """
    yield from forced_transition(view.engine, view.host)


def forced_transition(engine: Engine, host: Host) -> Iterator[Refusal]:
    """Refuse to load or convert if a transition was forced, or if the log cannot be read.

    After a forced transition, old code may run without end.
    """
    forced = engine.forced()
    if forced is None:
        yield Refusal(
            f"the kernel's log on {host.name} cannot be read, so lppack does not know "
            "whether a transition was forced",
            "make `dmesg` work on the host, then try again",
        )
    if forced:
        yield Refusal(
            f"a transition was forced on {host.name}: its threads may run old or new code",
            "plan a reboot; until then, apply no patch and convert no data",
        )


@rule(needs=HOST, sources=(53,))
def no_other_transition(view: View, bundle: Bundle) -> Iterator[Refusal]:
    """No live patch is in transition.

    klp_enable_patch() returns EBUSY (klp_transition_patch, kernel/livepatch/core.c).
    """
    for state in view.states:
        if state.phase in (PatchPhase.PATCHING, PatchPhase.UNPATCHING):
            yield Refusal(
                f"{state.module} is {state.phase}; the kernel can move only one live patch "
                "at a time",
                f"complete that first, then apply: {view.command('revert', bundle.series)}"
                if state.module == bundle.module and state.phase is PatchPhase.UNPATCHING
                else f"wait for it, and see what blocks it: lppack status --on {view.host.name}",
            )


@rule(needs=HOST)
def series_is_not_live(view: View, bundle: Bundle) -> Iterator[Refusal]:
    """No other version of the series is live, unless this bundle is later and replaces it.

    Side by side, each version would free and reverse objects that the other one tracks.
    """
    for state in view.states:
        if state.info.series != bundle.series or state.module == bundle.module:
            continue
        version = state.info.version
        if bundle.series not in bundle.replaces:
            yield Refusal(
                f"{bundle.series} {version} is on {view.host.name} already",
                f"revert it first: {view.command('revert', bundle.series)}",
            )
        elif isinstance(version, int) and version >= bundle.version:
            yield Refusal(
                f"{bundle.series} {version} is on {view.host.name}, which is later than "
                f"{bundle.version}",
                f"the kernel refuses to replace a patch by an earlier version; revert it first: "
                f"{view.command('revert', bundle.series)}",
            )


@rule(needs=HOST)
def nothing_unnamed_is_replaced(view: View, bundle: Bundle) -> Iterator[Refusal]:
    """A cumulative patch names every live patch that it replaces.

    The kernel silently removes all other live patches (klp_unpatch_replaced_patches(),
    kernel/livepatch/core.c); only states protect some of them.
    """
    if not bundle.replaces:
        return
    victims = [
        str(state.info.series or state.module)
        for state in view.states
        if state.phase is not PatchPhase.UNPATCHED and not _is_replaced(state, bundle)
    ]
    if victims:
        yield Refusal(
            f"{bundle.path.name} is cumulative, and would remove live patches that it does "
            "not name: "
            f"{', '.join(sorted(victims))}",
            "name these in `replaces` if this patch contains their fixes, or revert them first",
        )


def _is_replaced(state: PatchState, bundle: Bundle) -> bool:
    return state.info.series in bundle.replaces or state.module == bundle.module


@rule(needs=HOST, sources=(56,))
def function_is_not_replaced(view: View, bundle: Bundle) -> Iterator[Refusal]:
    """No live patch replaces a function that this patch replaces.

    The newest patch would win (klp_ftrace_handler(), kernel/livepatch/patch.c). The older fix would
    silently be lost, and neither patch knows the other's data.
    """
    for state in view.states:
        shared = view.engine.replaced(state.module) & set(bundle.functions)
        if shared and not _is_replaced(state, bundle):
            object_, function = min(shared)
            yield Refusal(
                f"{function} of {object_} is replaced by {state.module} already",
                f"revert {state.module} first: neither patch knows the other's data",
            )


@rule(needs=HOST)
def module_is_not_loaded(view: View, bundle: Bundle) -> Iterator[Refusal]:
    """No module of that name is loaded: a patch that was disabled cannot be enabled again."""
    for state in view.states:
        if state.module == bundle.module:
            live = view.engine.srcversion(state.module)
            another = None not in (live, bundle.srcversion) and live != bundle.srcversion
            which = (
                f", another build: its srcversion is {live}, that of the bundle {bundle.srcversion}"
                if another
                else ""
            )
            yield Refusal(
                f"{bundle.module} is on {view.host.name} already: {state.phase}{which}",
                _way_on(view, bundle, state, another=another),
                None if another or state.phase is not PatchPhase.PATCHED else "already-applied",
            )


def _way_on(view: View, bundle: Bundle, state: PatchState, *, another: bool) -> str:
    if another or state.phase is not PatchPhase.PATCHED:
        return f"revert it, then apply this one: {view.command('revert', bundle.module)}"
    if bundle.converts and not state.convert:
        return f"go on with: {view.command('convert', bundle.series)}"
    return f"nothing to do; see: {view.command('status', bundle.series)}"


@rule(needs=HOST, sources=(53,))
def modules_can_be_loaded(view: View, bundle: Bundle) -> Iterator[Refusal]:
    """`kernel.modules_disabled` is 0.

    may_init_module(), kernel/module/main.c, returns EPERM once it is 1, and it stays 1 until a
    reboot; modules cannot be unloaded then either.
    """
    if view.read(abi.MODULES_DISABLED) == "1":
        yield Refusal(
            f"{abi.MODULES_DISABLED} is 1 on {view.host.name}: its kernel loads no more modules",
            "remove the setting (sysctl.d), reboot, apply the patch, then set it again",
        )


@rule(needs=HOST, sources=(53,))
def unsigned_module_is_taken(view: View, bundle: Bundle) -> Iterator[Refusal]:
    """If the kernel accepts only signed modules, the bundle's module is signed.

    module_sig_check(), kernel/module/signing.c: sig_enforce, or lockdown (secure boot turns it on).
    Only the kernel can check that it trusts the key.
    """
    if bundle.signed:
        return
    lockdown = view.read(abi.LOCKDOWN) or ""
    if view.read(abi.SIG_ENFORCE) == "Y":
        why = f"{abi.SIG_ENFORCE} is Y"
    elif "[" in lockdown and "[none]" not in lockdown:
        why = f"{abi.LOCKDOWN} is {lockdown}"
    else:
        return
    yield Refusal(
        f"{view.host.name} accepts only signed modules ({why}), and {bundle.module} is not signed",
        "sign it with a key that the kernel trusts: lppack build --sign-key --sign-cert",
    )


@rule(needs=HOST, level=Level.WARNING, sources=(53,))
def function_is_free(view: View, bundle: Bundle) -> Iterator[Refusal]:
    """Only live patches redirect the functions of this patch.

    The kernel lets only one user redirect a function (FTRACE_OPS_FL_IPMODIFY,
    kernel/trace/ftrace.c). If a kprobe or a BPF program does, the kernel refuses the patch with
    EBUSY. enabled_functions shows no addresses, so the function may also be another one with the
    same name.
    """
    try:
        text = view.read(abi.ENABLED_FUNCTIONS) or ""
    except HostError as error:
        if error.errno not in (errno.EPERM, errno.EACCES):
            raise
        # fs/tracefs/inode.c: tracefs_create_file() under lockdown (v6.1).
        yield Refusal(
            f"{error.message}: lppack cannot check whether a kprobe or a BPF program "
            f"redirects a function of {bundle.series}",
            "if one does, the kernel refuses the patch",
        )
        return
    held = {
        found[1]
        for line in text.splitlines()
        if (found := re.match(r"(\S+) (?:\[\S+\] )?\(\d+\)(?: R|  ) I", line))
    }
    if not any(function in held for _, function in bundle.functions):
        return
    # Read the states again: another command may have loaded a live patch since.
    states = view.engine.patches()
    live = {function for s in states for _, function in view.engine.replaced(s.module)}
    for object_, function in bundle.functions:
        if function in held - live:
            yield Refusal(
                f"{function} of {object_} is redirected already, but not by a live patch",
                f"find the kprobe or BPF program, and remove it: see {abi.ENABLED_FUNCTIONS}",
            )


@rule(needs=HOST, level=Level.WARNING, sources=(55,))
def modules_were_not_forced(view: View, bundle: Bundle) -> Iterator[Refusal]:
    """No module was loaded or removed by force.

    TAINT_FORCED_MODULE and TAINT_FORCED_RMMOD, include/linux/panic.h: the kernel may differ from
    the one for which the bundle was built.
    """
    text = view.read(abi.TAINTED) or ""
    bits = int(text) if text.isdecimal() else 0
    for bit, what in ((abi.TAINT_FORCED_MODULE, "loaded"), (abi.TAINT_FORCED_RMMOD, "removed")):
        if bits >> bit & 1:
            yield Refusal(f"a module was {what} by force on {view.host.name}", "plan a reboot")


@rule(needs=HOST, level=Level.WARNING)
def kernel_code_is_not_preempted(view: View, bundle: Bundle) -> Iterator[Refusal]:
    """A host that uses the livepatch engine does not preempt kernel code (warning).

    Like `threads-are-not-preempted-in-kernel-code`, but checks the host's setting: preempt=full or
    =lazy on its command line, or selected later in debugfs (sched_dynamic_mode(),
    kernel/sched/core.c, v6.12).
    """
    if bundle.engine != EngineName.LIVEPATCH or len(bundle.functions) < 2:
        return
    if found := view.preempts():
        yield Refusal(
            f"{view.host.name} runs with preempt={found}: when {bundle.series} is "
            "reverted, or another live patch is enabled above it, a new function may call "
            "an old one",
            "if its functions depend on each other, boot with preempt=voluntary, or revert "
            "by a reboot",
        )


@rule(needs=HOST, level=Level.WARNING)
def every_fix_stays(view: View, bundle: Bundle) -> Iterator[Refusal]:
    """A cumulative patch contains every live fix of the patches that it replaces (warning).

    Two fixes are the same if they name the same CVE, the same commit, or the same functions.
    """
    held = {name for fix in bundle.fixes for name in fix.names}
    for state in view.states:
        if state.phase is PatchPhase.UNPATCHED or state.info.series not in bundle.replaces:
            continue
        for fix in state.info.fixes:
            if held.isdisjoint(fix.names):
                yield Refusal(
                    f"{state.module} fixes {fix.name}; {bundle.series} {bundle.version} "
                    "replaces it, and does not contain that fix",
                    "after apply, that fix is no longer live",
                )
