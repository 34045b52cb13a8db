# SPDX-License-Identifier: MIT
"""How commands speak: results on stdout, progress and errors on stderr."""

import json

import pytest

from lppack.cli.output import (
    build_log,
    error_json,
    problem_json,
    progress,
    result,
    show_error,
    table,
)
from lppack.errors import ApplyStuck, BuildFailed, Level, ManifestError, Problem

PROBLEM = Problem(
    file="m.yaml", line=2, column=3, level=Level.ERROR, rule="r", message="is wrong", hint="do"
)
Capture = pytest.CaptureFixture[str]


def test_a_result_is_one_object_on_stdout(capsys: Capture) -> None:
    result({"a": [1], "b": "\u00e9"})
    said = capsys.readouterr()
    assert json.loads(said.out) == {"a": [1], "b": "\u00e9"}
    assert said.err == ""


def test_an_error_has_its_code_reason_and_way_out(capsys: Capture) -> None:
    error = ApplyStuck("it hangs", hint="wait", reason="hung", report={"patches": [], "ok": True})
    value = error_json(error)
    assert value["ok"] is False, "whatever the report says"
    assert value["patches"] == []
    assert value["error"]["code"] == error.exit_code
    assert (value["error"]["reason"], value["error"]["hint"]) == ("hung", "wait")
    show_error(error, as_json=False)
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "lppack: it hangs\n  hint: wait\n")
    show_error(error, as_json=True)
    said = capsys.readouterr()
    assert said.err == "" and json.loads(said.out) == value


def test_of_a_manifest_each_problem_is_shown(capsys: Capture) -> None:
    show_error(ManifestError([PROBLEM, PROBLEM]), as_json=False)
    err = capsys.readouterr().err
    assert err.count("m.yaml:2:3: error[r]: is wrong\n  hint: do\n") == 2
    assert "lppack:" not in err
    assert problem_json(PROBLEM) == {
        **{"file": "m.yaml", "line": 2, "column": 3, "level": "error"},
        **{"rule": "r", "message": "is wrong", "hint": "do"},
    }


def test_where_nobody_looks_progress_is_plain_lines(capfd: Capture) -> None:
    with progress("title") as tell:
        tell("[one] step")
        tell("another")
    assert capfd.readouterr().err == "[one] step\nanother\n"


def test_lines_of_a_build_are_shown_only_if_it_fails(capsys: Capture) -> None:
    with build_log("building") as line:
        line("CC a.o")
    assert capsys.readouterr().err == ""
    with pytest.raises(BuildFailed), build_log("building") as line:
        line("a.c:1: error")
        raise BuildFailed("no")
    assert capsys.readouterr().err == "  | a.c:1: error\n"


def test_columns_are_as_wide_as_they_need_to_be(capsys: Capture) -> None:
    table([("a", "bb", "c"), ("aaa", "b", "")])
    assert capsys.readouterr().out == "a    bb  c\naaa  b\n"
    table([])
    assert capsys.readouterr().out == ""


def test_no_line_moves_a_terminals_cursor(capfd: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is shown may come from a host, a bundle or a file of somebody else."""
    line = "x\x1b]0;title\x07\x9b2J\ud800"
    show_error(ApplyStuck(line, hint=line), as_json=False)
    with progress("title") as tell:
        tell(line)
    monkeypatch.setattr("lppack.cli.output.is_quiet", lambda: True)
    with progress("title") as tell:
        tell(f"warning: {line}")
    table([(line, line)])
    said = capfd.readouterr()
    assert (said.out + said.err).count("x\ufffd]0;title\ufffd\ufffd2J\ufffd") == 6
    assert not {"\x1b", "\x07", "\x9b"} & {*said.out, *said.err}
