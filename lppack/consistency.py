# SPDX-License-Identifier: MIT
"""Flags, their order, the modes, and which engine gives which mode; from the mail of 2014-11-07."""

from dataclasses import dataclass
from enum import Enum, StrEnum


class Leave(Enum):
    """The code that a thread must have left before it may switch; the weakest first."""

    LEAVE_FUNCTION = 0
    LEAVE_PATCHED_SET = 1
    LEAVE_KERNEL = 2


class Switch(Enum):
    """The unit that switches to the new universe at once; the weakest first."""

    SWITCH_FUNCTION = 0
    SWITCH_THREAD = 1
    SWITCH_KERNEL = 2


class Transform(Enum):
    """How data with a new layout or meaning is converted."""

    NONE = 0
    TRANSFORM_ON_ACCESS = 1
    TRANSFORM_WORLD = 2


class ModeName(StrEnum):
    NULL_MODEL = "null-model"
    HYBRID = "hybrid"
    KPATCH = "kpatch"
    REFCOUNT = "refcount"
    KGRAFT = "kgraft"
    CHECKPOINT = "checkpoint"


class EngineName(StrEnum):
    LIVEPATCH = "livepatch"
    CONSISTENCY = "consistency"
    SIMULATED = "simulated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """A point of the matrix that an engine can give.

    Kernel threads have no border to user space. In LEAVE_KERNEL modes they switch by a stack check,
    which gives LEAVE_PATCHED_SET; ``kthread`` is the flag that they get.
    """

    name: ModeName
    leave: Leave
    switch: Switch
    method: str
    engines: tuple[EngineName, ...]
    kthread: Leave
    summary: str

    @property
    def counts(self) -> bool:
        """True if the engine counts entries and exits; False if it checks stacks."""
        return self.method == "count"

    def covers(self, needs: "Needs") -> bool:
        """Return True if this mode gives at least what is needed, on both axes."""
        return self.leave.value >= needs.leave.value and self.switch.value >= needs.switch.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """The minimum that a patch declares."""

    leave: Leave
    switch: Switch
    transform: Transform = Transform.NONE


def _mode(
    name: ModeName,
    leave: Leave,
    switch: Switch,
    method: str,
    engines: tuple[EngineName, ...],
    summary: str,
) -> Mode:
    kthread = min(leave, Leave.LEAVE_PATCHED_SET, key=lambda flag: flag.value)
    return Mode(
        name=name,
        leave=leave,
        switch=switch,
        method=method,
        engines=engines,
        kthread=kthread,
        summary=summary,
    )


_OURS = (EngineName.CONSISTENCY,)

MODES: tuple[Mode, ...] = (
    _mode(
        ModeName.NULL_MODEL,
        Leave.LEAVE_FUNCTION,
        Switch.SWITCH_FUNCTION,
        "none",
        _OURS,
        "livepatch of 2014: every next call is new, nothing waits, universes mix",
    ),
    _mode(
        ModeName.HYBRID,
        Leave.LEAVE_PATCHED_SET,
        Switch.SWITCH_THREAD,
        "stack",
        (EngineName.LIVEPATCH, EngineName.CONSISTENCY),
        "each thread switches when no patched function is on its stack; upstream since 4.12",
    ),
    _mode(
        ModeName.KPATCH,
        Leave.LEAVE_PATCHED_SET,
        Switch.SWITCH_KERNEL,
        "stack",
        _OURS,
        "the whole kernel switches in one stop, when no stack holds a patched function",
    ),
    _mode(
        ModeName.REFCOUNT,
        Leave.LEAVE_PATCHED_SET,
        Switch.SWITCH_KERNEL,
        "count",
        _OURS,
        "the whole kernel switches when the count of entries and exits reaches zero",
    ),
    _mode(
        ModeName.KGRAFT,
        Leave.LEAVE_KERNEL,
        Switch.SWITCH_THREAD,
        "border",
        _OURS,
        "each thread switches at the border to user space",
    ),
    _mode(
        ModeName.CHECKPOINT,
        Leave.LEAVE_KERNEL,
        Switch.SWITCH_KERNEL,
        "border",
        _OURS,
        "all threads are held at the border, then the whole kernel switches",
    ),
)

#: ``auto`` takes the first of these that covers the needs; null-model and refcount must be
#: requested.
AUTO_ORDER = (ModeName.HYBRID, ModeName.KPATCH, ModeName.KGRAFT, ModeName.CHECKPOINT)

#: Engines that this version of lppack has.
AVAILABLE_ENGINES = (EngineName.LIVEPATCH, EngineName.CONSISTENCY)


def engines_of(mode: Mode) -> tuple[EngineName, ...]:
    """Return the engines that give ``mode`` in this version; `auto` takes the first."""
    return tuple(name for name in mode.engines if name in AVAILABLE_ENGINES)


def engine_for(mode: Mode, asked: str) -> EngineName | None:
    """Return the engine to use; None if ``asked`` ("auto" or an engine) does not give ``mode``."""
    able = engines_of(mode)
    return next((name for name in able if asked in ("auto", name)), None)


def mode_named(name: ModeName) -> Mode:
    return next(mode for mode in MODES if mode.name is name)


def weakest(needs: Needs) -> Mode:
    """Return the mode that ``auto`` takes for these needs; each legal pair has one."""
    return next(mode for mode in map(mode_named, AUTO_ORDER) if mode.covers(needs))


def refusal(needs: Needs) -> str | None:
    """Return why these needs contradict each other; None if they do not (semantics.md I13, I14)."""
    if needs.transform is Transform.TRANSFORM_WORLD and (
        needs.switch is not Switch.SWITCH_KERNEL or needs.leave is Leave.LEAVE_FUNCTION
    ):
        return (
            "TRANSFORM_WORLD converts all data in the stop that switches the kernel: it needs "
            "SWITCH_KERNEL, and LEAVE_PATCHED_SET or LEAVE_KERNEL"
        )
    if needs.transform is Transform.TRANSFORM_ON_ACCESS and needs.leave is Leave.LEAVE_FUNCTION:
        return (
            "TRANSFORM_ON_ACCESS excludes LEAVE_FUNCTION: old functions may still run "
            "after the switch, and would read converted data"
        )
    return None
