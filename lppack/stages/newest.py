# SPDX-License-Identifier: MIT
"""The newest version of each series that was applied to a host; older versions are refused."""

import contextlib
from collections.abc import Iterator

from lppack.errors import UNCHANGED, WARNING, ApplyRefused, ApplyReversed, HostError, LppackError
from lppack.hosts.put import put_json
from lppack.model import Bundle
from lppack.shape import fits, read_json
from lppack.stages.drive import Control, answered
from lppack.stages.journal import FOLDER

VERSIONS = f"{FOLDER}/versions.json"


def refuse_older(control: Control, bundle: Bundle, *, allowed: bool) -> None:
    """Raise ApplyRefused if a newer version of the series was applied to this host before, or if
    that is not known."""
    newest = _versions(control).get(bundle.series, 0)
    if newest > bundle.version and not allowed:
        raise ApplyRefused(
            f"{bundle.path.name} is older than {bundle.series} {newest}, which was applied to "
            f"{control.host.name} before",
            hint="if that is what you want, give --allow-older",
            reason="older-than-before",
        )


@contextlib.contextmanager
def noted(control: Control, bundle: Bundle) -> Iterator[None]:
    """Record the version of a bundle before the block applies it; if the block leaves the host as
    it was, take that back. Raise ApplyRefused if it cannot be recorded."""
    if control.host.lock is None:  # lppack stores nothing on such a host
        yield
        return
    before = _versions(control)
    if before.get(bundle.series, 0) >= bundle.version:
        yield
        return
    try:
        put_json(control.host, VERSIONS, {**before, bundle.series: bundle.version})
    except HostError as error:
        raise ApplyRefused(
            f"the version of {bundle.path.name} cannot be noted on {control.host.name}, and an "
            f"older one could replace it: {error.message}; nothing was loaded",
            hint=f"look at the file system of {FOLDER} there: df {FOLDER}; mount",
            reason="not-stored",
        ) from None
    try:
        yield
    except LppackError as error:
        if error.exit_code in (*UNCHANGED, ApplyReversed.exit_code):
            _put_back(control, before)
        raise


def _put_back(control: Control, before: dict[str, int]) -> None:
    try:
        put_json(control.host, VERSIONS, before)
    except HostError as error:
        control.say(f"{WARNING}{VERSIONS} has a version that was not applied: {error.message}")


def _versions(control: Control) -> dict[str, int]:
    try:
        text = answered(control, lambda: _read(control))
        found = {} if text is None else read_json(text)
        if fits(found, dict) and fits([*found.values()], [int]):
            return dict(found)
    except ValueError:
        pass
    raise ApplyRefused(
        f"{VERSIONS} on {control.host.name} is damaged: which versions were applied is not known, "
        "and an older one could replace a newer one",
        hint=f"see lppack history --on {control.host.name}; then, there: rm {VERSIONS}",
        reason="not-stored",
    )


def _read(control: Control) -> str | None:
    try:
        return control.host.read(VERSIONS)
    except HostError as error:
        if error.absent:
            return None
        raise
