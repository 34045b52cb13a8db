# SPDX-License-Identifier: MIT
"""The agent: fetch the bundles that are served to its host, and apply those that the policy
allows."""

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from lppack import abi, store
from lppack.errors import (
    WARNING,
    AnswerIsNo,
    ApplyRefused,
    EnvironmentMissing,
    LppackError,
    NotConverted,
)
from lppack.pipeline.evidence import metrics_place, write_textfile
from lppack.pipeline.operate import (
    apply_bundle,
    check_bundle,
    open_control,
    recover_host,
    status_of,
)
from lppack.proc import Say
from lppack.shape import fits, read_json
from lppack.stages.agent import (
    GUARDED,
    AgentOutcome,
    AgentReport,
    AgentState,
    decide,
    disabled,
    guarded,
    is_done,
)
from lppack.stages.agent_policy import INDEX, Index, Policy, parse_index, read_policy
from lppack.stages.journal import JournalRecord
from lppack.stages.journald import send_outcome, send_refusal

_INDEX_MAX = 256 << 10
_WAIT = 60.0  # seconds to wait for another command that changes the host


def run_agent(policy_file: Path, on: str, *, dry_run: bool, say: Say) -> AgentReport:
    """Run once. Raise the first error of a bundle, with the report of all bundles in it; before a
    bundle is checked, ManifestError, EnvironmentMissing, NotTrusted, ApplyRefused."""
    policy = read_policy(policy_file)
    if policy.metrics is not None:
        metrics_place(policy.metrics)
    made: AgentReport | None = None
    error: LppackError | None = None
    try:
        with _alone():
            made, error = _run(policy, on, dry_run=dry_run, say=say)
    except LppackError as raised:
        error = raised
        if not dry_run:
            send_refusal(raised, on)
    if policy.metrics is not None and not dry_run:
        _write_metrics(policy.metrics, made, error, say)
    if error is not None:
        error.report = {**(error.report or {}), **(made.to_json() if made else {})}
        raise error
    assert made is not None
    return made


def folder() -> Path:
    """Return the folder in which an agent stores fetched files."""
    return store.state_dir() / "agent"


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    try:
        with _disk(folder()), store.locked(folder() / "lock", wait=False):
            store.sweep(folder())
            shutil.rmtree(folder() / "incoming", ignore_errors=True)
            yield
    except BlockingIOError:
        raise ApplyRefused(
            "another lppack agent is at work on this machine",
            hint="wait until it has ended",
            reason="host-in-use",
        ) from None


@contextlib.contextmanager
def _disk(place: Path) -> Iterator[None]:
    """Raise EnvironmentMissing if ``place`` cannot be written: full, read-only."""
    try:
        yield
    except BlockingIOError:
        raise
    except OSError as error:
        raise EnvironmentMissing(
            f"{error.filename or place} cannot be written: {error.strerror}",
            hint=f"look at the file system of {folder()}: df {folder()}; mount",
            reason="not-stored",
        ) from None


def _write_metrics(
    file: Path, made: AgentReport | None, error: LppackError | None, say: Say
) -> None:
    from lppack.stages.metrics import agent_prometheus

    try:
        write_textfile(agent_prometheus(made, error), file)
    except LppackError as problem:
        say(f"{WARNING}{problem.message}")


def _run(
    policy: Policy, on: str, *, dry_run: bool, say: Say
) -> tuple[AgentReport, LppackError | None]:
    index = _index(policy)
    found = status_of(None, on)
    if found.unfinished and not dry_run:
        say(f"a command died on {on}: recovering")
        recover_host(on, timeout=policy.timeout, say=say, wait=_WAIT)
        found = status_of(None, on)
    off, records = _host(on)
    outcomes = decide(policy, index, found, datetime.now(UTC), off)
    if records:
        outcomes = _guarded(outcomes, records)
    made, errors = [], list[LppackError]()
    for outcome in outcomes:
        error = None
        if outcome.state is AgentState.WANTED and _as_it_was(errors):
            try:
                with _disk(folder()):
                    outcome = _apply(policy, outcome, on, dry_run=dry_run, say=say)
            except LppackError as raised:
                error = raised
                outcome = outcome.with_error(raised)
        elif outcome.state is AgentState.REFUSED:
            error = ApplyRefused(str(outcome.message), hint=outcome.hint, reason=outcome.reason)
        elif outcome.state is AgentState.FAILED:
            error = NotConverted(str(outcome.message), hint=outcome.hint)
        if error is not None:
            errors.append(error)
            if not dry_run:
                send_outcome(outcome, on)
        made.append(outcome)
    _prune({outcome.file for outcome in outcomes})
    report = AgentReport(
        source=policy.source,
        serial=index.serial,
        kernel=found.kernel,
        ring=policy.ring,
        outcomes=tuple(made),
    )
    first_that_failed = (error for error in errors if error.exit_code not in _UNCHANGED)
    return report, next(first_that_failed, errors[0] if errors else None)


#: Exit codes after which the host is unchanged, so that the next series can be tried.
_UNCHANGED = (4, 6, 9)


def _as_it_was(errors: Sequence[LppackError]) -> bool:
    return all(error.exit_code in _UNCHANGED for error in errors)


def _guarded(
    outcomes: Sequence[AgentOutcome], records: Sequence[JournalRecord]
) -> tuple[AgentOutcome, ...]:
    """Hold bundles because of the journal, or of its earlier records: it keeps only 500."""
    kept = folder() / "held.json"
    held = _read_held(kept)
    made = []
    for outcome in outcomes:
        if outcome.state is AgentState.WANTED:
            outcome = guarded(outcome, records)
            again = any(is_done(record, outcome) for record in records)
            if outcome.state is AgentState.WANTED and outcome.file in held and not again:
                reason, message, hint = held[outcome.file]
                outcome = replace(outcome, reason=reason, message=message, hint=hint)
                outcome = replace(outcome, state=AgentState.HELD)
        if outcome.reason in GUARDED:
            held[outcome.file] = [outcome.reason, outcome.message, outcome.hint]
        elif outcome.state in (AgentState.WANTED, AgentState.LIVE):
            held.pop(outcome.file, None)
        made.append(outcome)
    store.write_atomic(kept, json.dumps(held).encode())
    return tuple(made)


def _read_held(kept: Path) -> dict[str, list[str | None]]:
    """Return the held files, with reason, message and hint. Raise EnvironmentMissing."""
    try:
        held = read_json(kept.read_text()) if kept.exists() else {}
        if fits(held, dict) and all(fits(w, [str | None]) and len(w) == 3 for w in held.values()):
            return dict(held)
    except ValueError:
        pass
    raise EnvironmentMissing(
        f"{kept} cannot be read: what is held on this host is not known",
        hint=f"look at lppack history; if nothing is to be held: rm {kept}",
        reason="not-stored",
    )


def _index(policy: Policy) -> Index:
    """Fetch the index; check its signature, and that no newer or other one of its serial was seen.
    Raise NotTrusted, ApplyRefused."""
    from lppack.stages import trust
    from lppack.stages.fetch import fetch

    place = folder() / "incoming" / INDEX
    data = fetch(policy.source, INDEX, size_max=_INDEX_MAX)
    _write_signature(policy, place)
    trust.verify(place, data, policy.signers, namespace=trust.INDEX_NAMESPACE)
    store.write_atomic(place, data)  # for messages that name a line
    index = parse_index(data.decode("utf-8", "replace"), place)
    kept = folder() / "index.json"
    serial, digest = _seen(kept)
    found = hashlib.sha256(data).hexdigest()
    served = f"{policy.source}/{INDEX} has serial {index.serial}"
    if index.serial < serial:
        raise ApplyRefused(
            f"{served}, but this host has seen {serial}",
            hint=f"serve the newest index; if it is the newest one: rm {kept}",
            reason="older-index",
        )
    if index.serial == serial and digest not in (None, found):
        raise ApplyRefused(
            f"{served}, as the one that this host has seen, and says something else",
            hint=f"give each change of the index a greater serial; if it is right: rm {kept}",
            reason="changed-index",
        )
    if (index.serial, found) != (serial, digest):
        seen = {"serial": index.serial, "sha256": found}
        store.write_atomic(kept, f"{json.dumps(seen)}\n".encode())
    return index


def _seen(kept: Path) -> tuple[int, str | None]:
    """Return the serial and SHA-256 of the newest index; an older lppack stored no SHA-256."""
    if not kept.exists():
        return 0, None
    with contextlib.suppress(ValueError):
        seen = read_json(kept.read_text())
        if fits(seen, {"serial": int, "sha256": str}) and "serial" in seen:
            return seen["serial"], seen.get("sha256")
    raise EnvironmentMissing(
        f"{kept} cannot be read: which index this host has seen is not known",
        hint=f"if the source is as you know it: rm {kept}",
        reason="not-stored",
    )


def _write_signature(policy: Policy, place: Path) -> None:
    """Fetch the signature of ``place``; remove the old one if none is served."""
    from lppack.stages.fetch import NotServed, fetch
    from lppack.stages.trust import SIZE_MAX, signature_of

    beside = signature_of(place)
    beside.unlink(missing_ok=True)
    try:
        store.write_atomic(beside, fetch(policy.source, beside.name, size_max=SIZE_MAX))
    except NotServed as error:
        if not error.absent:
            raise


def _host(on: str) -> tuple[frozenset[str] | None, tuple[JournalRecord, ...]]:
    """Return the series that the kernel command line disables, and the history of the host."""
    from lppack.stages.journal import Journal

    with open_control(on, say=lambda _line: None) as control:
        if control.host.lock is None:
            return frozenset(), ()  # a simulated kernel has neither
        journal = Journal(control.host)
        records = (*journal.history(500), *journal.lost())
        return disabled(control.host.read(abi.COMMAND_LINE)), records


def _apply(
    policy: Policy, outcome: AgentOutcome, on: str, *, dry_run: bool, say: Say
) -> AgentOutcome:
    path = _obtained(policy, outcome)
    say(f"{outcome.file}: to be applied")
    report = apply_bundle(
        *(path, on),
        convert=True,
        timeout=policy.timeout,
        dry_run=dry_run,
        say=say,
        signers=policy.signers,
        wait=_WAIT,
    )
    if dry_run:
        return outcome
    done = report is not None and report.changed
    return replace(outcome, state=AgentState.APPLIED if done else AgentState.LIVE)


def _obtained(policy: Policy, outcome: AgentOutcome) -> Path:
    """Return the bundle in the agent's store, after fetching it and checking its signature and
    name."""
    from lppack.stages.bundle import SIZE_MAX
    from lppack.stages.fetch import fetch
    from lppack.stages.trust import signature_of

    kept = folder() / "bundles" / outcome.file
    with contextlib.suppress(AnswerIsNo, EnvironmentMissing):
        _check(policy, outcome, kept)
        return kept
    place = folder() / "incoming" / outcome.file
    _write_signature(policy, place)
    try:
        store.write_atomic(place, fetch(policy.source, outcome.file, size_max=SIZE_MAX))
        _check(policy, outcome, place)
        kept.parent.mkdir(exist_ok=True)
        signature_of(place).replace(signature_of(kept))
        return place.replace(kept)
    finally:
        place.unlink(missing_ok=True)
        signature_of(place).unlink(missing_ok=True)


def _check(policy: Policy, outcome: AgentOutcome, path: Path) -> None:
    bundle = check_bundle(path, policy.signers).bundle
    release = outcome.file.partition("_")[2].removesuffix(".lpp")
    says = (outcome.series, outcome.version, release)
    if (bundle.series, bundle.version, bundle.release) != says:
        raise AnswerIsNo(
            f"{path} is {bundle.series} {bundle.version} for {bundle.release}, and not what its "
            "name says",
            hint="serve each bundle under the name that lppack build gave it",
            reason="misnamed",
        )


def _prune(names: set[str]) -> None:
    """Remove the bundles that are no longer served to this host."""
    for file in (folder() / "bundles").glob("*"):
        if file.name.removesuffix(".sig") not in names:
            file.unlink(missing_ok=True)
