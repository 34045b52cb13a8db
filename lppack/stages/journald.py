# SPDX-License-Identifier: MIT
"""Events for the journal of systemd, with fields, on the machine on which lppack runs.

https://systemd.io/JOURNAL_NATIVE_PROTOCOL. Without such a journal, nothing is sent.
"""

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from lppack.errors import UNCHANGED, LppackError
from lppack.stages.journal import JournalRecord

if TYPE_CHECKING:
    from lppack.stages.agent import AgentOutcome

SOCKET = "/run/systemd/journal/socket"
_SECONDS = 1.0  # seconds to wait for a journal that does not read
_LONGEST = 4096  # characters of a value; a datagram has about 200 KiB
_ERROR, _WARNING, _NOTICE = 3, 4, 5  # syslog(3)

#: MESSAGE_ID for each result of a command: random, and never changed (journalctl MESSAGE_ID=...).
DONE = {
    "apply": "f348984e6b4a41e5b7be600d6b678917",
    "convert": "0ff353447ad74369b4c562b7d4981efd",
    "revert": "59d1f0b765074c5ebf247bae6ed034c3",
    "recover": "1259457f8c9a42d9ad09f24a73694653",
}
REVERSED = "cf4bcc679a1743b69dfa6407cfe3abd5"  # the host is as before
REFUSED = "0b00690c41054c0d8cd32c3b7c1c010e"  # nothing was changed
STUCK = "028ce4d370f34e42ab3d357b427c83aa"  # needs a person's attention
#: MESSAGE_ID by the exit code of the command; for other codes: STUCK.
_ENDS = {7: (REVERSED, _WARNING), **dict.fromkeys(UNCHANGED, (REFUSED, _WARNING))}


def send(fields: Mapping[str, object]) -> None:
    """Send one event; fields with the value None are omitted."""
    import socket  # late: it is slow to import, and the patch is live by then

    data = b"".join(
        _field(name, str(value)[:_LONGEST]) for name, value in fields.items() if value is not None
    )
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.settimeout(_SECONDS)
        journal.sendto(data, SOCKET)


def _field(name: str, value: str) -> bytes:
    data = value.encode("utf-8", "replace")
    if b"\n" not in data:
        return b"%s=%s\n" % (name.encode(), data)
    return b"%s\n%s%s\n" % (name.encode(), len(data).to_bytes(8, "little"), data)


def send_record(record: JournalRecord) -> None:
    """Send the result of a command."""
    code = record.code or 0
    done = DONE.get(record.command, REFUSED), _NOTICE
    event, priority = _ENDS.get(code, (STUCK, _ERROR)) if code else done
    name = f"{record.series} {record.version}" if record.version is not None else record.series
    text = f"{record.command} {name or record.module or ''}".rstrip()
    why = f": {record.message}" if record.message else ""
    send(
        {
            "MESSAGE": f"{text} on {record.host}: {record.result}{why}",
            "MESSAGE_ID": event,
            "PRIORITY": priority,
            "SYSLOG_IDENTIFIER": "lppack",
            "LPPACK_COMMAND": record.command,
            "LPPACK_HOST": record.host,
            "LPPACK_USER": record.user,
            "LPPACK_SERIES": record.series,
            "LPPACK_VERSION": record.version,
            "LPPACK_MODULE": record.module,
            "LPPACK_ENGINE": record.engine,
            "LPPACK_BUNDLE": record.bundle,
            "LPPACK_SHA256": record.sha256,
            "LPPACK_SIGNER": record.signer,
            "LPPACK_RESULT": record.result,
            "LPPACK_CODE": code,
            "LPPACK_REASON": record.reason,
            "LPPACK_RECORD": record.id,
        }
    )


def send_outcome(outcome: "AgentOutcome", host: str) -> None:
    """Send why an agent has not begun with a bundle; an apply that has begun sends its own
    event."""
    from lppack.stages.agent import AgentState

    if outcome.state not in (AgentState.REFUSED, AgentState.HELD):
        return
    send(
        {
            "MESSAGE": f"agent {outcome.file} on {host}: {outcome.state}: {outcome.message}",
            "MESSAGE_ID": REFUSED,
            "PRIORITY": _WARNING,
            "SYSLOG_IDENTIFIER": "lppack",
            "LPPACK_COMMAND": "agent",
            "LPPACK_HOST": host,
            "LPPACK_SERIES": outcome.series,
            "LPPACK_VERSION": outcome.version,
            "LPPACK_BUNDLE": outcome.file,
            "LPPACK_RESULT": outcome.state.value,
            "LPPACK_CODE": outcome.code,
            "LPPACK_REASON": outcome.reason,
        }
    )


def send_refusal(error: LppackError, host: str) -> None:
    """Send why an agent has checked no bundle: an error of its index, its policy or the machine."""
    event, priority = _ENDS.get(error.exit_code, (STUCK, _ERROR))
    send(
        {
            "MESSAGE": f"agent on {host}: {error.message}",
            "MESSAGE_ID": event,
            "PRIORITY": priority,
            "SYSLOG_IDENTIFIER": "lppack",
            "LPPACK_COMMAND": "agent",
            "LPPACK_HOST": host,
            "LPPACK_RESULT": error.kind,
            "LPPACK_CODE": error.exit_code,
            "LPPACK_REASON": error.reason,
        }
    )
