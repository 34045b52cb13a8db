# SPDX-License-Identifier: MIT
"""What an operator can do about threads that block a transition."""

from collections.abc import Iterable

from lppack.engines.protocol import Blocker


def advice(blockers: Iterable[Blocker]) -> str:
    """Return advice for each kind of blocker, with the names of the processes."""
    kinds: dict[str, list[str]] = {}
    for blocker in blockers:
        who = f"{blocker.comm} (pid {blocker.pid})"
        named = kinds.setdefault(_way_out(blocker), [])
        if who not in named:
            named.append(who)
    sentences = (
        f"{', '.join(who[:3])}{f' and {len(who) - 3} more' if len(who) > 3 else ''}: {way_out}"
        for way_out, who in kinds.items()
    )
    text = "; ".join(sentences) or "wait: the kernel checks every thread about once a second"
    return f"{text}; {_NOT_THESE}" if any(_ends(way_out) for way_out in kinds) else text


#: Advice for init and kernel threads, which must not be restarted or ended.
_NOT_THESE = "init and kernel threads can be neither ended nor restarted: wait, or revert the patch"


def _ends(way_out: str) -> bool:
    return "restart it" in way_out or "end it" in way_out


def _way_out(blocker: Blocker) -> str:
    inside = blocker.function
    if inside and blocker.reason.startswith("sleeps"):
        return (
            f"sleeps inside {inside}: cause the event that it waits for, or restart it; "
            "after 15 s the kernel wakes threads that can be woken"
        )
    if inside and blocker.reason.startswith("runs"):
        return f"runs inside {inside}: wait; if it stays there, end it"
    if inside:
        return f"has to leave {inside}: cause the event that it waits for, or restart it"
    if blocker.reason.startswith("runs"):
        return "runs in user space: it switches at its next system call or sleep"
    return (
        "was not checked yet: wait a few seconds; if it still blocks then, report it "
        "to the patch's author"
    )
