# SPDX-License-Identifier: MIT
"""Exact times of a model that can be solved: docs/semantics.md, C31 and L8.

N threads are each inside for a share p of their time; times inside and outside are exponential,
and the unit is the mean time inside. A unit flips at the instant at which its count is zero.
"""


def mean_times(threads: int, share: float) -> tuple[float, float]:
    """Means of the time from apply to the end: (SWITCH_THREAD, SWITCH_KERNEL)."""
    return _by_thread(threads, share), _by_kernel(threads, share)


def _by_thread(threads: int, share: float) -> float:
    """Return the last of those that were inside at apply to leave: exponential visits have no
    memory, so that with k inside it takes 1 + 1/2 + ... + 1/k."""
    harmonic, mean, weight = 0.0, 0.0, (1 - share) ** threads
    for k in range(1, threads + 1):
        harmonic += 1 / k
        weight *= (threads - k + 1) / k * share / (1 - share)
        mean += weight * harmonic
    return mean


def _by_kernel(threads: int, share: float) -> float:
    """Return the first instant with nobody inside: a chain of births and deaths, k inside, that
    goes up at (N - k) p / (1 - p) and down at k."""
    rate = share / (1 - share)
    down = [0.0] * (threads + 2)  # mean time from k to k - 1
    for k in range(threads, 0, -1):
        up = (threads - k) * rate
        down[k] = (1 + up * down[k + 1]) / k
    mean, reach, weight = 0.0, 0.0, (1 - share) ** threads
    for k in range(1, threads + 1):
        reach += down[k]
        weight *= (threads - k + 1) / k * rate
        mean += weight * reach
    return mean
