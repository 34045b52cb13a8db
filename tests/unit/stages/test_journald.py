# SPDX-License-Identifier: MIT
"""What the journal of systemd is told: a socket in its place, and the real journald."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lppack.consistency import EngineName
from lppack.errors import ApplyRefused, HostError, LppackError
from lppack.resources import render
from lppack.stages import journald
from lppack.stages.agent import AgentOutcome, AgentState, held
from lppack.stages.apply import apply
from lppack.stages.changing import changing
from lppack.stages.journald import (
    DONE,
    REFUSED,
    REVERSED,
    STUCK,
    send,
    send_outcome,
    send_record,
    send_refusal,
)
from lppack.stages.revert import revert
from tests.kit.command import ROOT
from tests.kit.control import KO, MODULE
from tests.kit.fake_kernel import Patch, Thread, info
from tests.kit.journal import record
from tests.kit.mortal import both, mortal
from tests.kit.packages import package_in
from tests.kit.samples import bundle

Fields = dict[str, str]
#: What every command may send.
_FIELDS = {
    *("LPPACK_COMMAND", "LPPACK_HOST", "LPPACK_USER", "LPPACK_SERIES", "LPPACK_VERSION"),
    *("LPPACK_MODULE", "LPPACK_ENGINE", "LPPACK_BUNDLE", "LPPACK_SHA256", "LPPACK_SIGNER"),
    *("LPPACK_RESULT", "LPPACK_CODE", "LPPACK_REASON", "LPPACK_RECORD"),
}


def parsed(data: bytes) -> Fields:
    """As https://systemd.io/JOURNAL_NATIVE_PROTOCOL has it."""
    found: Fields = {}
    while data:
        line, _, data = data.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            size = int.from_bytes(data[:8], "little")
            value, data = data[8 : 8 + size], data[8 + size :]
            assert data.startswith(b"\n")
            data = data[1:]
        assert name.decode() not in found
        found[name.decode()] = value.decode()
    return found


class Heard:
    def __init__(self, journal: socket.socket) -> None:
        self._journal = journal

    def all(self) -> list[Fields]:
        found = []
        while True:
            try:
                found.append(parsed(self._journal.recv(1 << 20)))
            except BlockingIOError:
                return found


@pytest.fixture
def heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Heard]:
    path = str(tmp_path / "socket")
    monkeypatch.setattr(journald, "SOCKET", path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(path)
        journal.setblocking(False)
        yield Heard(journal)


def test_apply_revert_and_a_reversal(heard: Heard, tmp_path: Path) -> None:
    host, made = mortal(tmp_path), bundle()
    host.modules[MODULE] = Patch(info=info())
    control = both(host, EngineName.LIVEPATCH)
    intent = {"series": made.series, "version": 2, "module": MODULE, "sha256": "ab"}
    with changing(control, "apply x.lpp", intent, note=send_record) as alone:
        apply(alone, made, KO)
    with changing(control, "revert conn-limit", {"series": made.series}, note=send_record) as alone:
        revert(alone, made.series)
    with changing(control, "revert conn-limit", {"series": made.series}, note=send_record):
        pass
    told = heard.all()
    assert [one["MESSAGE_ID"] for one in told] == [DONE["apply"], DONE["revert"]]
    assert [one["LPPACK_SERIES"] for one in told] == ["conn-limit"] * 2
    assert told[0]["LPPACK_SHA256"] == "ab"
    host.kernel.blocked[True] = (Thread(700, 700, "spin", state="R"),)
    host.modules[MODULE] = Patch(info=info())
    with (
        pytest.raises(LppackError),
        changing(control, "apply x.lpp", intent, note=send_record) as alone,
    ):
        apply(replace(alone, timeout=1.0), made, KO)
    [last] = heard.all()
    assert (last["MESSAGE_ID"], last["PRIORITY"]) == (REVERSED, "4")
    assert (last["LPPACK_RESULT"], last["LPPACK_CODE"]) == ("reversed", "7")


def test_a_command_sends_each_field(heard: Heard) -> None:
    whole = record("apply", version=2, module=MODULE, engine="x", code=6, reason="r")
    send_record(replace(whole, bundle="b", sha256="s", signer="a"))
    [told] = heard.all()
    assert {name for name in told if name.startswith("LPPACK_")} == _FIELDS


def test_what_is_told_of_a_command(heard: Heard) -> None:
    for command in DONE:
        send_record(record(command, version=2, module=MODULE, code=0, engine=None))
    told = heard.all()
    assert [one["MESSAGE_ID"] for one in told] == list(DONE.values())
    assert told[0] == {
        "MESSAGE": "apply conn-limit 2 on local: done",
        "MESSAGE_ID": DONE["apply"],
        "PRIORITY": "5",
        "SYSLOG_IDENTIFIER": "lppack",
        "LPPACK_COMMAND": "apply",
        "LPPACK_HOST": "local",
        "LPPACK_USER": "root",
        "LPPACK_SERIES": "conn-limit",
        "LPPACK_VERSION": "2",
        "LPPACK_MODULE": MODULE,
        "LPPACK_RESULT": "done",
        "LPPACK_CODE": "0",
        "LPPACK_RECORD": "x",
    }


@pytest.mark.parametrize(("code", "event"), [(6, REFUSED), (9, REFUSED), (7, REVERSED), (8, STUCK)])
def test_what_did_not_end_well(heard: Heard, code: int, event: str) -> None:
    send_record(record("apply", code=code, result="x", reason="why", message="one\ntwo\n\n=x"))
    [told] = heard.all()
    assert (told["MESSAGE_ID"], told["LPPACK_REASON"]) == (event, "why")
    assert told["MESSAGE"].endswith(": one\ntwo\n\n=x"), "no line of it becomes a field"


def test_an_agent_tells_what_it_refuses(heard: Heard) -> None:
    one = AgentOutcome(file="f.lpp", series="s", version=1, state=AgentState.WANTED)
    send_outcome(one, "local")
    send_outcome(one.with_error(ApplyRefused("no", reason="older-index")), "local")
    send_outcome(held(one, "crashed", "it crashed", None), "local")
    told, crashed = heard.all()
    assert (told["LPPACK_COMMAND"], told["LPPACK_REASON"]) == ("agent", "older-index")
    assert (crashed["MESSAGE"], crashed["MESSAGE_ID"]) == (
        "agent f.lpp on local: held: it crashed",
        REFUSED,
    )
    assert (crashed["LPPACK_RESULT"], crashed["LPPACK_CODE"]) == ("held", "6")


def test_an_agent_tells_why_it_has_looked_at_no_bundle(heard: Heard) -> None:
    send_refusal(ApplyRefused("no", reason="changed-index"), "local")
    send_refusal(HostError("/sys", 5), "local")
    told = heard.all()
    assert [one["MESSAGE_ID"] for one in told] == [REFUSED, STUCK]
    assert (told[0]["LPPACK_REASON"], told[0]["MESSAGE"]) == ("changed-index", "agent on local: no")


def test_message_ids_are_told_apart() -> None:
    ids = [*DONE.values(), REFUSED, REVERSED, STUCK]
    assert len({*ids}) == len(ids) and all(len(bytes.fromhex(one)) == 16 for one in ids)
    page = (ROOT / "docs/operators.md").read_text()
    assert all(one in page for one in ids)


def test_without_a_journal_nothing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("absent", "x" * 300):
        monkeypatch.setattr(journald, "SOCKET", str(tmp_path / place))
        send({"MESSAGE": "x"})


@pytest.mark.slow
def test_one_that_does_not_read_is_not_waited_for(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journald, "_SECONDS", 0.01)
    for _ in range(300):  # more than a socket keeps
        send({"MESSAGE": "x"})
    assert 0 < len(heard.all()) < 300


_REAL = f"""
mount -t tmpfs none /run && mkdir -p /run/systemd/journal /run/log/journal
/lib/systemd/systemd-journald & pid=$!
until [ -S /run/systemd/journal/socket ]; do sleep 0.1; done
{sys.executable} -c '
from tests.kit.journal import record
from lppack.stages.journald import send_record
send_record(record("apply", version=2, code=7, result="reversed", message="one\\ntwo"))'
until journalctl -D /run/log/journal -o json MESSAGE_ID={REVERSED} | grep .; do sleep 0.1; done
kill $pid
"""


@pytest.mark.slow  # and only root can start it
def test_the_real_journald_takes_it() -> None:
    words = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "timeout", "60", "sh", "-c"]
    done = subprocess.run([*words, _REAL], cwd=ROOT, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[0])
    assert (told["LPPACK_SERIES"], told["LPPACK_CODE"]) == ("conn-limit", "7")
    assert told["MESSAGE"] == "apply conn-limit 2 on local: reversed: one\ntwo"


_SCRIPT = """
mount -t tmpfs none /run && mkdir -p /run/systemd/journal /run/log/journal
/lib/systemd/systemd-journald & pid=$!
until [ -S /run/systemd/journal/socket ]; do sleep 0.1; done
sed '/^COMMAND=apply/,$d' livepatch > functions
. ./functions
COMMAND=apply
event 0
(die 6 kernel-refused "insmod: no
LPPACK_CODE=0") && exit 1
COMMAND=revert
event 7 "" "was not unpatched"
event 8 "" "no"
until journalctl -D /run/log/journal MESSAGE_ID=$STUCK | grep .; do sleep 0.1; done > /dev/null
journalctl -D /run/log/journal -o json -t lppack
kill $pid
"""


@pytest.mark.slow  # and only root can start it
def test_a_package_sends_what_lppack_sends(tmp_path: Path) -> None:
    """By logger(1), to the real journald, and with the fields of send_record()."""
    made = package_in(tmp_path)
    (tmp_path / "livepatch").write_text(render("package/livepatch.j2", package=made))
    words = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "timeout", "60", "sh", "-c"]
    done = subprocess.run(
        [*words, _SCRIPT], cwd=tmp_path, capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    ends = [
        (DONE["apply"], "done", "0", None),
        (REFUSED, "refused", "6", "kernel-refused"),
        (REVERSED, "reversed", "7", "reversed"),
        (STUCK, "stuck", "8", "stuck"),
    ]
    for one, (event, result, code, reason) in zip(told, ends, strict=True):
        assert one["MESSAGE_ID"] == event
        assert (one["LPPACK_RESULT"], one["LPPACK_CODE"]) == (result, code)
        assert one.get("LPPACK_REASON") == reason
        own = {name for name in one if name.startswith("LPPACK_")}
        assert own | {"LPPACK_REASON"} == _FIELDS - {"LPPACK_RECORD", "LPPACK_SIGNER"}
    assert told[1]["MESSAGE"] == ("apply conn-limit 2 on local: refused: insmod: no LPPACK_CODE=0")
    assert told[0]["LPPACK_SHA256"] == made.sha256
