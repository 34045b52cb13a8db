# SPDX-License-Identifier: MIT
"""rollout: which hosts of a fleet finish a transition, when, and in which order to patch them.

The input is a folder that has one folder for each host, with what was gathered on that host:
`status.json`, which `lppack status --format json` prints, `stacks.folded` and FUNCTION.hist, as
`simulate --sample` takes them.
"""

import errno
import hashlib
import ipaddress
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lppack.abi import PatchPhase
from lppack.analyse.sample import sample
from lppack.consistency import ModeName
from lppack.errors import EnvironmentMissing, LppackError
from lppack.forecast.predict import Prediction
from lppack.forecast.stacks import SIZE_MAX
from lppack.model import Bundle, Manifest, Workload
from lppack.shape import fits, read_json

STATUS, STACKS, HISTOGRAM = "status.json", "stacks.folded", ".hist"
_STATUS_MAX = 4 << 20
_HOSTS_MAX = 20_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")
#: Groups that every inventory of Ansible has.
_GROUPS = ("all", "ungrouped")
_TEXT = str | None
_SHAPE = {
    "kernel": str,
    "patches": [{"series": _TEXT, "version": int | None, "phase": str, "module": str}],
}
#: Verdicts, in the order in which to patch hosts; hosts with another verdict are left out.
ORDER = ("live", "finishes", "may-stall", "not-known")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostForecast:
    """The forecast for one host."""

    host: str
    kernel: str | None  # None: its status cannot be read
    bundle: str | None  # the file for its kernel; None: there is none
    verdict: str  # one of ORDER; never-finishes; no-bundle
    why: str | None = None  # the verdict is not-known
    mode: ModeName | None = None
    prediction: Prediction | None = None

    @property
    def seconds(self) -> float:
        """Seconds until 9 of 10 transitions are done; infinity: not known, or beyond the limit."""
        times = dict(self.prediction.times) if self.prediction else {}
        return times["p90"].value if "p90" in times else math.inf

    @property
    def stall(self) -> float:
        """The probability that it does not finish in time; if not known, its upper bound."""
        if self.prediction is None:
            return 0.0 if self.verdict == "live" else 1.0
        value = self.prediction.stall.value
        return self.prediction.stall.high if math.isnan(value) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class HostClass:
    """Hosts with one kernel and one bundle."""

    kernel: str | None
    bundle: str | None
    hosts: tuple[HostForecast, ...]

    @property
    def seconds(self) -> float | None:
        """Seconds until the slowest host that finishes is done, 9 times of 10; None: not known."""
        found = [host.seconds for host in self.hosts if host.verdict == "finishes"]
        longest = max(found, default=math.inf)
        return longest if math.isfinite(longest) else None

    @property
    def stalls(self) -> tuple[str, ...]:
        return tuple(h.host for h in self.hosts if h.verdict in ("may-stall", "never-finishes"))


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutPlan:
    """A fleet by class, and the order in which to patch its hosts."""

    classes: tuple[HostClass, ...]

    @property
    def order(self) -> tuple[str, ...]:
        """The hosts to patch: by verdict, and those that finish soonest first."""
        hosts = [host for of in self.classes for host in of.hosts if host.verdict in ORDER]
        hosts.sort(key=lambda h: (ORDER.index(h.verdict), h.seconds, h.stall, h.host))
        return tuple(host.host for host in hosts)

    @property
    def left_out(self) -> tuple[str, ...]:
        """The hosts not to patch: they never finish, or have no bundle."""
        return tuple(h.host for of in self.classes for h in of.hosts if h.verdict not in ORDER)


def plan_rollout(
    folder: Path,
    bundles: Sequence[tuple[Bundle, Manifest]],
    *,
    watched: float | None,
    limit: float,
    seed: int,
) -> RolloutPlan:
    """Predict the transition of each host of ``folder``.

    ``watched``: seconds for which the stacks were gathered; None: not given. ``limit``: seconds
    until a transition is given up. Raise EnvironmentMissing if the folder cannot be read or has no
    hosts, or if two bundles are for one kernel.
    """
    by_kernel: dict[str, tuple[Bundle, Manifest]] = {}
    for bundle, manifest in bundles:
        if (other := by_kernel.setdefault(bundle.release, (bundle, manifest))[0]) is not bundle:
            raise EnvironmentMissing(
                f"{other.path} and {bundle.path} are both for kernel {bundle.release}",
                hint="plan one roll-out at a time",
            )
    kept: dict[object, Prediction | LppackError] = {}
    found: dict[tuple[str | None, str | None], list[HostForecast]] = {}
    for host in _hosts(folder):
        made = _forecast(host, by_kernel, kept, watched=watched, limit=limit, seed=seed)
        found.setdefault((made.kernel, made.bundle), []).append(made)
    return RolloutPlan(
        classes=tuple(
            HostClass(kernel=kernel, bundle=bundle, hosts=tuple(hosts))
            for (kernel, bundle), hosts in sorted(found.items(), key=lambda pair: str(pair[0]))
        )
    )


def _hosts(folder: Path) -> list[Path]:
    try:
        names = sorted(entry for entry in folder.iterdir() if entry.is_dir())
    except OSError as error:
        raise EnvironmentMissing(
            f"{folder} cannot be read: {error.strerror}", hint="give a folder of hosts"
        ) from None
    wrong = [entry.name for entry in names if not _is_host(entry.name)]
    if wrong:
        raise EnvironmentMissing(
            f"{folder} has a folder {ascii(wrong[0])}, which is not a host name",
            hint="name each folder after one host, as the inventory does; for a port, use "
            "ansible_port there",
        )
    if not names or len(names) > _HOSTS_MAX:
        raise EnvironmentMissing(
            f"{folder} has {len(names)} folders of hosts",
            hint=f"gather {STATUS} and {STACKS} of each host into a folder with its name",
        )
    return names


def _is_host(name: str) -> bool:
    """Return True if Ansible takes ``name`` for one host: no pattern, and no group of all."""
    try:
        return bool(ipaddress.IPv6Address(name)) and "%" not in name
    except ValueError:
        return bool(_NAME.fullmatch(name)) and name not in _GROUPS


def _forecast(
    host: Path,
    bundles: Mapping[str, tuple[Bundle, Manifest]],
    kept: dict[object, Prediction | LppackError],
    *,
    watched: float | None,
    limit: float,
    seed: int,
) -> HostForecast:
    try:
        said = _status(host / STATUS)
    except (OSError, ValueError) as error:
        why = f"{STATUS}: {getattr(error, 'strerror', None) or 'is not what lppack status prints'}"
        return HostForecast(host=host.name, kernel=None, bundle=None, verdict="not-known", why=why)
    kernel = str(said["kernel"])
    if kernel not in bundles:
        return HostForecast(host=host.name, kernel=kernel, bundle=None, verdict="no-bundle")
    bundle, manifest = bundles[kernel]
    base = HostForecast(host=host.name, kernel=kernel, bundle=bundle.path.name, verdict="not-known")
    if _is_live(said, bundle):
        return replace(base, verdict="live")
    files = [host / STACKS, *sorted(host.glob(f"*{HISTOGRAM}"))]
    if not files[0].exists():
        return replace(base, why=f"there is no {STACKS}")
    try:
        key = (kernel, *((file.name, _digest(file)) for file in files if file.is_file()))
    except OSError as error:
        return replace(base, why=f"{error.filename or STACKS}: {error.strerror}")
    if key not in kept:
        kept[key] = _predict(bundle, manifest, files, watched=watched, limit=limit, seed=seed)
    made = kept[key]
    if isinstance(made, LppackError):
        return replace(base, why=made.message.splitlines()[0])
    return replace(base, verdict=made.verdict, mode=bundle.mode, prediction=made)


def _predict(
    bundle: Bundle,
    manifest: Manifest,
    files: Sequence[Path],
    *,
    watched: float | None,
    limit: float,
    seed: int,
) -> Prediction | LppackError:
    try:
        [made] = sample(
            manifest,
            [bundle.mode],
            stacks=files[0],
            watched=watched,
            histograms=[(file.name.removesuffix(HISTOGRAM), file) for file in files[1:]],
            limit=limit,
            seed=seed,
        )
        return made.prediction
    except LppackError as error:
        return error


def without_files(manifest: Manifest) -> Manifest:
    """Return a bundle's manifest without the workload's files, which a bundle does not have."""
    workload = manifest.workload or Workload()
    visits = tuple(one for one in workload.visits if one.histogram is None)
    return replace(manifest, workload=replace(workload, stacks=None, watched=None, visits=visits))


def _digest(file: Path) -> bytes:
    """Return the SHA-256 of a file. Raise OSError, also for one too large to be stacks."""
    if file.stat().st_size > SIZE_MAX:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), file.name)
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").digest()


def _status(file: Path) -> dict[str, Any]:
    """Return what `lppack status` printed. Raise OSError, ValueError or RecursionError."""
    if not file.is_file() or file.stat().st_size > _STATUS_MAX:
        file.stat()  # raises an OSError that says what is wrong, if it is not there
        raise ValueError
    said = read_json(file.read_bytes(), clean=False)
    if not fits(said, _SHAPE) or not {"kernel", "patches"} <= said.keys():
        raise ValueError
    if not said["kernel"].isprintable():
        raise ValueError
    found: dict[str, Any] = said
    return found


def _is_live(said: Mapping[str, Any], bundle: Bundle) -> bool:
    return any(
        patch.get("series") == bundle.series
        and (patch.get("version") or 0) >= bundle.version
        and patch.get("phase") == PatchPhase.PATCHED
        for patch in said["patches"]
    )
