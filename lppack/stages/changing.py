# SPDX-License-Identifier: MIT
"""Frame of a command that changes a host: lock, journal, and removal of leftovers."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from lppack.abi import PatchPhase
from lppack.consistency import EngineName
from lppack.engines.kernel import KernelEngines
from lppack.errors import WARNING, HostError, LppackError
from lppack.hosts.protocol import Host
from lppack.proc import Say
from lppack.stages.drive import Control, answered
from lppack.stages.faults import Fault, no_fault
from lppack.stages.journal import Journal, JournalRecord, new_record
from lppack.stages.stepped import SteppedHost
from lppack.stages.sweep import sweep
from lppack.stages.transaction import Note, Transaction, unnoted


@contextlib.contextmanager
def changing(
    control: Control,
    command: str,
    intent: Mapping[str, Any],
    *,
    wait: float = 0.0,
    fault: Fault = no_fault,
    note: Note = unnoted,
) -> Iterator[Control]:
    """Yield a Control for ``command``; ``intent`` contains fields of its JournalRecord.

    ``note`` is called with that record at the end.

    Raise ApplyRefused if another command changes the host for longer than ``wait`` seconds, or if
    the host does not answer. A host that no other command can reach has neither a lock nor a
    journal.
    """
    host = control.host
    if host.lock is None:
        yield control
        return
    if wait and (holder := host.lock.holder()):
        control.say(f"waiting for {holder}")
    with host.lock.hold(f"lppack {command}", wait=wait):
        journal = Journal(host)
        answered(control, lambda: _prepare(host, journal, control.say))
        if command != "recover":
            answered(control, lambda: _name_unfinished(host, journal, control.say))
        record = answered(control, lambda: new_record(command.split()[0], host, **intent))
        transaction = Transaction(journal, record, say=control.say, fault=fault, note=note)
        stepped = SteppedHost(host, transaction)
        engine = KernelEngines(stepped, EngineName(control.engine.name))
        try:
            yield replace(control, host=stepped, engine=engine)
        except LppackError as error:
            transaction.end(error)
            raise
        transaction.end()
        _resolve(control, journal, record)


def _prepare(host: Host, journal: Journal, say: Say) -> None:
    sweep(host, say)
    journal.tidy()


def _name_unfinished(host: Host, journal: Journal, say: Say) -> None:
    for record in journal.unfinished():
        say(f"{WARNING}unfinished: {record}; to complete it: lppack recover --on {host.name}")


def _resolve(control: Control, journal: Journal, done: JournalRecord) -> None:
    """Close the records of commands that died, if ``done`` has completed their work."""
    try:
        for record in journal.unfinished():
            same = done.command == "recover" or record.module in (None, done.module)
            if same or control.engine.state(str(record.module)).phase is PatchPhase.ABSENT:
                journal.cut_off(record, f"{done.id} has completed its work")
    except HostError as error:
        control.say(f"{WARNING}the journal cannot be written: {error.message}")
