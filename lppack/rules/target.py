# SPDX-License-Identifier: MIT
"""Rules of the target kernel: its release, configuration, compiler and headers."""

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
    """Return True if ``pattern`` matches ``release``; a ``*`` matches no dash."""
    wanted, given = pattern.split("-"), release.split("-")
    return len(wanted) == len(given) and all(
        fnmatch.fnmatchcase(field, part) for part, field in zip(wanted, given, strict=True)
    )


@rule(needs=CONFIG)
def kernel_is_named(document: Document, kernel: Kernel, config: KernelConfig) -> Iterator[Fault]:
    """A patch is built only for kernels that its manifest names."""
    if not any(matches(text, kernel.release) for _, text in document.strings("kernels")):
        yield Fault(
            _WHERE,
            f"{kernel.release} is none of the kernels that the manifest names",
            "add it, or choose another with --kernel",
        )


@rule(needs=ENVIRONMENT, sources=(15,))
def kernel_can_be_live_patched(
    document: Document, kernel: Kernel, config: KernelConfig
) -> Iterator[Fault]:
    """The kernel has the options that livepatch requires.

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
    """The kernel is 5.5 or later, because each module of lppack declares a klp_state.

    Commit 73727f4dafa7 ("livepatch: Basic API to track system state changes") (in v5.5). The
    per-task model is older (4.12), and so are shadow variables (4.15) and replace (5.1).
    """
    found = re.match(r"(\d+)\.(\d+)", kernel.release)
    if found and (int(found[1]), int(found[2])) < abi.OLDEST_KERNEL:
        wanted = ".".join(map(str, abi.OLDEST_KERNEL))
        yield Fault(_WHERE, f"kernel {kernel.release} is older than {wanted}")


@rule(needs=ENVIRONMENT, sources=(17,))
def compiler_is_gcc(document: Document, kernel: Kernel, config: KernelConfig) -> Iterator[Fault]:
    """The kernel was built with gcc; lppack uses the same compiler.

    A module from another compiler would differ in plugins, sanitizers and calling conventions. The
    rule compiler-is-the-kernels checks which compiler was really used.
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
    (check_modinfo(), kernel/module/main.c). Debian's include/config/kernel.release contains another
    name, and is ignored.
    """
    try:
        text = (kernel.headers / "include/generated/utsrelease.h").read_text(errors="replace")
    except OSError:
        return  # the builder reports headers that are missing or incomplete
    found = re.search(r'#define UTS_RELEASE "(.*)"', text)
    said = found[1] if found else "an unknown kernel"
    if said != kernel.release:
        yield Fault(
            _WHERE,
            f"the headers in {kernel.headers} are of {ascii(said)[1:-1]}, not {kernel.release}",
            "use the headers of the same kernel package",
        )


@rule(needs=CONFIG, level=Level.WARNING, sources=(15,))
def stacks_are_reliable(
    document: Document, kernel: Kernel, config: KernelConfig
) -> Iterator[Fault]:
    """The kernel has reliable stacks. Otherwise no sleeping thread is seen to leave.

    klp_have_reliable_stack(), include/linux/livepatch.h: CONFIG_STACKTRACE and
    CONFIG_HAVE_RELIABLE_STACKTRACE. Without them, kernel threads would never switch.
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
    """With CONFIG_RANDSTRUCT, the seed of the kernel's build must be available.

    security/Kconfig.hardening: the order of members depends on the seed. The kernel refuses a
    module from another seed because of its vermagic (include/linux/vermagic.h). The other options
    of rule 16 affect only modules that are made from compared object files. kbuild compiles
    lppack's module from source.
    """
    if config.is_on("RANDSTRUCT") or config.is_on("GCC_PLUGIN_RANDSTRUCT"):
        yield Fault(
            _WHERE, f"{kernel.release} has CONFIG_RANDSTRUCT: its headers must contain the seed"
        )


@rule(needs=CONFIG, level=Level.WARNING, sources=(21,))
def symbols_have_checksums(
    document: Document, kernel: Kernel, config: KernelConfig
) -> Iterator[Fault]:
    """The kernel has CONFIG_MODVERSIONS. Otherwise a changed type is not detected.

    check_version(), kernel/module/version.c, compares a symbol's checksum if there is one.
    """
    if not config.is_on("MODVERSIONS"):
        yield Fault(_WHERE, f"kernel {kernel.release} is built without CONFIG_MODVERSIONS")


@rule(needs=CONFIG)
def interrupts_are_not_threads(
    document: Document, kernel: Kernel, config: KernelConfig
) -> Iterator[Fault]:
    """A transform of `context` softirq or irq needs a kernel without CONFIG_PREEMPT_RT.

    With that option spin_lock() sleeps (include/linux/spinlock_rt.h), so it cannot be taken with
    interrupts off. A thread that frees an instance would also spin for a thread that may be
    preempted.
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

    With that option a thread that holds a spinlock may be preempted (include/linux/spinlock_rt.h),
    so a stop may find data that is half changed.
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
    """A file that a source includes in quotes is in the patch, or in the kernel's headers
    (warning).

    No headers package contains a private header of the kernel, such as "net/8021q/vlan.h". lppack
    takes the folders under `kernel_headers` from the source package. This is a warning, because
    code between #if and #endif may never be compiled.
    """
    packages = [*kernel.root.glob("usr/src/linux-headers-*/")]
    private = {folder for _, folder in document.strings("kernel_headers")}
    for file, token, name in quoted_includes(document):
        folder = name.rpartition("/")[0].removeprefix("kernel_headers/")  # where they are put
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
    """The kernel does not preempt kernel code, if the livepatch engine is used (warning).

    The livepatch engine decides by the return addresses on a stack whether a thread is outside of
    the patch (klp_check_stack_func(), kernel/livepatch/transition.c, v7.2). A thread may be
    preempted in the ftrace call of an old function. Then only its saved registers contain the
    address of the new function. After a revert, or after another live patch was enabled above, it
    runs functions of both patches. The first patch of a function is not affected, and neither is a
    patch of one function. Measured on 7.2.12, which preempts by default, and on 6.12.117 booted
    with preempt=full. lppack's own engine counts such a thread as inside; `--engine consistency`
    selects it, if it supports the kernel. To simulate this: lppack simulate PATCH --preempted.
    """
    preempts = ("PREEMPT_LAZY", "PREEMPT", "PREEMPT_RT")
    option = next((name for name in preempts if config.is_on(name)), None)
    function_alone = any(text == "LEAVE_FUNCTION" for _, text in document.strings("needs"))
    if option and not function_alone and len(list(patched_functions(document))) > 1:
        yield Fault(
            ("needs",),
            f"{kernel.release} has CONFIG_{option}: while the livepatch engine reverts the "
            "patch, or enables another above it, a new function may call an old one",
            "make the functions of the patch independent of each other, use --engine consistency, "
            "or revert by a reboot; see: lppack simulate --preempted",
        )


#: Include folders in a headers package: LINUXINCLUDE, Makefile and arch/x86/Makefile.
_INCLUDE = tuple(
    f"{top}include{kind}"
    for top in ("", "arch/x86/")
    for kind in ("", "/generated", "/uapi", "/generated/uapi")
)
