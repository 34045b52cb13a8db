# SPDX-License-Identifier: MIT
"""A price as text."""

from collections.abc import Iterator

from lppack.cost.measured import COMMAND
from lppack.cost.price import Price

UNKNOWN = "not known"


def rate(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == 0 else f"{value:.2g}"


def amount(value: float | None) -> str:
    return UNKNOWN if value is None else rate(value)


def percent(share: float | None) -> str:
    """Return a share of one CPU as text; above 100 % it is more than one CPU."""
    if share is None:
        return UNKNOWN
    return f"{share * 100:.3g}%" if share < 9.995 else f"{share * 100:.0f}%"


def assumptions(price: Price) -> Iterator[str]:
    """Yield the assumptions behind the figures, and what they do not include."""
    where = price.measured.release
    on = f"{where} {price.measured.version}" + ("" if price.exact else f", not on {price.release}")
    yield f"instructions of a call, with a loop around it: measured on {on} ({COMMAND})"
    yield "a call costs so much while nothing moves; during a transition it may cost more"
    if price.cost:
        yield (
            f"an instruction takes {price.cost.cycles_per_instruction:.3g} cycles at "
            f"{price.cost.ghz:.3g} GHz; before and after are shares of one CPU, of the calls "
            "without the functions' own work"
        )
    elif any(one.per_second is not None for one in price.functions):
        yield (
            "share of a CPU: not known; give --cpi and --ghz, or perf stat with cpu-clock, cycles "
            "and instructions"
        )
    else:
        yield "calls a second: not known; give --calls FILE"
    missing = [one.name for one in price.uncounted]
    if 0 < len(missing) < len(price.functions):
        yield f"left out of the sums, because not counted: {', '.join(missing)}"
