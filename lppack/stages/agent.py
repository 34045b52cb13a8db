# SPDX-License-Identifier: MIT
"""What an agent does with each bundle that is served to its host; decided before a bundle is
fetched."""

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from lppack.abi import PatchPhase
from lppack.errors import UNCHANGED, ApplyRefused, LppackError, NotConverted
from lppack.stages.agent_policy import Index, Offer, Policy
from lppack.stages.host_status import HostStatus
from lppack.stages.journal import JournalRecord, followed_by


class AgentState(StrEnum):
    """State of one bundle after a run of the agent."""

    WANTED = "wanted"  # to be applied
    APPLIED = "applied"
    LIVE = "live"  # was live before this run
    WAITS = "waits"
    HELD = "held"
    REFUSED = "refused"  # the host did not change
    FAILED = "failed"  # the apply began, but did not succeed


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentOutcome:
    """The result for the bundle ``file``."""

    file: str
    series: str
    version: int
    state: AgentState
    code: int = 0  # exit code of the refusal, or of what is held because the machine crashed
    reason: str | None = None
    message: str | None = None
    hint: str | None = None
    until: str | None = None  # for WAITS: the time until which it waits

    def with_error(self, error: LppackError) -> "AgentOutcome":
        return replace(
            self,
            state=AgentState.REFUSED if error.exit_code in UNCHANGED else AgentState.FAILED,
            code=error.exit_code,
            reason=error.reason,
            message=error.message,
            hint=error.hint,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentReport:
    """One run of an agent."""

    source: str
    serial: int
    kernel: str
    ring: str | None
    outcomes: tuple[AgentOutcome, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "serial": self.serial,
            "kernel": self.kernel,
            "ring": self.ring,
            "changed": any(outcome.state is AgentState.APPLIED for outcome in self.outcomes),
            "bundles": [asdict(outcome) for outcome in self.outcomes],
        }


def disabled(cmdline: str) -> frozenset[str] | None:
    """Return the series that the kernel command line switches off; None: all of them."""
    found: set[str] = set()
    for word in cmdline.split():
        key, _, value = word.partition("=")
        if key == "lppack.disable":
            if value in ("", "1"):
                return None
            found.update(value.split(","))
    return frozenset(found)


def decide(
    policy: Policy,
    index: Index,
    found: HostStatus,
    now: datetime.datetime,
    off: frozenset[str] | None = frozenset(),
) -> tuple[AgentOutcome, ...]:
    """Return the decision for each series of ``index`` that is for this host.

    ``off``: the result of disabled().
    """
    # A simulated kernel has no release before its first patch.
    mine = [
        offer
        for offer in index.offers
        if found.kernel in ("", offer.release)
        and (offer.rings is None or policy.ring in offer.rings)
    ]
    live = {
        patch.series: patch.version or 0
        for patch in found.patches
        if patch.series and patch.phase is PatchPhase.PATCHED
    }
    outcomes = tuple(
        outcome
        for series in dict.fromkeys(offer.series for offer in mine)
        for outcome in _of_series(
            policy, [o for o in mine if o.series == series], live.get(series), now, off
        )
    )
    return tuple(_not_converted(outcome, found) for outcome in outcomes)


def _not_converted(outcome: AgentOutcome, found: HostStatus) -> AgentOutcome:
    """Return ``outcome``, or a failure if its bundle is patched but not converted."""
    off = {
        p.series for p in found.patches if p.conversion == "off" and p.phase is PatchPhase.PATCHED
    }
    if outcome.state is not AgentState.LIVE or outcome.series not in off:
        return outcome
    why = NotConverted(
        f"{outcome.series} is patched, but its data is not converted",
        hint=f"lppack convert {outcome.series}",
    )
    return replace(outcome, state=AgentState.FAILED).with_error(why)


def _of_series(
    policy: Policy,
    offers: Sequence[Offer],
    live: int | None,
    now: datetime.datetime,
    off: frozenset[str] | None,
) -> Iterator[AgentOutcome]:
    newest = max(offers, key=lambda offer: offer.version)
    if policy.hold is None or newest.series in policy.hold:
        yield _outcome(newest, AgentState.HELD, "hold", "the policy of this host holds this series")
        return
    if off is None or newest.series in off:
        yield _outcome(
            newest,
            AgentState.HELD,
            "lppack.disable",
            "lppack.disable is on the kernel command line",
        )
        return
    begins = {offer: _begin(policy, offer) for offer in offers}
    due = [offer for offer, begin in begins.items() if begin is None or begin <= now]
    chosen = max(due, key=lambda offer: offer.version, default=None)
    if chosen is not None and (live is None or chosen.version > live):
        yield _outcome(chosen, AgentState.WANTED)
    elif chosen is not None and live is not None and chosen.version < live:
        older = ApplyRefused(
            f"{chosen.file} is older than {chosen.series} {live}, which is live",
            hint="to apply it nevertheless: lppack revert, then lppack apply --allow-older",
            reason="older-than-before",
        )
        yield _outcome(chosen, AgentState.REFUSED).with_error(older)
    elif chosen is not None:
        yield _outcome(chosen, AgentState.LIVE)
    later = [o for o in offers if o not in due and (chosen is None or o.version > chosen.version)]
    later = [offer for offer in later if live is None or offer.version > live]
    if later:
        last = max(offer.version for offer in later)
        until, offer = min(
            ((begins[o] or now, o) for o in later if o.version == last), key=lambda pair: pair[0]
        )
        text = until.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        waits = _outcome(offer, AgentState.WAITS, "not-before", f"not before {text}")
        yield replace(waits, until=text)


def _begin(policy: Policy, offer: Offer) -> datetime.datetime | None:
    """Return the time from which ``offer`` may be applied to this host; None: at any time."""
    times = [time for time in (policy.not_before, offer.not_before) if time is not None]
    return max(times, default=None)


def _outcome(
    offer: Offer, state: AgentState, reason: str | None = None, message: str | None = None
) -> AgentOutcome:
    return AgentOutcome(
        file=offer.file,
        series=offer.series,
        version=offer.version,
        state=state,
        reason=reason,
        message=message,
    )


#: Reasons for which guarded() holds a bundle, and the exit code of each: a person has taken it
#: back, but nobody knows of a crash yet.
GUARDED = {
    "went-down": ApplyRefused.exit_code,
    "crashed": ApplyRefused.exit_code,
    "taken-back": 0,
}


def held(
    outcome: AgentOutcome, reason: str | None, message: str | None, hint: str | None
) -> AgentOutcome:
    code = GUARDED.get(reason or "", 0)
    return replace(
        outcome, state=AgentState.HELD, code=code, reason=reason, message=message, hint=hint
    )


def is_done(record: JournalRecord, outcome: AgentOutcome) -> bool:
    """Return True if ``record`` is of a completed apply of the same version."""
    return (
        (record.command, record.result) == ("apply", "done")
        and record.version == outcome.version
        and outcome.series in (record.series, _series_of(record))
    )


def guarded(outcome: AgentOutcome, records: Sequence[JournalRecord]) -> AgentOutcome:
    """Hold a bundle that a person reverted, or with which the machine went down.

    ``records``: the history of the host, the oldest first.
    """
    why: tuple[str, str] | None = None
    for record in records:
        if outcome.series not in (record.series, _series_of(record)):
            continue
        same = record.version == outcome.version
        if record.command == "apply" and same:
            why = followed_by(record) or (None if record.result == "done" else why)
        elif record.command == "revert" and record.result == "done":
            why = why or ("taken-back", f"it was reverted at {record.ended}, by {record.user}")
    if why is None or not any(
        record.command == "apply" and record.version == outcome.version for record in records
    ):
        return outcome
    return held(outcome, *why, f"to apply it nevertheless: lppack apply {outcome.file}")


def _series_of(record: JournalRecord) -> str | None:
    """Return the series of a record that names only a module: lppack_NAME_VERSION."""
    words = (record.module or "").split("_")
    return "-".join(words[1:-1]) if len(words) > 2 and words[0] == "lppack" else None
