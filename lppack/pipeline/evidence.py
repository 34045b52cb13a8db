# SPDX-License-Identifier: MIT
"""Reports about a host: metrics, evidence for scanners, and its CVEs."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from lppack import store
from lppack.errors import EnvironmentMissing
from lppack.stages.cves import KernelReport
from lppack.stages.host_status import HostStatus

#: node_exporter reads only files with this suffix.
_SUFFIX = ".prom"


def metrics_place(file: Path) -> Path:
    """Return the path for metrics, if it can be written. Raise EnvironmentMissing."""
    if file.suffix != _SUFFIX:
        raise EnvironmentMissing(
            f"{file} does not end in {_SUFFIX}, and node_exporter would not read it",
            hint=f"give -o {file.with_suffix(_SUFFIX)}" if file.name else "give -o lppack.prom",
        )
    if not file.parent.is_dir():
        raise EnvironmentMissing(
            f"cannot write {file}: {file.parent} is not a folder",
            hint="give a file in the folder of --collector.textfile.directory",
        )
    return file


def metrics_of(found: HostStatus) -> str:
    """Return the state of a host in the format of node_exporter's textfile collector."""
    from lppack.stages.metrics import prometheus

    return prometheus(found)


def write_metrics(found: HostStatus, file: Path) -> None:
    """Replace ``file`` with the metrics, atomically. Raise EnvironmentMissing."""
    write_textfile(metrics_of(found), file)


def write_textfile(text: str, file: Path) -> None:
    """Replace ``file``, whole or not at all. Raise EnvironmentMissing."""
    try:
        store.write_atomic(metrics_place(file), text.encode())
    except OSError as error:
        raise EnvironmentMissing(
            f"{file} cannot be written: {error.strerror}",
            hint="give a file in the folder of --collector.textfile.directory",
        ) from None


def vex(bundle: Path | None, on: str, kind: str, *, author: str, namespace: str) -> str:
    """Return a VEX document of ``kind`` about the fixes on a host, or in ``bundle``.

    Raise AnswerIsNo if there is no CVE; EnvironmentMissing; the errors of status_of().
    """
    from lppack.pipeline.operate import status_of
    from lppack.stages.bundle import read
    from lppack.stages.vex import need_cve, of_bundle, of_host, subject
    from lppack.stages.vex_formats import FORMATS, Author

    found = of_bundle(read(bundle)) if bundle else of_host(status_of(None, on), subject(on))
    now = datetime.now(UTC).replace(microsecond=0)
    issuer = Author(name=author, namespace=namespace)
    return FORMATS[kind](need_cve(found), issuer, now, uuid.uuid4())


def cves_of(tracker: Path, bundles: Sequence[Path], on: str, suite: str | None) -> KernelReport:
    """Return which CVEs of a host's kernel are live, applied, fixable or open."""
    from lppack.pipeline.operate import status_of
    from lppack.stages.bundle import read
    from lppack.stages.cves import join, read_tracker
    from lppack.stages.vex import of_host

    known = read_tracker(tracker)
    found = of_host(status_of(None, on), on)
    return join(known, found, [read(path) for path in bundles], suite)
