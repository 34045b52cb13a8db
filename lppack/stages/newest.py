# SPDX-License-Identifier: MIT
"""The newest version of each series that was applied to a host; older versions are refused."""

from lppack.errors import WARNING, ApplyRefused, HostError
from lppack.hosts.put import put_json
from lppack.model import Bundle
from lppack.shape import read_json
from lppack.stages.drive import Control, answered
from lppack.stages.journal import FOLDER

VERSIONS = f"{FOLDER}/versions.json"


def refuse_older(control: Control, bundle: Bundle, *, allowed: bool) -> None:
    """Raise ApplyRefused if a newer version of the series was applied to this host before."""
    newest = answered(control, lambda: _versions(control)).get(bundle.series, 0)
    if newest > bundle.version and not allowed:
        raise ApplyRefused(
            f"{bundle.path.name} is older than {bundle.series} {newest}, which was applied to "
            f"{control.host.name} before",
            hint="if that is what you want, give --allow-older",
            reason="older-than-before",
        )


def note_version(control: Control, bundle: Bundle) -> None:
    """Record the version of a bundle that was applied."""
    if control.host.lock is None:
        return  # lppack stores nothing on such a host
    try:
        found = _versions(control)
        if found.get(bundle.series, 0) < bundle.version:
            put_json(control.host, VERSIONS, {**found, bundle.series: bundle.version})
    except HostError as error:
        control.say(f"{WARNING}the version cannot be noted: {error.message}")


def _versions(control: Control) -> dict[str, int]:
    try:
        said = read_json(control.host.read(VERSIONS))
    except HostError as error:
        if error.absent:
            return {}
        raise
    except ValueError:
        return {}
    rows = said.items() if isinstance(said, dict) else ()
    return {str(key): value for key, value in rows if isinstance(value, int)}
