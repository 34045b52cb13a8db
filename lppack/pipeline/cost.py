# SPDX-License-Identifier: MIT
"""The cost of a patch for a host, before it is applied there."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lppack.cost.calls import CallRates
    from lppack.cost.price import Price
    from lppack.model import Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCalls:
    """Calls that were counted on a host, and the speed of its CPU."""

    calls: Sequence[Path] = ()  # files that count them
    seconds: float | None = None
    cpi: float | None = None
    ghz: float | None = None

    def rates(self) -> "CallRates | None":
        """Read the files. Raise ManifestError."""
        from lppack.cost.calls import call_rates

        return call_rates(self.calls, self.seconds) if self.calls else None


def price_bundle(path: Path, host: HostCalls, *, kernel: str | None) -> "Price":
    """Price the functions of a bundle. Raise BadBundle, ManifestError, EnvironmentMissing."""
    from lppack.cost.price import price_of
    from lppack.stages.bundle import read

    bundle = read(path)
    return price_of(
        bundle.functions,
        kernel or bundle.release,
        host.rates(),
        cycles_per_instruction=host.cpi,
        ghz=host.ghz,
        own=f"{bundle.engine} {bundle.mode}",
    )


def price_manifest(manifest: "Manifest", host: HostCalls) -> "tuple[Price, ...]":
    """Price a patch for each kernel that it names, if a kernel of that series was measured.

    Raise ManifestError.
    """
    from lppack.cost.measured import MEASURED, measured_for, series_of
    from lppack.cost.price import price_of

    known = {one.series for one in MEASURED}
    kernels = [name for name in manifest.kernels if series_of(name) in known]
    releases = [measured_for(name).release if "*" in name else name for name in kernels]
    functions = [(o.name or "vmlinux", f.old) for o in manifest.objects for f in o.functions]
    rates = host.rates()
    return tuple(
        price_of(functions, release, rates, cycles_per_instruction=host.cpi, ghz=host.ghz)
        for release in dict.fromkeys(releases)
    )
