# SPDX-License-Identifier: MIT
"""Turn a bundle into a distribution's package."""

from pathlib import Path

from lppack import store


def package_bundle(
    path: Path,
    format_: str,
    out: Path,
    *,
    maintainer: str | None,
    irreversible: bool,
    signers: Path | None,
) -> Path:
    """Make a package from a bundle that `apply` would accept; return the package's file.

    Raise NotTrusted, BadBundle, ApplyRefused (irreversible), EnvironmentMissing, BuildFailed.
    """
    from lppack.pipeline.operate import check_bundle
    from lppack.stages.agreement import manifest_of
    from lppack.stages.apply import refuse_irreversible
    from lppack.stages.package import Format, pack, package_of

    checked = check_bundle(path, signers, manifest=True)
    refuse_irreversible(checked.bundle, allowed=irreversible)
    manifest = manifest_of(checked.files)
    package = package_of(checked.bundle, manifest, checked.files, maintainer=maintainer)
    with store.scratch() as work:
        return pack(package, Format(format_), work, out)
