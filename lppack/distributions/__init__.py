# SPDX-License-Identifier: MIT
"""Where kernels come from; open_distribution() is the one place that chooses."""

from collections.abc import Callable, Mapping

from lppack.distributions.protocol import Distribution


def open_distribution(name: str = "debian") -> Distribution:
    """Return the distribution ``name``. Raise KeyError if there is none."""
    return DISTRIBUTIONS[name]()


def _debian() -> Distribution:
    from lppack.debian.distribution import Debian

    return Debian()


DISTRIBUTIONS: Mapping[str, Callable[[], Distribution]] = {"debian": _debian}
