# SPDX-License-Identifier: MIT
"""What commands meant to do to a host, and how they ended: files on the host itself.

The kernel is the truth; the journal records the intent. A record is in `open` from before the first
change until the command has ended, and in `history` from then on. One that stays in `open` is of a
command that died.
"""

import contextlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from lppack import abi
from lppack.errors import WARNING, ApplyRefused, HostError, LppackError
from lppack.hosts.lock import user_name, utc_now
from lppack.hosts.protocol import Host
from lppack.proc import Say
from lppack.shape import fits
from lppack.stages import guard
from lppack.stages.faults import Fault, no_fault

FOLDER = "/var/lib/lppack"
OPEN, HISTORY = f"{FOLDER}/open", f"{FOLDER}/history"
_KEPT = 500  # records in the history; older ones are removed
_NAME = re.compile(r"\d{8}T\d{6}\.\d{6}Z-\d+\.json")
_LIMIT = 30.0  # seconds for one request


@dataclass(slots=True, kw_only=True)
class JournalRecord:
    """One apply, convert, revert or recover on one host."""

    id: str
    command: str
    host: str
    user: str
    pid: int
    boot: str  # of the host: its boot_id
    began: str
    series: str | None = None  # for revert and convert: as it was typed
    version: int | None = None
    module: str | None = None
    engine: str | None = None
    converts: bool = False  # phase 2 is meant
    bundle: str | None = None  # the name of its file
    sha256: str | None = None  # of that file
    signer: str | None = None  # the allowed signer who has signed it; None: none was required
    ended: str | None = None
    # done; the kind of the error; cut-off; rebooted; crashed. None: not ended
    result: str | None = None
    code: int | None = None  # the exit code; None: the command died
    reason: str | None = None
    message: str | None = None
    steps: list[dict[str, Any]] = field(default_factory=list)

    @property
    def reversing(self) -> bool:
        """True if the command was reverting."""
        return any(step.get("step") in ("unpatch", "convert-off") for step in self.steps)

    def to_json(self) -> dict[str, Any]:
        """One entry of ``records`` of history, and of ``unfinished`` of status."""
        return asdict(self)

    def __str__(self) -> str:
        what = self.bundle or self.series or self.module or ""
        last = f", in step {self.steps[-1].get('step')}" if self.steps else ""
        return f"{self.command} {what} (pid {self.pid}, user {self.user}, since {self.began}){last}"


_TEXT = str | None
_STEP = {"step": str, "module": str, "error": _TEXT}
_SHAPE = {
    **dict.fromkeys(("id", "command", "host", "user", "boot", "began"), str),
    **dict.fromkeys(("series", "module", "engine", "bundle", "sha256", "signer"), _TEXT),
    **dict.fromkeys(("ended", "result", "reason", "message"), _TEXT),
    **dict.fromkeys(("version", "code"), int | None),
    **{"pid": int, "converts": bool, "steps": [_STEP]},
}


class Journal:
    """The records on one host. Raise HostError."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def unfinished(self) -> tuple[JournalRecord, ...]:
        """Return the records of commands that died since the host was booted, the oldest first."""
        boot = boot_id(self.host)
        return tuple(record for record in self._open() if record.boot == boot)

    def lost(self) -> tuple[JournalRecord, ...]:
        """Return the open records of commands that ended with the machine, by reboot or crash."""
        boot = boot_id(self.host)
        return tuple(record for record in self._open() if record.boot != boot)

    def history(self, last: int) -> tuple[JournalRecord, ...]:
        """Return the last records of commands that have ended, the oldest first."""
        crashed = self._crashed()
        found = [self._read(path) for _, path in self._names(HISTORY)[-last:]]
        return tuple(
            _crashed(record) if record.id in crashed else record
            for record in found
            if record is not None
        )

    def _crashed(self) -> tuple[str, ...]:
        return guard.crashed(self.host, boot_id(self.host))

    def _open(self) -> list[JournalRecord]:
        closed = {name for name, _ in self._names(HISTORY)}
        found = (self._read(path) for name, path in self._names(OPEN) if name not in closed)
        return [record for record in found if record is not None]

    def save(self, record: JournalRecord) -> None:
        self._put(f"{OPEN}/{record.id}.json", record)

    def close(self, record: JournalRecord) -> None:
        """Move a record into the history."""
        self._put(f"{HISTORY}/{record.id}.json", record)

    def forget(self, record: JournalRecord) -> None:
        """Remove a closed record from those that are open."""
        self.host.run(["rm", "-f", f"{OPEN}/{record.id}.json"], limit=_LIMIT)

    def cut_off(self, record: JournalRecord, why: str, *, result: str = "cut-off") -> None:
        """Close the record of a command that died."""
        record.ended, record.result, record.message = utc_now(), result, why
        self.close(record)
        self.forget(record)

    def tidy(self) -> None:
        """Close what an earlier boot left open, remove what was closed, and the oldest history."""
        names = self._names(HISTORY)
        closed = {name for name, _ in names}
        boot = boot_id(self.host)
        away = [path for name, path in self._names(OPEN) if name in closed]
        for name, path in self._names(OPEN):
            record = self._read(path) if name not in closed else None
            if record is not None and record.boot != boot:
                self.cut_off(record, "the host was rebooted", result="rebooted")
            elif record is None:
                away.append(path)
        for name in self._crashed():
            record = self._read(f"{HISTORY}/{name}.json")
            if record is not None:
                self.close(_crashed(record))
            away.append(f"{guard.WATCHED}/{name}")
        away += [path for _, path in names[:-_KEPT]]
        if away:
            self.host.run(["rm", "-f", *sorted(set(away))], limit=_LIMIT)

    def _names(self, folder: str) -> list[tuple[str, str]]:
        try:
            names = self.host.list(folder)
        except HostError as error:
            if error.absent:
                return []
            raise
        return [(name, f"{folder}/{name}") for name in sorted(names) if _NAME.fullmatch(name)]

    def _read(self, path: str) -> JournalRecord | None:
        """None: it cannot be read, as after a loss of power in the middle of its first write."""
        try:
            value = json.loads(self.host.read(path))
            return JournalRecord(**value) if fits(value, _SHAPE) else None
        except (ValueError, TypeError):
            return None
        except HostError as error:
            if error.absent:
                return None
            raise

    def _put(self, path: str, record: JournalRecord) -> None:
        put_json(self.host, path, asdict(record))


_CRASHED = "the machine crashed within a minute after it was live"
_WENT_DOWN = "the machine went down while it was being applied"


def followed_by(record: JournalRecord) -> tuple[str, str] | None:
    """Return reason and message, where the machine ended during an apply or just after it."""
    if record.result == guard.CRASHED:
        return guard.CRASHED, _CRASHED
    # Without a result it was cut off, and no command has closed it since.
    return ("went-down", _WENT_DOWN) if record.result in (None, "rebooted") else None


def _crashed(record: JournalRecord) -> JournalRecord:
    return replace(record, result=guard.CRASHED, message=_CRASHED)


def put_json(host: Host, path: str, value: Any) -> None:
    """Write a file on the host, whole or not at all. Raise HostError."""
    put_bytes(host, path, (json.dumps(value, indent=1) + "\n").encode())


def put_bytes(host: Host, path: str, data: bytes) -> None:
    """Write a file on the host, whole or not at all. Raise HostError."""
    # Not a file of /tmp, which a SIGKILL at this moment would leave there.
    handle = os.memfd_create("lppack", os.MFD_CLOEXEC)
    try:
        with open(handle, "wb", closefd=False) as file:
            file.write(data)
        host.put(Path(f"/proc/self/fd/{handle}"), path, mode=0o600)
    finally:
        os.close(handle)


def boot_id(host: Host) -> str:
    return host.read(abi.BOOT_ID).strip()


def new_record(command: str, host: Host, **more: Any) -> JournalRecord:
    now = time.time_ns()
    day = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now // 10**9))
    return JournalRecord(
        id=f"{day}.{now % 10**9 // 1000:06}Z-{os.getpid()}",
        command=command,
        host=host.name,
        user=user_name(),
        pid=os.getpid(),
        boot=boot_id(host),
        began=utc_now(),
        **more,
    )


Note = Callable[[JournalRecord], None]


def unnoted(_record: JournalRecord) -> None:
    """Note nothing elsewhere."""


class Transaction:
    """One record in the making: written before the first step, around each, and at the end."""

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
        """Record one request that changes the host. What it yields may be given an `error`."""
        if self.record.module is None and not name.endswith("-engine"):
            self.record.module = module
        self._begin()
        entry: dict[str, Any] = {"step": name, "module": module, "began": utc_now(), "error": None}
        steps = self.record.steps
        if (
            steps
            and steps[-1]["error"]
            and (steps[-1]["step"], steps[-1]["module"])
            == (
                name,
                module,
            )
        ):
            steps.pop()  # the kernel was not ready: the same is tried again and again
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
        """Close the record: the command has ended by itself, whatever its result.

        A command that found nothing to do is not noted.
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
                self._watch()
            self._fault("before", "end")
            self.journal.close(record)
            self._fault("after", "end")
            if self._begun:
                self.journal.forget(record)
        except LppackError as problem:
            self._warn(problem)
        self._note(record)

    def _watch(self) -> None:
        # Before the record is closed: a crash until then finds it open.
        host = self.journal.host
        if file := guard.watch(host, self.record.id):
            put_bytes(host, file, f"{self.record.boot}\n".encode())

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
            self._warn(error)  # to take a patch back is allowed all the same
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
