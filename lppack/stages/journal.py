# SPDX-License-Identifier: MIT
"""The journal: what commands intended to do on a host, and their results, in files on that host.

The state comes from the kernel; the journal records only the intent. A command writes its record to
`open` before its first change, and moves it to `history` when it ends. A record that stays in
`open` belongs to a command that died.
"""

import os
import re
import time
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from lppack import abi
from lppack.errors import HostError
from lppack.hosts.lock import user_name, utc_now
from lppack.hosts.protocol import Host
from lppack.hosts.put import put_json
from lppack.shape import fits, read_json
from lppack.stages import guard

FOLDER = "/var/lib/lppack"
OPEN, HISTORY = f"{FOLDER}/open", f"{FOLDER}/history"
_KEPT = 500  # records in the history; older ones are removed
_NAME = re.compile(rf"{guard.RECORD}\.json")
_LIMIT = 30.0  # seconds for one request


@dataclass(slots=True, kw_only=True)
class JournalRecord:
    """One apply, convert, revert or recover on one host."""

    id: str
    command: str
    host: str
    user: str
    pid: int
    boot: str  # boot_id of the host
    began: str
    series: str | None = None  # for revert and convert: as the user typed it
    version: int | None = None
    module: str | None = None
    engine: str | None = None
    converts: bool = False  # phase 2 is intended
    bundle: str | None = None  # the name of its file
    sha256: str | None = None  # of that file
    signer: str | None = None  # allowed signer of the bundle; None: no signature was required
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


def _is_record(value: Any) -> bool:
    return fits(value, _SHAPE) and all(
        {"step", "module"} <= step.keys() for step in value.get("steps", ())
    )


class Journal:
    """The records on one host. Raise HostError."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def unfinished(self) -> tuple[JournalRecord, ...]:
        """Return the records of commands that died since the host booted, the oldest first."""
        boot = boot_id(self.host)
        return tuple(record for record in self._open() if record.boot == boot)

    def lost(self) -> tuple[JournalRecord, ...]:
        """Return the open records of commands that a reboot or crash of the machine ended."""
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
        """Remove a closed record from the open ones."""
        self.host.run(["rm", "-f", f"{OPEN}/{record.id}.json"], limit=_LIMIT)

    def cut_off(self, record: JournalRecord, why: str, *, result: str = "cut-off") -> None:
        """Close the record of a command that died."""
        record.ended, record.result, record.message = utc_now(), result, why
        self.close(record)
        self.forget(record)

    def tidy(self) -> None:
        """Close open records of earlier boots; remove closed records from `open`, and the oldest
        history."""
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
        """Read a record; None if it cannot be read, as after a power failure during its first
        write."""
        try:
            value = read_json(self.host.read(path))
            return JournalRecord(**value) if _is_record(value) else None
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
    """Return a reason and a message if the machine went down during an apply or just after it."""
    if record.result == guard.CRASHED:
        return guard.CRASHED, _CRASHED
    # A record without a result was interrupted, and no command has closed it since.
    return ("went-down", _WENT_DOWN) if record.result in (None, "rebooted") else None


def _crashed(record: JournalRecord) -> JournalRecord:
    return replace(record, result=guard.CRASHED, message=_CRASHED)


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
