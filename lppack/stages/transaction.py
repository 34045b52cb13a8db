# SPDX-License-Identifier: MIT
"""One change of a host: write its record before, around and after the steps."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from lppack.errors import WARNING, ApplyRefused, HostError, LppackError
from lppack.hosts.lock import utc_now
from lppack.proc import Say
from lppack.stages import guard
from lppack.stages.faults import Fault, no_fault
from lppack.stages.journal import FOLDER, Journal, JournalRecord

Note = Callable[[JournalRecord], None]


def unnoted(_record: JournalRecord) -> None:
    """Do nothing with a record."""


class Transaction:
    """A record in progress: written before the first step, around each step, and at the end."""

    def __init__(
        self,
        journal: Journal,
        record: JournalRecord,
        *,
        say: Say,
        fault: Fault = no_fault,
        note: Note = unnoted,
    ) -> None:
        self.journal = journal
        self.record = record
        self._say = say
        self._fault = fault
        self._note = note
        self._begun = False
        self._told = False

    @contextlib.contextmanager
    def step(self, name: str, module: str) -> Iterator[dict[str, Any]]:
        """Record one request that changes the host; the caller may add an `error` to the yielded
        dict."""
        if self.record.module is None and not name.endswith("-engine"):
            self.record.module = module
        self._begin()
        entry: dict[str, Any] = {"step": name, "module": module, "began": utc_now(), "error": None}
        steps = self.record.steps
        if (
            steps
            and steps[-1]["error"]
            and (steps[-1]["step"], steps[-1]["module"]) == (name, module)
        ):
            steps.pop()  # the kernel was not ready, and the request is repeated
        steps.append(entry)
        self._save()
        self._fault("before", name)
        try:
            yield entry
        except LppackError as error:
            entry["error"] = error.message
            self._save()
            raise
        entry["ended"] = utc_now()
        self._save()
        self._fault("after", name)

    def end(self, error: LppackError | None = None) -> None:
        """Close the record: the command has ended, with whatever result.

        A command that had nothing to do is not recorded.
        """
        record = self.record
        if error is None and not self._begun:
            return
        record.ended, record.result, record.code = utc_now(), "done", 0
        if error is not None:
            record.result, record.code = error.kind, error.exit_code
            record.reason, record.message = error.reason, error.message
        try:
            if (record.command, record.result) == ("apply", "done"):
                self._watch()  # first: after a crash until here, the record is still open
        finally:
            self._close()  # also after Ctrl-C: the command is done

    def _close(self) -> None:
        record = self.record
        try:
            self._fault("before", "end")
            self.journal.close(record)
            self._fault("after", "end")
            if self._begun:
                self.journal.forget(record)
        except LppackError as problem:
            self._warn(problem)
        self._note(record)

    def _watch(self) -> None:
        try:
            guard.watch(self.journal.host, self.record.id, self.record.boot)
        except LppackError as error:
            self._say(
                f"{WARNING}the boot guard is not set: {error.message}; if the machine crashes now, "
                "the patch is not held after it"
            )

    def _begin(self) -> None:
        if self._begun:
            return
        self._fault("before", "begin")
        try:
            self.journal.save(self.record)
        except HostError as error:
            if self.record.command in ("apply", "convert"):
                raise ApplyRefused(
                    f"what is to be done cannot be noted on {self.record.host}, and nothing was "
                    f"changed: {error.message}",
                    hint=f"look at the file system of {FOLDER} there: df {FOLDER}; mount",
                    reason="journal-not-written",
                ) from None
            self._warn(error)  # a revert is allowed nevertheless
        self._begun = True
        self._fault("after", "begin")

    def _save(self) -> None:
        try:
            self.journal.save(self.record)
        except LppackError as error:
            self._warn(error)

    def _warn(self, error: LppackError) -> None:
        if not self._told:
            self._say(f"{WARNING}the journal cannot be written: {error.message}; the work goes on")
        self._told = True
