# SPDX-License-Identifier: MIT
"""Kernel facts, each with its source; no other file writes such a literal."""

from enum import StrEnum

# Documentation/ABI/testing/sysfs-kernel-livepatch (v6.1).
LIVEPATCH = "/sys/kernel/livepatch"
# include/linux/moduleparam.h: parameters of a loaded module (v6.1).
MODULES = "/sys/module"
# kernel/sysctl.c: ftrace_enabled (v6.1); klp needs it on: livepatch.rst section 7.
FTRACE_ENABLED = "/proc/sys/kernel/ftrace_enabled"
OSRELEASE = "/proc/sys/kernel/osrelease"
# init/version.c: uts_namespace; what uname -v prints (v6.1).
VERSION = "/proc/sys/kernel/version"

# include/linux/moduleparam.h: MAX_PARAM_PREFIX_LEN and MODULE_NAME_LEN are 64 - 8 on 64 bit.
MODULE_NAME_MAX = 55
# include/linux/kallsyms.h: KSYM_NAME_LEN is 512, 128 before 6.1.
SYMBOL_NAME_MAX = 127

# kernel/livepatch/transition.c: klp_force_transition(); patch->forced itself cannot be read (v6.1).
FORCED = "livepatch: forcing remaining tasks to the patched state"

# include/linux/errno.h and the uapi headers; what the parameter `convert` answers.
EBUSY = 16

# fs/proc/base.c: proc_pid_patch_state(); -1 (KLP_UNDEFINED): no transition (v6.1).
PATCH_STATE_NONE = -1

#: Configuration without which the kernel's own engine does not exist (kernel/livepatch/Kconfig).
LIVEPATCH_CONFIG = ("LIVEPATCH", "MODULES", "KALLSYMS_ALL", "DYNAMIC_FTRACE")

# kernel/module/main.c and include/linux/license.h: license_is_gpl_compatible() (v6.1).
MODULE_LICENSES = {
    "GPL-2.0-only": "GPL v2",
    "GPL-2.0": "GPL v2",
    "GPL-2.0-or-later": "GPL",
    "GPL-2.0+": "GPL",
}


class Phase(StrEnum):
    ABSENT = "absent"
    PATCHING = "patching"
    PATCHED = "patched"
    UNPATCHING = "unpatching"
    UNPATCHED = "unpatched"  # the module is still loaded, its functions are not in use


def patch_attribute(module: str, attribute: str) -> str:
    """``enabled`` or ``transition`` of a live patch."""
    return f"{LIVEPATCH}/{module}/{attribute}"


def parameter(module: str, name: str) -> str:
    """A parameter of our glue: ``convert``, ``converted``, ``info``, ..."""
    return f"{MODULES}/{module}/parameters/{name}"


def phase_of(*, loaded: bool, enabled: bool | None, transition: bool) -> Phase:
    """Phase of a live patch; ``enabled`` is None if it has no directory under LIVEPATCH.

    kernel/livepatch/core.c: enabled_show(), transition_show(); the directory goes away when a
    disabled patch is complete (klp_free_patch_finish), the module stays (v6.1).
    """
    if enabled is None:
        return Phase.UNPATCHED if loaded else Phase.ABSENT
    if transition:
        return Phase.PATCHING if enabled else Phase.UNPATCHING
    return Phase.PATCHED if enabled else Phase.UNPATCHED
