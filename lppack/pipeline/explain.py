# SPDX-License-Identifier: MIT
"""Pages of `lppack explain` about rules and verdicts."""

import textwrap
from collections.abc import Iterable

from lppack import abi
from lppack.rules.registry import every


def rule_pages() -> dict[str, str]:
    """Return the page of each rule, by its id."""
    return {
        entry.id: f"{entry.id} ({entry.level}; checked {entry.asked})\n\n{entry.page}"
        for entry in every()
    }


def verdict_pages() -> dict[str, str]:
    """Return the meaning of each verdict of `simulate`."""
    return _VERDICTS


def _filled(names: Iterable[str]) -> str:
    return textwrap.fill(
        ", ".join(names), 78, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False
    )


_VERDICTS = {
    "safe": "Nothing that the needs forbid can be reached, and the transition ends if every visit\n"
    "to a replaced function does. What is assumed for that is printed first.",
    "may-stall": "Nothing forbidden can be reached, but the transition need not end: a thread may\n"
    "sleep in a replaced function for as long as it likes. Known of the kernel are\n"
    f"{_filled(abi.SLEPT_IN)}\nOthers are declared: workload: sleeps. A signal gets such a thread "
    "out, and the\nengines send one. With --sample: it may go either way within the timeout, "
    "or too\nlittle was observed to decide.",
    "never-finishes": "A replaced function is never left by some thread:\n"
    f"{_filled(abi.NEVER_LEFT)}\nReplace what it calls instead. With --sample: at least 19 of "
    "20 transitions do not\nend within the timeout, and at both ends of the interval at least half "
    "do not.\nExit code 9.",
    "unsafe": "Something that the needs forbid can be reached; the shortest run to it is printed.\n"
    "Exit code 9.",
    "finishes": "With --sample: at least 19 of 20 transitions end within the timeout, and at both\n"
    "ends of the interval at least half do.",
}
