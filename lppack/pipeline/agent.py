# SPDX-License-Identifier: MIT
"""The agent: fetch the bundles that are served to its host, and apply those that the policy
allows."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from lppack import abi, store
from lppack.errors import (
    UNCHANGED,
    WARNING,
    ApplyRefused,
    LppackError,
    NotConverted,
)
from lppack.pipeline.agent_files import AgentFiles, disk, folder
from lppack.pipeline.evidence import metrics_place, write_textfile
from lppack.pipeline.operate import apply_bundle, open_control, recover_host, status_of
from lppack.proc import Say
from lppack.stages.agent import AgentOutcome, AgentReport, AgentState, decide, disabled
from lppack.stages.agent_policy import Policy, metrics_named, read_policy
from lppack.stages.journal import Journal, JournalRecord
from lppack.stages.journald import send_outcome, send_refusal

_WAIT = 60.0  # seconds to wait for another command that changes the host


def run_agent(policy_file: Path, on: str, *, dry_run: bool, say: Say) -> AgentReport:
    """Run once. Raise the first error of a bundle, with the report of all bundles in it; before a
    bundle is checked, ManifestError, EnvironmentMissing, NotTrusted, ApplyRefused."""
    made: AgentReport | None = None
    error: LppackError | None = None
    metrics: Path | None = None
    try:
        # Of a policy that is wrong, where it is reported may still be right.
        metrics = metrics_named(policy_file)
        policy = read_policy(policy_file)
        with _alone(on):
            made, error = _run(policy, on, dry_run=dry_run, say=say)
    except LppackError as raised:
        error = raised
        if not dry_run:
            send_refusal(raised, on)
    if metrics is not None:
        _report(metrics, made, error, on, dry_run=dry_run, say=say)
    if error is not None:
        error.report = {**(error.report or {}), **(made.to_json() if made else {})}
        raise error
    assert made is not None
    return made


@contextlib.contextmanager
def _alone(on: str) -> Iterator[None]:
    try:
        with disk(folder()), store.locked(folder() / "lock", wait=False):
            yield
    except BlockingIOError:
        raise ApplyRefused(
            "another lppack agent is at work on this machine",
            hint="wait until it has ended",
            reason="host-in-use",
        ) from None


def _report(
    file: Path,
    made: AgentReport | None,
    error: LppackError | None,
    on: str,
    *,
    dry_run: bool,
    say: Say,
) -> None:
    """Write the metrics; that they cannot be written stops no patch."""
    from lppack.stages.metrics import agent_prometheus

    try:
        metrics_place(file)
        if not dry_run:
            write_textfile(agent_prometheus(made, error), file)
    except LppackError as problem:
        say(f"{WARNING}{problem.message}")
        if not dry_run:
            send_refusal(problem, on)


def _run(
    policy: Policy, on: str, *, dry_run: bool, say: Say
) -> tuple[AgentReport, LppackError | None]:
    files = AgentFiles(folder=folder(on), policy=policy)
    files.sweep()
    index, away = files.index()
    if away is not None:
        say(f"{WARNING}{away.message}; going by the index that was accepted before")
        if not dry_run:
            send_refusal(away, on)
    found = status_of(None, on)
    if found.unfinished and not dry_run:
        say(f"a command died on {on}: recovering")
        recover_host(on, timeout=policy.timeout, say=say, wait=_WAIT)
        found = status_of(None, on)
    off, records = _host(on)
    outcomes = decide(policy, index, found, datetime.now(UTC), off)
    if records:
        outcomes = files.guarded(outcomes, records)
    made, errors = [], [away] if away else []
    for outcome in outcomes:
        error = None
        if outcome.state is AgentState.WANTED and _as_it_was(errors):
            try:
                with disk(files.folder):
                    path = files.bundle(outcome, away)
                    outcome = _apply(policy, outcome, path, on, dry_run=dry_run, say=say)
            except LppackError as raised:
                error = raised
                outcome = outcome.with_error(raised)
        elif outcome.state is AgentState.LIVE and not (away or dry_run):
            try:  # for the next boot, at which the source may be down
                with disk(files.folder):
                    files.bundle(outcome, away)
            except LppackError as problem:
                say(f"{WARNING}{outcome.file} is live, and not stored: {problem.message}")
        elif outcome.state is AgentState.FAILED:
            error = NotConverted(str(outcome.message), hint=outcome.hint)
        elif outcome.code:
            error = ApplyRefused(str(outcome.message), hint=outcome.hint, reason=outcome.reason)
        if error is not None:
            errors.append(error)
            if not dry_run:
                send_outcome(outcome, on)
        made.append(outcome)
    files.prune({outcome.file for outcome in outcomes})
    report = AgentReport(
        source=policy.source,
        serial=index.serial,
        kernel=found.kernel,
        ring=policy.ring,
        outcomes=tuple(made),
    )
    first_that_failed = (error for error in errors if error.exit_code not in UNCHANGED)
    return report, next(first_that_failed, errors[0] if errors else None)


def _as_it_was(errors: Sequence[LppackError]) -> bool:
    return all(error.exit_code in UNCHANGED for error in errors)


def _host(on: str) -> tuple[frozenset[str] | None, tuple[JournalRecord, ...]]:
    """Return the series that the kernel command line disables, and the history of the host."""
    with open_control(on, say=lambda _line: None) as control:
        if control.host.lock is None:
            return frozenset(), ()  # a simulated kernel has neither
        journal = Journal(control.host)
        records = (*journal.history(500), *journal.lost())
        return disabled(control.host.read(abi.COMMAND_LINE)), records


def _apply(
    policy: Policy, outcome: AgentOutcome, path: Path, on: str, *, dry_run: bool, say: Say
) -> AgentOutcome:
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
