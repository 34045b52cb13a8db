# SPDX-License-Identifier: MIT
"""The journal on the host: what is there at which moment, and where it cannot be written."""

import errno
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from lppack import abi
from lppack.abi import PatchPhase
from lppack.cli.history import _lines as history_lines
from lppack.cli.patches import left_undone
from lppack.consistency import EngineName
from lppack.engines.kernel import KernelEngines
from lppack.engines.modules import DROP
from lppack.errors import AnswerIsNo, ApplyRefused, HostError
from lppack.hosts.protocol import Ran
from lppack.stages import journal
from lppack.stages.changing import changing
from lppack.stages.health import require_live
from lppack.stages.host_status import host_json, host_status
from lppack.stages.journal import FOLDER, HISTORY, OPEN, Journal, new_record
from lppack.stages.revert import revert
from lppack.stages.stepped import SteppedHost, _module
from tests.kit.command import check_shape
from tests.kit.control import MODULE, control, patched
from tests.kit.fake_kernel import FakeHost
from tests.kit.mortal import Mortal, both, history, look, mortal, recovered, run

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
    from lppack.stages.host_status import record_json

    return record_json(history(host)[0])


class Full(Mortal):
    """The journal's file system is full."""

    def put(self, source: Path, path: str, *, mode: int = 0o644) -> None:
        if path.startswith(FOLDER):
            raise HostError(path, errno.ENOSPC)
        super().put(source, path, mode=mode)


def test_without_a_journal_nothing_is_applied_and_revert_still_works(tmp_path: Path) -> None:
    host = mortal(tmp_path)
    host.__class__ = Full
    with pytest.raises(ApplyRefused) as caught:
        run(host, ENGINE, "apply")
    assert caught.value.reason == "journal-not-written"
    assert host.kernel.log == []
    host.kernel.patches[MODULE] = patched()
    said: list[str] = []
    with changing(control(host, said.append), "revert conn-limit", {}) as alone:
        assert revert(alone, "conn-limit").phase is PatchPhase.ABSENT
    assert len([line for line in said if "the journal cannot be written" in line]) == 1


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


def test_the_oldest_history_goes(host: Mortal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_KEPT", 3)
    for _ in range(3):
        run(host, ENGINE, "apply")
        run(host, ENGINE, "revert")
    assert len(history(host)) == 4, "the last command's came after it had tidied up"


def test_another_commands_patch_settles_what_died_before_anything(host: Mortal) -> None:
    """The record of an apply of another series that never came to the kernel is closed."""
    Journal(host).save(new_record("apply", host, module="lppack_other_1", series="other"))
    said: list[str] = []
    with changing(control(host, said.append), "revert x", {}):
        pass
    assert "the way on is: lppack recover --on fake" in said[0]
    assert [record.result for record in history(host)] == ["cut-off"]


def test_status_names_the_command_that_is_at_work(host: Mortal) -> None:
    with changing(both(host, ENGINE), "apply x.lpp", {}):
        found = look(host, ENGINE)
        assert found.at_work is not None
        assert found.at_work.command == "lppack apply x.lpp"
        assert found.next == f"wait for {found.at_work}"
        assert left_undone(found)[0].startswith("at work: lppack apply x.lpp (pid ")
        check_shape("patches", {"ok": True, "patches": [], **host_json(found)})
    assert look(host, ENGINE).at_work is None


def test_check_finds_what_is_unfinished(host: Mortal) -> None:
    Journal(host).save(new_record("apply", host, module=MODULE, bundle="x.lpp"))
    with pytest.raises(AnswerIsNo) as caught:
        require_live(host_status(KernelEngines(host), host))
    assert caught.value.reason == "unfinished"
    assert caught.value.hint == "lppack recover --on fake"
    assert caught.value.report is not None
    check_shape("patches", {"ok": False, **caught.value.report})


def test_leftovers_beside_a_patch_are_named_and_swept(host: Mortal) -> None:
    host.dropped[f"{DROP}/lppack_x_1.ko"] = Path("x")
    host.kernel.engine_api = abi.ENGINE_API
    found = look(host, ENGINE)
    assert found.leftovers == (
        f"{DROP}/lppack_x_1.ko was left by a command that died",
        "lppack_engine is loaded, and no patch needs it",
    )
    assert found.next == "lppack recover --on fake"
    recovered(host, ENGINE)
    assert host.dropped == {}
    assert host.kernel.engine_api is None
    assert history(host) == (), "to sweep is no change of a patch"


def test_an_engine_with_a_patch_is_no_leftover(tmp_path: Path) -> None:
    host = mortal(tmp_path)
    run(host, EngineName.CONSISTENCY, "apply")
    assert look(host, EngineName.CONSISTENCY).leftovers == ()
    recovered(host, EngineName.CONSISTENCY)
    assert host.kernel.engine_api is not None


def test_every_request_that_changes_a_host_is_a_step(host: Mortal) -> None:
    """A program that is not known to look only is one, too."""

    class Any(FakeHost):
        def run(self, argv: Sequence[str], *, limit: float) -> Ran:
            return Ran(rc=0, out="", err="")

    taken = []
    journal_ = Journal(host)
    made = journal.Transaction(
        journal_,
        new_record("apply", host),
        say=lambda _line: None,
        fault=lambda when, step: taken.append(step) if when == "before" else None,
    )
    stepped = SteppedHost(Any(host.kernel), made)
    for words in (["modprobe", "x"], ["dmesg"], ["sh", "-c", "x"]):
        stepped.run(words, limit=1)
    assert taken == ["begin", "modprobe"]


@pytest.mark.parametrize(
    "path",
    [
        f"{DROP}/lppack_x_1.ko",
        "lppack_x_1",
        abi.patch_attribute("lppack_x_1", "enabled"),
        abi.engine_attribute("lppack_x_1", "enabled"),
        abi.parameter("lppack_x_1", "convert"),
        abi.unload_attribute("lppack_x_1", "unload"),
    ],
)
def test_each_request_is_about_a_module(path: str) -> None:
    assert _module(path) == "lppack_x_1"
