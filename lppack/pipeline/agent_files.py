# SPDX-License-Identifier: MIT
"""The files that an agent keeps for one host: the index and the bundles that it has accepted, and
what it holds."""

import contextlib
import hashlib
import json
import shutil
import urllib.parse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lppack import store
from lppack.errors import AnswerIsNo, ApplyRefused, EnvironmentMissing, LppackError
from lppack.pipeline.operate import check_bundle
from lppack.shape import fits, read_json
from lppack.stages.agent import GUARDED, AgentOutcome, AgentState, guarded, held, is_done
from lppack.stages.agent_policy import INDEX, Index, Policy, parse_index
from lppack.stages.journal import JournalRecord

_INDEX_MAX = 256 << 10


def folder(on: str = "local") -> Path:
    """Return the folder of an agent for the host ``on``: that of this machine has the others."""
    place = store.state_dir() / "agent"
    return place if on == "local" else place / "on" / urllib.parse.quote(on, safe="@:[]")


@contextlib.contextmanager
def disk(place: Path) -> Iterator[None]:
    """Raise EnvironmentMissing if ``place`` cannot be written: full, read-only."""
    try:
        yield
    except BlockingIOError:
        raise
    except OSError as error:
        raise EnvironmentMissing(
            f"{error.filename or place} cannot be written: {error.strerror}",
            hint=f"look at the file system of {place}: df {place}; mount",
            reason="not-stored",
        ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentFiles:
    """The files in ``folder``, for one run."""

    folder: Path
    policy: Policy

    def sweep(self) -> None:
        """Remove what a run that died has left."""
        store.sweep(self.folder)
        shutil.rmtree(self.folder / "incoming", ignore_errors=True)

    def index(self) -> tuple[Index, LppackError | None]:
        """Return the index of the source, or else the last one that was accepted, and why.

        Raise the errors of the source's if there is no other.
        """
        try:
            with disk(self.folder):
                return self._served(), None
        except LppackError as error:
            # A host that boots while its source is down must get back what it had.
            with contextlib.suppress(LppackError, OSError):
                return self._accepted(self.folder / INDEX), error
            raise

    def _served(self) -> Index:
        from lppack.stages.fetch import fetch
        from lppack.stages.trust import signature_of

        place = self.folder / "incoming" / INDEX
        data = fetch(self.policy.source, INDEX, size_max=_INDEX_MAX)
        self._write_signature(place)
        store.write_atomic(place, data, durable=True)
        index = self._accepted(place)
        kept = self.folder / INDEX
        for new, old in ((signature_of(place), signature_of(kept)), (place, kept)):
            new.replace(old)
        seen = {"serial": index.serial, "sha256": hashlib.sha256(data).hexdigest()}
        if self._seen() != tuple(seen.values()):
            store.write_atomic(self._seen_file, f"{json.dumps(seen)}\n".encode())
        return index

    def _accepted(self, place: Path) -> Index:
        """Return the index at ``place``, after checking its signature, and that no newer or other
        one of its serial was seen. Raise NotTrusted, ApplyRefused."""
        from lppack.stages import trust

        data = place.read_bytes()
        trust.verify(place, data, self.policy.signers, namespace=trust.INDEX_NAMESPACE)
        index = parse_index(data.decode("utf-8", "replace"), place)
        serial, digest = self._seen()
        served = f"{self.policy.source}/{INDEX} has serial {index.serial}"
        if index.serial < serial:
            raise ApplyRefused(
                f"{served}, but this host has seen {serial}",
                hint=f"serve the newest index; if it is the newest one: rm {self._seen_file}",
                reason="older-index",
            )
        if index.serial == serial and digest not in (None, hashlib.sha256(data).hexdigest()):
            raise ApplyRefused(
                f"{served}, as the one that this host has seen, and says something else",
                hint="give each change of the index a greater serial; if it is right: "
                f"rm {self._seen_file}",
                reason="changed-index",
            )
        return index

    @property
    def _seen_file(self) -> Path:
        return self.folder / "index.json"

    def _seen(self) -> tuple[int, str | None]:
        """Return the serial and SHA-256 of the newest index; an older lppack stored no SHA-256."""
        kept = self._seen_file
        if not kept.exists():
            return 0, None
        with contextlib.suppress(ValueError):
            seen = read_json(kept.read_bytes())
            if fits(seen, {"serial": int, "sha256": str}) and "serial" in seen:
                return seen["serial"], seen.get("sha256")
        raise EnvironmentMissing(
            f"{kept} cannot be read: which index this host has seen is not known",
            hint=f"if the source is as you know it: rm {kept}",
            reason="not-stored",
        )

    def _write_signature(self, place: Path) -> None:
        """Fetch the signature of ``place``; remove the old one if none is served."""
        from lppack.stages.fetch import NotServed, fetch
        from lppack.stages.trust import SIZE_MAX, signature_of

        beside = signature_of(place)
        beside.unlink(missing_ok=True)
        try:
            data = fetch(self.policy.source, beside.name, size_max=SIZE_MAX)
            store.write_atomic(beside, data, durable=True)
        except NotServed as error:
            if not error.absent:
                raise

    def bundle(self, outcome: AgentOutcome, away: LppackError | None) -> Path:
        """Return the stored bundle, after checking its signature and name; fetch it if there is
        none, unless the source is ``away``: then raise that."""
        from lppack.stages.bundle import SIZE_MAX
        from lppack.stages.fetch import fetch
        from lppack.stages.trust import signature_of

        kept = self.folder / "bundles" / outcome.file
        with contextlib.suppress(AnswerIsNo, EnvironmentMissing):
            self._check(outcome, kept)
            return kept
        if away is not None:
            raise away
        place = self.folder / "incoming" / outcome.file
        self._write_signature(place)
        try:
            data = fetch(self.policy.source, outcome.file, size_max=SIZE_MAX)
            store.write_atomic(place, data, durable=True)
            self._check(outcome, place)
            kept.parent.mkdir(exist_ok=True)
            signature_of(place).replace(signature_of(kept))
            return place.replace(kept)
        finally:
            place.unlink(missing_ok=True)
            signature_of(place).unlink(missing_ok=True)

    def _check(self, outcome: AgentOutcome, path: Path) -> None:
        bundle = check_bundle(path, self.policy.signers).bundle
        release = outcome.file.partition("_")[2].removesuffix(".lpp")
        says = (outcome.series, outcome.version, release)
        if (bundle.series, bundle.version, bundle.release) != says:
            raise AnswerIsNo(
                f"{path} is {bundle.series} {bundle.version} for {bundle.release}, and not what "
                "its name says",
                hint="serve each bundle under the name that lppack build gave it",
                reason="misnamed",
            )

    def prune(self, names: set[str]) -> None:
        """Remove the bundles that are no longer served to this host."""
        for file in (self.folder / "bundles").glob("*"):
            if file.name.removesuffix(".sig") not in names:
                file.unlink(missing_ok=True)

    def guarded(
        self, outcomes: Sequence[AgentOutcome], records: Sequence[JournalRecord]
    ) -> tuple[AgentOutcome, ...]:
        """Hold bundles because of the journal, or of its earlier records: it keeps only 500."""
        kept = self.folder / "held.json"
        found = _read_held(kept)
        now = dict(found)
        made = []
        for outcome in outcomes:
            if outcome.state is AgentState.WANTED:
                outcome = guarded(outcome, records)
                again = any(is_done(record, outcome) for record in records)
                if outcome.state is AgentState.WANTED and outcome.file in found and not again:
                    outcome = held(outcome, *found[outcome.file])
            if outcome.reason in GUARDED:
                now[outcome.file] = [outcome.reason, outcome.message, outcome.hint]
            elif outcome.state in (AgentState.WANTED, AgentState.LIVE):
                now.pop(outcome.file, None)
            made.append(outcome)
        if now != found:
            store.write_atomic(kept, json.dumps(now).encode())
        return tuple(made)


def _read_held(kept: Path) -> dict[str, list[str | None]]:
    """Return the held files, with reason, message and hint. Raise EnvironmentMissing."""
    try:
        found = read_json(kept.read_bytes()) if kept.exists() else {}
        if fits(found, dict) and all(fits(w, [str | None]) and len(w) == 3 for w in found.values()):
            return dict(found)
    except ValueError:
        pass
    raise EnvironmentMissing(
        f"{kept} cannot be read: what is held on this host is not known",
        hint=f"look at lppack history; if nothing is to be held: rm {kept}",
        reason="not-stored",
    )
