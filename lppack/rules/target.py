# SPDX-License-Identifier: MIT
"""Rules of the kernel that is aimed at: its release, configuration, compiler and headers."""

import fnmatch
import re
from collections.abc import Iterator
from pathlib import Path

from lppack import abi
from lppack.document import Document
from lppack.errors import Level
from lppack.kernel.config import KernelConfig
from lppack.model import Kernel
from lppack.rules.files import GENERATED
from lppack.rules.registry import CONFIG, ENVIRONMENT, rule
from lppack.rules.replaced import patched_functions
from lppack.rules.runner import Fault, clip, safe
from lppack.rules.source import at, quoted_includes

_WHERE = ("kernels",)


def matches(pattern: str, release: str) -> bool:
    """Return True if ``pattern`` names ``release``; a ``*`` matches no dash: whole flavours."""
    wanted, given = pattern.split("-"), release.split("-")
    return len(wanted) == len(given) and all(
        fnmatch.fnmatchcase(field, part) for part, field in zip(wanted, given, strict=True)
    )


@rule(needs=CONFIG)
def kernel_is_named(document: Document, kernel: Kernel, config: KernelConfig) -> Iterator[Fault]:
    """A patch is built for kernels that its manifest names, and for no other."""
    if not any(matches(text, kernel.release) for _, text in document.strings("kernels")):
        yield Fault(
            _WHERE,
            f"{kernel.release} is not one of the kernels that this patch is for",
            "add it, or choose another with --kernel",
        )


@rule(needs=ENVIRONMENT, sources=(15,))
def kernel_can_be_live_patched(
    document: Document, kernel: Kernel, config: KernelConfig
) -> Iterator[Fault]:
    """The options that the kernel's live patching requires are on.

    kernel/livepatch/Kconfig: LIVEPATCH depends on MODULES, SYSFS, KALLSYMS_ALL, on one of
    DYNAMIC_FTRACE_WITH_REGS and _WITH_ARGS, and on TRIM_UNUSED_KSYMS being off.
    """
    lacking = [f"CONFIG_{name}" for name in abi.LIVEPATCH_CONFIG if not config.is_on(name)]
    if lacking:
        yield _unfit(kernel, f"is built without {', '.join(lacking)}")
    if not any(config.is_on(name) for name in abi.LIVEPATCH_FTRACE):
        wanted = " and ".join(f"CONFIG_{name}" for name in abi.LIVEPATCH_FTRACE)
        yield _unfit(kernel, f"is built without {wanted}")
    if config.is_on("TRIM_UNUSED_KSYMS"):
        yield _unfit(kernel, "is built with CONFIG_TRIM_UNUSED_KSYMS")


def _unfit(kernel: Kernel, message: str) -> Fault:
    return Fault(
        _WHERE,
        f"kernel {kernel.release} {message}",
        f"its configuration is {kernel.config}; such a kernel cannot be live patched",
    )


@rule(needs=ENVIRONMENT, sources=(19,))
def kernel_is_new_enough(
    document: Document, kernel: Kernel, config: KernelConfig
) -> Iterator[Fault]:
    """klp_state, which each module of lppack declares, is there since 5.5.

    Commit 73727f4dafa7 ("livepatch: Basic API to track system state changes") (in v5.5). The
    per-task model is older (4.12), and so are shadow variables (4.15) and replace (5.1).
    """
    found = re.match(r"(\d+)\.(\d+)", kernel.release)
    if found and (int(found[1]), int(found[2])) < abi.OLDEST_KERNEL:
        wanted = ".".join(map(str, abi.OLDEST_KERNEL))
        yield Fault(_WHERE, f"kernel {kernel.release} is older than {wanted}")


@rule(needs=ENVIRONMENT, sources=(17,))
def compiler_is_gcc(document: Document, kernel: Kernel, config: KernelConfig) -> Iterator[Fault]:
    """The kernel was built by gcc; its own compiler is what lppack then calls.

    A module from another compiler would differ in plugins, sanitizers and calling conventions. What
    was called in the end is checked by compiler-is-the-kernels.
    """
    text = config.value("CC_VERSION_TEXT")
    if not text or "gcc" not in text.partition(" (")[0]:
        yield Fault(
            _WHERE,
            f"kernel {kernel.release} was built by {clip(text or 'an unknown compiler')}",
            "lppack builds only for kernels that gcc has built",
        )


@rule(needs=ENVIRONMENT, sources=(18,))
def headers_are_of_the_kernel(
    document: Document, kernel: Kernel, config: KernelConfig
) -> Iterator[Fault]:
    """UTS_RELEASE of the headers is the release, with nothing appended.

    include/linux/vermagic.h builds the module's vermagic from it, which the kernel compares
    (check_modinfo(), kernel/module/main.c). Debian's include/config/kernel.release has another
    name in it, and is ignored.
    """
    try:
        text = (kernel.headers / "include/generated/utsrelease.h").read_text(errors="replace")
    except OSError:
        return  # headers that are not there, or not whole: the builder says so
    found = re.search(r'#define UTS_RELEASE "(.*)"', text)
    said = found[1] if found else "an unknown kernel"
    if said != kernel.release:
        yield Fault(
            _WHERE,
            f"the headers in {kernel.headers} are of {ascii(said)[1:-1]}, not {kernel.release}",
            "take the headers of that very package",
        )


@rule(needs=CONFIG, level=Level.WARNING, sources=(15,))
def stacks_are_reliable(
    document: Document, kernel: Kernel, config: KernelConfig
) -> Iterator[Fault]:
    """Without reliable stacks a sleeping thread is never seen to have left.

    klp_have_reliable_stack(), include/linux/livepatch.h: CONFIG_STACKTRACE and
    CONFIG_HAVE_RELIABLE_STACKTRACE. Kernel threads would then never switch.
    """
    lacking = [name for name in abi.RELIABLE_STACKS if not config.is_on(name)]
    if lacking:
        yield Fault(
            _WHERE,
            f"kernel {kernel.release} has no {' and '.join(f'CONFIG_{name}' for name in lacking)}: "
            "the transition may never complete",
        )


@rule(needs=CONFIG, level=Level.WARNING, sources=(16,))
def layouts_are_not_shuffled(
    document: Document, kernel: Kernel, config: KernelConfig
) -> Iterator[Fault]:
    """With CONFIG_RANDSTRUCT the seed of the kernel's build must be at hand.

    security/Kconfig.hardening: the order of members depends on it. A module from another seed is
    refused for its vermagic (include/linux/vermagic.h). The other options that rule 16 gathers only
    affect modules that are made of compared object files; kbuild makes lppack's from source.
    """
    if config.is_on("RANDSTRUCT") or config.is_on("GCC_PLUGIN_RANDSTRUCT"):
        yield Fault(
            _WHERE, f"structures of {kernel.release} are shuffled: its headers must hold the seed"
        )


@rule(needs=CONFIG, level=Level.WARNING, sources=(21,))
def symbols_have_checksums(
    document: Document, kernel: Kernel, config: KernelConfig
) -> Iterator[Fault]:
    """Without CONFIG_MODVERSIONS a symbol that changed its type goes unseen.

    check_version(), kernel/module/version.c, compares checksums where there are any.
    """
    if not config.is_on("MODVERSIONS"):
        yield Fault(_WHERE, f"kernel {kernel.release} is built without CONFIG_MODVERSIONS")


@rule(needs=CONFIG)
def interrupts_are_not_threads(
    document: Document, kernel: Kernel, config: KernelConfig
) -> Iterator[Fault]:
    """A transform of `context` softirq or irq needs a kernel without CONFIG_PREEMPT_RT.

    There spin_lock() sleeps (include/linux/spinlock_rt.h), so it cannot be taken with interrupts
    off; and a thread that frees an instance would spin for a thread that may be preempted.
    """
    if not config.is_on("PREEMPT_RT"):
        return
    for pointer, entry in document.mappings("transforms"):
        if entry.get("context") in ("softirq", "irq"):
            yield Fault(
                (*pointer, "context"),
                f"{kernel.release} has CONFIG_PREEMPT_RT: its spinlocks sleep",
                "choose a kernel without it",
            )


@rule(needs=CONFIG)
def stop_finds_no_lock_held(
    document: Document, kernel: Kernel, config: KernelConfig
) -> Iterator[Fault]:
    """TRANSFORM_WORLD needs a kernel without CONFIG_PREEMPT_RT.

    There a thread that holds a spinlock may be preempted (include/linux/spinlock_rt.h), so a stop
    may find data half changed.
    """
    flags = dict((flag, pointer) for pointer, flag in document.strings("needs"))
    if config.is_on("PREEMPT_RT") and "TRANSFORM_WORLD" in flags:
        yield Fault(
            flags["TRANSFORM_WORLD"],
            f"{kernel.release} has CONFIG_PREEMPT_RT: in a stop a thread may hold a spinlock",
            "choose a kernel without it",
        )


@rule(needs=CONFIG, level=Level.WARNING)
def included_headers_are_there(
    document: Document, kernel: Kernel, config: KernelConfig
) -> Iterator[Fault]:
    """What a source includes in quotes is in the patch, or in the kernel's headers (warning).

    A private header of the kernel, as "net/8021q/vlan.h", is in no package of headers: the folders
    under `kernel_headers` are taken from the source package. A warning, because what stands
    between #if and #endif may never be compiled.
    """
    packages = [*kernel.root.glob("usr/src/linux-headers-*/")]
    private = {folder for _, folder in document.strings("kernel_headers")}
    for file, token, name in quoted_includes(document):
        folder = name.rpartition("/")[0]
        beside = (Path(file.shown).parent / name, document.folder / name)
        if name in GENERATED or folder in private or any(path.exists() for path in beside):
            continue
        if packages and not any((top / of / name).exists() for top in packages for of in _INCLUDE):
            yield at(
                file,
                token,
                f'"{safe(name)}" is in no folder of the patch or of {kernel.release}\'s headers',
                f"a private header of the kernel: kernel_headers: [{safe(folder) or 'FOLDER'}]",
            )


@rule(needs=CONFIG, level=Level.WARNING)
def threads_are_not_preempted_in_kernel_code(
    document: Document, kernel: Kernel, config: KernelConfig
) -> Iterator[Fault]:
    """Where kernel code is preempted, the kernel's own engine may mix functions (warning).

    It takes a thread for outside by the return addresses on its stack (klp_check_stack_func(),
    kernel/livepatch/transition.c, v7.2). A thread that is preempted in the ftrace call of an old
    function has the new one's address in its saved registers alone: after a revert, or after
    another live patch was enabled above, it runs a function of the one patch, and then one of the
    other. The first patching is not concerned, nor is a patch of one function. Measured on 7.2.12,
    which preempts by default, and on 6.12.117 booted with preempt=full. lppack's own engine counts
    such a thread as inside: `--engine auto` chooses that engine there, if it knows the kernel.
    Simulate it: lppack simulate PATCH --preempted.
    """
    preempts = ("PREEMPT_LAZY", "PREEMPT", "PREEMPT_RT")
    option = next((name for name in preempts if config.is_on(name)), None)
    function_alone = any(text == "LEAVE_FUNCTION" for _, text in document.strings("needs"))
    if option and not function_alone and len(list(patched_functions(document))) > 1:
        yield Fault(
            ("needs",),
            f"{kernel.release} has CONFIG_{option}: while the kernel's own engine reverts the "
            "patch, or enables another above it, a thread may call an old function from a new one",
            "let no function of the patch depend on another, or revert by a reboot; see: lppack "
            "simulate --preempted",
        )


#: Where the compiler looks, in a package of headers: LINUXINCLUDE, Makefile and arch/x86/Makefile.
_INCLUDE = tuple(
    f"{top}include{kind}"
    for top in ("", "arch/x86/")
    for kind in ("", "/generated", "/uapi", "/generated/uapi")
)
