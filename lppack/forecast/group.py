# SPDX-License-Identifier: MIT
"""Groups of similar threads, with the uncertainty of their observation.

How well a share is known depends on how many visits were seen, not on how many samples: a thousand
samples of one long sleep are one observation. If few or no visits were observed, the distribution
of their lengths is chosen at random from several families of distributions.
"""

import functools
import math
from dataclasses import dataclass, replace

import numpy as np

from lppack.forecast.lengths import Floats, Lengths, exponential, fixed, lognormal
from lppack.forecast.sampler import Load, SampledHook


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Visits of the threads of one group to one function."""

    function: str
    inside: float  # share of the time of one thread
    samples: float  # number of samples behind the share; infinite: not sampled
    visits: float | None  # number of observed visits; None: not counted
    lengths: Lengths | None  # None: nothing is known
    histogram: bool = False  # the lengths come from observed visits


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group of similar threads."""

    comm: str
    kthread: bool
    threads: int
    watched: float | None  # seconds; None: not given
    parts: tuple[Part, ...]
    stuck: bool = False  # inside all the time, without a visit that ended
    spread: float | None = None  # variance of the share from thread to thread; None: not known

    @property
    def inside(self) -> float:
        return min(1.0, sum(part.inside for part in self.parts))

    @property
    def timeless(self) -> bool:
        """Return True if the length of its visits is unknown."""
        return not self.stuck and any(p.lengths is None and p.inside > 0 for p in self.parts)

    def load(self, hook: SampledHook, dice: np.random.Generator | None = None) -> Load:
        """Return the best estimate; with ``dice``, a random one that fits the observations."""
        if self.stuck:
            return self._stuck(hook, dice)
        gap = _gap(dice)
        parts = [part if dice is None else _drawn(self, part, gap, dice) for part in self.parts]
        parts = [part for part in parts if part.inside > 0 and part.lengths]
        inside = min(sum(part.inside for part in parts), 1 - 1e-9)
        if not parts or inside <= 0:
            return Load(threads=self.threads, inside=0.0, visits=None, gaps=None, hook=hook)
        rates = [(p.inside / p.lengths.mean, p.lengths) for p in parts if p.lengths]
        visits = rates[0][1] if len(rates) == 1 else Lengths.mixed(rates)
        return Load(
            threads=self.threads,
            inside=inside,
            visits=visits,
            gaps=gap.scaled(visits.mean * (1 - inside) / inside),
            hook=hook,
        )

    def drawn_inside(self, dice: np.random.Generator) -> float:
        """Return a random share of time inside that fits the observations."""
        gap = _gap(dice)
        return sum(_drawn_share(self, part, part.lengths, gap, dice) for part in self.parts)

    def leaving(self, dice: np.random.Generator) -> float:
        """Draw how many visits end in a second, for threads of which none did in ``watched``
        seconds, from what that leaves open (Jeffreys' prior); infinite if that time is unknown."""
        return dice.gamma(0.5) / self.watched if self.watched else math.inf

    def _stuck(self, hook: SampledHook, dice: np.random.Generator | None) -> Load:
        visits = None
        if dice is not None and self.watched:
            visits = exponential(1 / max(self.leaving(dice), 1e-12))
        return Load(threads=self.threads, inside=1.0, visits=visits, gaps=None, hook=hook)


@functools.cache
def _families() -> tuple[Lengths, ...]:
    return exponential(1.0), lognormal(1.0, 0.4), lognormal(1.0, 1.3)


def _gap(dice: np.random.Generator | None) -> Lengths:
    families = _families()
    return families[0] if dice is None else families[dice.integers(len(families))]


def _drawn(group: Group, part: Part, gap: Lengths, dice: np.random.Generator) -> Part:
    lengths = part.lengths
    if lengths and part.histogram and part.visits:
        # Gamma(n) for n visits in a bucket: the Bayesian bootstrap.
        counts = lengths.weight * part.visits
        pieces = max(1, round(len(counts) / 8))
        # The position of a visit in its bucket is not known; it is more likely near one end.
        weight = np.concatenate(
            [_tilted(c, dice) * _noise(c.sum(), dice) for c in np.array_split(counts, pieces)]
        )
        lengths = Lengths(lengths.low, lengths.high, weight)
    elif lengths:
        mean = lengths.mean
        choices = (fixed(mean), exponential(mean), lognormal(mean, 1.0), lognormal(mean, 1.7))
        lengths = choices[dice.integers(len(choices))]
    return replace(part, lengths=lengths, inside=_drawn_share(group, part, lengths, gap, dice))


def _tilted(counts: Floats, dice: np.random.Generator) -> Floats:
    """Return the same number of visits in a bucket, otherwise spread."""
    tilt = counts * np.exp(dice.normal() * np.linspace(-1, 1, len(counts)))
    return tilt * (counts.sum() / tilt.sum()) if counts.any() else counts


def _noise(count: float, dice: np.random.Generator) -> float:
    return float(dice.gamma(count + 0.5)) / count if count else 1.0


def _drawn_share(
    group: Group, part: Part, lengths: Lengths | None, gap: Lengths, dice: np.random.Generator
) -> float:
    p = part.inside
    if p <= 0:
        return float(dice.beta(0.5, part.samples + 0.5)) if math.isfinite(part.samples) else 0.0
    if p >= 1:
        return p
    variance = p * (1 - p) / part.samples
    if part.visits is not None:
        # Of a sum of visits over a sum of visits and gaps (renewal theory, delta method).
        varies = (lengths.variation if lengths else 1.0) + gap.variation
        variance += p**2 * (1 - p) ** 2 * varies / max(part.visits, 1.0)
    elif group.spread is None:
        variance += 2 * p**2 * (1 - p) ** 2 / group.threads  # at least one visit of each
    if group.spread is not None:
        variance = max(variance, group.spread / group.threads)
    certain = max(p * (1 - p) / variance - 1, 1.0) if variance > 0 else math.inf
    return float(dice.beta(p * certain, (1 - p) * certain)) if math.isfinite(certain) else p
