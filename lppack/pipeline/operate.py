# SPDX-License-Identifier: MIT
"""Apply and revert bundles on a host."""

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lppack import store
from lppack.consistency import EngineName
from lppack.errors import ApplyRefused, EnvironmentMissing, LppackError
from lppack.hosts import open_host
from lppack.proc import Say
from lppack.stages.drive import Control

if TYPE_CHECKING:
    from lppack.model import Bundle
    from lppack.stages.host_status import HostStatus
    from lppack.stages.journal import JournalRecord
    from lppack.stages.status import PatchReport


@contextlib.contextmanager
def open_control(
    on: str, *bundles: "Bundle", say: Say, **limits: float | None
) -> Iterator[Control]:
    """Yield a Control for a host's engine; ``bundles``: the bundles that may be loaded."""
    if on == EngineName.SIMULATED:
        from lppack.engines import simulated as memory

        with memory.stored(memory.state_file()) as kernel:
            yield Control(
                engine=memory.Simulated(kernel, *bundles),
                host=memory.SimulatedHost(kernel),
                clock=memory.SimulatedClock(kernel),
                say=say,
                **_given(limits),
            )
        return
    from lppack.engines.kernel import KernelEngines

    loads = bundles[0].engine if bundles else EngineName.LIVEPATCH
    with open_host(on) as host:
        engine = KernelEngines(host, loads)
        yield Control(engine=engine, host=host, say=say, **_given(limits))


def _given(limits: Mapping[str, float | None]) -> dict[str, Any]:
    return {name: value for name, value in limits.items() if value is not None}


@contextlib.contextmanager
def changing_host(
    on: str,
    command: str,
    *bundles: "Bundle",
    say: Say,
    intent: Mapping[str, Any],
    wait: float,
    **limits: float | None,
) -> Iterator[Control]:
    """Like open_control(), but hold the host's lock, and write each step to its journal.

    The result also goes to the journal of systemd.
    """
    from lppack.stages.changing import changing
    from lppack.stages.faults import fault_wanted
    from lppack.stages.journald import send_record

    fault = fault_wanted()
    store.sweep_scratch()
    with (
        open_control(on, *bundles, say=say, **limits) as control,
        changing(control, command, intent, wait=wait, fault=fault, note=send_record) as alone,
    ):
        yield alone


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedBundle:
    """A bundle that has passed all checks that need no host."""

    bundle: "Bundle"
    files: Mapping[str, bytes]
    packed: bytes  # the checked bytes, which are also loaded
    signer: str | None  # None: no signature was required


def check_bundle(path: Path, signers: Path | None, *, manifest: bool = False) -> CheckedBundle:
    """Read a bundle once, and check it. Raise NotTrusted, BadBundle, EnvironmentMissing.

    ``manifest``: compare the manifest with the other parts even if an allowed signer has signed.
    """
    from lppack.stages import bundle as bundles
    from lppack.stages import trust
    from lppack.stages.agreement import verify

    packed = bundles.packed(path)
    allowed = trust.required(signers)
    signer = trust.verify(path, packed, allowed) if allowed else None
    files = bundles.contents(path, packed)
    bundle = bundles.parse(path, files)
    # An allowed signer is trusted with the module itself, and nothing is loaded from the manifest.
    verify(bundle, files, manifest=manifest or signer is None)
    return CheckedBundle(bundle=bundle, files=files, packed=packed, signer=signer)


def apply_bundle(
    path: Path,
    on: str,
    *,
    convert: bool,
    timeout: float,
    dry_run: bool,
    say: Say,
    undo_timeout: float | None = None,
    signers: Path | None = None,
    allow_older: bool = False,
    irreversible: bool = False,
    wait: float = 0.0,
    max_stop: int | None = None,
    max_hold: int | None = None,
) -> "PatchReport | None":
    """Apply a bundle; a dry run only runs the checks, and returns None.

    If the bundle is in effect already, a dry run also returns its report.
    """
    from lppack.stages import trust
    from lppack.stages.apply import applied_already, apply, refuse_irreversible, rehearse
    from lppack.stages.bundle import write_files
    from lppack.stages.kept import keep
    from lppack.stages.newest import noted, refuse_older

    checked = check_bundle(path, signers)
    bundle = checked.bundle
    refuse_irreversible(bundle, allowed=irreversible or not convert)
    if checked.signer:
        say(f"signed by {checked.signer}")
    if dry_run:
        with open_control(on, bundle, say=say, max_stop=max_stop, max_hold=max_hold) as control:
            if found := applied_already(control, bundle, convert=convert):
                return found
            refuse_older(control, bundle, allowed=allow_older)
            rehearse(control, bundle)
        return None
    intent = {
        "series": bundle.series,
        "version": bundle.version,
        "module": bundle.module,
        "engine": bundle.engine.value,
        "converts": convert and bundle.converts,
        "bundle": path.name,
        "sha256": hashlib.sha256(checked.packed).hexdigest(),
        "signer": checked.signer,
    }
    limits = {
        "timeout": timeout,
        "undo_timeout": undo_timeout,
        "max_stop": max_stop,
        "max_hold": max_hold,
    }
    with (
        store.scratch() as folder,
        changing_host(
            on, f"apply {path.name}", bundle, say=say, intent=intent, wait=wait, **limits
        ) as control,
    ):
        refuse_older(control, bundle, allowed=allow_older)
        write_files(checked.files, folder)
        with noted(control, bundle):
            report = apply(control, bundle, folder / f"{bundle.module}.ko", convert=convert)
        keep(control, bundle, checked.packed, trust.read_signature(path))
        return report


def sign_bundle(path: Path, key: Path, *, force: bool = False) -> Path:
    """Sign a bundle that is whole and agrees with itself, or an index of an agent.

    Return the file of the signature. Raise BadBundle, EnvironmentMissing.
    """
    from lppack.stages import bundle as bundles
    from lppack.stages import trust
    from lppack.stages.agent_policy import INDEX, parse_index
    from lppack.stages.agreement import verify

    if path.name == INDEX:
        data = bundles.packed(path)
        parse_index(data.decode("utf-8", "replace"), path)
        return trust.sign(path, data, key, force=True, namespace=trust.INDEX_NAMESPACE)
    packed = bundles.packed(path)
    files = bundles.contents(path, packed)
    verify(bundles.parse(path, files), files)
    return trust.sign(path, packed, key, force=force)


def verify_bundle(path: Path, signers: Path | None) -> str:
    """Return the signer of a bundle or an index. Raise NotTrusted, EnvironmentMissing."""
    from lppack.stages import bundle as bundles
    from lppack.stages import trust
    from lppack.stages.agent_policy import INDEX

    namespace = trust.INDEX_NAMESPACE if path.name == INDEX else trust.NAMESPACE
    return trust.verify(path, bundles.packed(path), signers or trust.POLICY, namespace=namespace)


def convert_series(
    series: str, on: str, *, say: Say, irreversible: bool = False, wait: float = 0.0
) -> "PatchReport":
    from lppack.stages.convert import convert

    intent = {"series": series, "converts": True}
    with changing_host(on, f"convert {series}", say=say, intent=intent, wait=wait) as control:
        return convert(control, series, irreversible=irreversible)


def revert_series(
    series: str,
    on: str,
    *,
    timeout: float,
    say: Say,
    wait: float = 0.0,
    max_stop: int | None = None,
    max_hold: int | None = None,
) -> "PatchReport | None":
    """Revert a patch; return None if there was none."""
    from lppack.stages.revert import NOT_THERE, revert

    intent = {"series": series}
    limits = {"timeout": timeout, "max_stop": max_stop, "max_hold": max_hold}
    with changing_host(
        on, f"revert {series}", say=say, intent=intent, wait=wait, **limits
    ) as control:
        try:
            return revert(control, series)
        except ApplyRefused as error:
            if error.reason != NOT_THERE:
                raise
            say(f"{error.message}: {error.hint}")
            return None


def revert_to(
    series: str,
    version: int,
    on: str,
    *,
    timeout: float,
    say: Say,
    convert: bool = True,
    signers: Path | None = None,
    irreversible: bool = False,
    wait: float = 0.0,
    max_stop: int | None = None,
    max_hold: int | None = None,
) -> "PatchReport":
    """Revert a patch, if it is there, and apply a version that is stored on the host.

    All checks run before anything is changed.
    """
    from lppack.stages.apply import applied_already, refuse_early, refuse_irreversible
    from lppack.stages.kept import fetch
    from lppack.stages.newest import refuse_older

    limits: dict[str, Any] = {"timeout": timeout, "wait": wait}
    limits |= {"max_stop": max_stop, "max_hold": max_hold}
    with store.scratch() as folder:
        with open_control(on, say=say) as control:
            path = fetch(control, series, version, folder)
        bundle = check_bundle(path, signers).bundle
        refuse_irreversible(bundle, allowed=irreversible or not convert)
        with open_control(on, bundle, say=say) as control:
            if found := applied_already(control, bundle, convert=convert):
                return found
            refuse_older(control, bundle, allowed=True)  # its record may be damaged
            states = refuse_early(control, bundle, without=series)
        if any(state.info.series == series for state in states):
            revert_series(series, on, say=say, **limits)
        try:
            report = apply_bundle(
                *(path, on),
                convert=convert,
                dry_run=False,
                say=say,
                signers=signers,
                allow_older=True,
                irreversible=irreversible,
                **limits,
            )
        except LppackError as error:
            error.message += f"\n{series} had been reverted before: no version of it is live"
            raise
        assert report is not None
        return report


def recover_host(
    on: str, *, timeout: float, say: Say, wait: float = 0.0
) -> "tuple[PatchReport, ...]":
    """Complete or revert the work of commands that died on a host."""
    from lppack.stages.recover import recover

    with changing_host(on, "recover", say=say, intent={}, wait=wait, timeout=timeout) as control:
        return recover(control)


def history_of(on: str, last: int) -> "tuple[JournalRecord, ...]":
    """Return the records of the last commands on a host, also of those that died."""
    from lppack.stages.journal import Journal

    with open_control(on, say=lambda _line: None) as control:
        if control.host.lock is None:
            raise EnvironmentMissing(
                f"{on} keeps no history", hint="give --on local, guest:NAME or ssh:HOST"
            )
        journal = Journal(control.host)
        return (*journal.history(last), *journal.unfinished())[-last:]


def watch_host(on: str, *, timeout: float, say: Say) -> "tuple[PatchReport, ...]":
    """Print the progress of transitions; return the patches of the host when none is left."""
    from lppack.stages.watch import watch

    with open_control(on, say=say, timeout=timeout) as control:
        return watch(control)


def status_of(series: str | None, on: str) -> "HostStatus":
    """Return the status of all live patches, or of ``series``. Raise ApplyRefused if it has
    none."""
    from lppack.stages.host_status import host_status

    with open_control(on, say=lambda _line: None) as control:
        if series is not None:
            from lppack.stages.revert import find

            find(control, series)  # raises ApplyRefused if there is no such patch
        found = host_status(control.engine, control.host)
        wanted = tuple(p for p in found.patches if series in (None, p.series, p.module))
        return replace(found, patches=wanted)


def require_live(found: "HostStatus") -> None:
    """Raise AnswerIsNo unless every patch of lppack is in effect."""
    from lppack.stages.health import require_live

    require_live(found)
