# SPDX-License-Identifier: MIT
"""The journal on the host: what is there at which moment, and where it cannot be written."""

import json
from pathlib import Path

import pytest

from lppack.cli.history import _lines as history_lines
from lppack.consistency import EngineName
from lppack.engines.kernel import KernelEngines
from lppack.errors import AnswerIsNo, ApplyRefused
from lppack.stages import journal
from lppack.stages.health import require_live
from lppack.stages.host_status import host_status
from lppack.stages.journal import HISTORY, OPEN, Journal, new_record
from tests.kit.command import check_shape
from tests.kit.control import MODULE
from tests.kit.fake_kernel import FakeHost
from tests.kit.mortal import Mortal, history, look, mortal, run

ENGINE = EngineName.LIVEPATCH


@pytest.fixture
def host(tmp_path: Path) -> Mortal:
    return mortal(tmp_path)


def test_the_intent_is_there_before_each_step_and_its_end_after(host: Mortal) -> None:
    seen = []

    def look_at(when: str, step: str) -> None:
        found = [json.loads(text) for path, text in host.stored.items() if path.startswith(OPEN)]
        if step not in ("begin", "end"):
            last = found[0]["steps"][-1]
            assert (last["step"], "ended" in last) == (step, when == "after")
            seen.append(step)

    run(host, ENGINE, "apply", look_at)
    assert list(dict.fromkeys(seen)) == ["put", "insmod", "remove-file", "convert-on"]
    assert [path for path in host.stored if path.startswith(OPEN)] == []
    (record,) = history(host)
    assert (record.command, record.result, record.code, record.module) == (
        *("apply", "done", 0),
        MODULE,
    )


def test_a_refusal_is_history_too(host: Mortal) -> None:
    host.kernel.refuses = "Invalid module format"
    with pytest.raises(ApplyRefused):
        run(host, ENGINE, "apply")
    (record,) = history(host)
    assert (record.result, record.code, record.reason) == ("refused", 6, "kernel-refused")
    text = "\n".join(history_lines(record))
    assert "apply conn-limit 2: refused (exit code 6: kernel-refused), by " in text
    assert "Invalid module format" in text
    shown = json.loads(json.dumps({"ok": True, "host": "fake", "records": [_json(host)]}))
    check_shape("history", shown)


def _json(host: FakeHost) -> object:

    return history(host)[0].to_json()


def test_what_an_earlier_boot_left_open_is_not_unfinished(host: Mortal) -> None:
    record = new_record("apply", host, module=MODULE)
    Journal(host).save(record)
    assert [each.id for each in look(host, ENGINE).unfinished] == [record.id]
    host.kernel.boot = "second"
    assert look(host, ENGINE).unfinished == ()
    run(host, ENGINE, "apply")
    first, second = history(host)
    assert (first.id, first.result) == (record.id, "rebooted")
    assert second.result == "done"


def test_a_record_that_cannot_be_read_stops_nothing(host: Mortal) -> None:
    name = f"{new_record('apply', host).id}.json"
    host.stored[f"{OPEN}/{name}"] = ""
    host.stored[f"{HISTORY}/{name.replace('.json', '1.json')}"] = '{"id": 1}'
    assert look(host, ENGINE).unfinished == ()
    run(host, ENGINE, "apply")
    assert [path for path in host.stored if path.startswith(OPEN)] == []


@pytest.mark.parametrize(
    "more",
    [{"steps": [{}]}, {"steps": [{"step": "load"}]}, {"code": 10**400}, {"version": 2**64}],
    ids=str,
)
def test_a_record_that_cannot_be_is_none(host: Mortal, more: dict[str, object]) -> None:
    record = new_record("apply", host).to_json() | {"result": "done", "code": 1}
    path = f"{HISTORY}/{record['id']}.json"
    for text in (json.dumps(record | more), "[" * 200_000, json.dumps(record | {"steps": 1})):
        host.stored[path] = text
        assert history(host) == ()
    step = {"step": "load", "module": "x\x1b[2J"}
    host.stored[path] = json.dumps(record | {"steps": [step], "message": "a\nb\x9b"})
    [found] = history(host)
    assert (found.steps[0]["module"], found.message) == ("x\ufffd[2J", "a\nb\ufffd")


def test_the_oldest_history_goes(host: Mortal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_KEPT", 3)
    for _ in range(3):
        run(host, ENGINE, "apply")
        run(host, ENGINE, "revert")
    assert len(history(host)) == 4, "the last command's came after it had tidied up"


def test_check_finds_what_is_unfinished(host: Mortal) -> None:
    Journal(host).save(new_record("apply", host, module=MODULE, bundle="x.lpp"))
    with pytest.raises(AnswerIsNo) as caught:
        require_live(host_status(KernelEngines(host), host))
    assert caught.value.reason == "unfinished"
    assert caught.value.hint == "lppack recover --on fake"
    assert caught.value.report is not None
    check_shape("patches", {"ok": False, **caught.value.report})
