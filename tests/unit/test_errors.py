# SPDX-License-Identifier: MIT
import errno
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import lppack
from lppack import errors
from lppack.cli.help import _exit_codes
from lppack.errors import HostError, Level, LppackError, ManifestError, Problem

#: design.md 5: what the exit code says of the target.
CODES: dict[type[LppackError], int] = {
    errors.ManifestError: 3,
    errors.EnvironmentMissing: 4,
    errors.BuildFailed: 5,
    errors.ApplyRefused: 6,
    errors.ApplyReversed: 7,
    errors.ApplyStuck: 8,
    errors.AnswerIsNo: 9,
    errors.NotConverted: 10,
    errors.Interrupted: 130,
}


@pytest.mark.parametrize(("error", "code"), CODES.items(), ids=str)
def test_the_exit_code_is_the_designs(error: type[LppackError], code: int) -> None:
    assert error.exit_code == code


def test_each_has_an_exit_code_of_its_own() -> None:
    assert len({error.exit_code for error in CODES}) == len(CODES)


def test_what_is_not_foreseen_is_a_bug() -> None:
    assert LppackError("x").exit_code == 1
    assert LppackError("x").kind == "bug"


def test_a_host_that_fails_in_the_middle_leaves_a_target_to_look_at() -> None:
    assert HostError("/sys/x", errno.EIO).exit_code == 8
    assert errors.LostHost("gone").exit_code == 8


def _below(error: type[LppackError]) -> Iterator[type[LppackError]]:
    for child in error.__subclasses__():
        yield child
        yield from _below(child)


def _all() -> list[type[LppackError]]:
    for module in pkgutil.walk_packages(lppack.__path__, "lppack."):
        if module.name != "lppack.__main__":
            importlib.import_module(module.name)
    return [error for error in _below(LppackError) if error.__module__.startswith("lppack.")]


def test_every_error_says_what_it_promises_and_what_it_is() -> None:
    found = _all()
    assert len(found) > len(CODES)
    for error in found:
        assert error.exit_code in CODES.values(), error
        assert error.__doc__, error
        assert error.kind != "bug", error


def test_kinds_tell_errors_apart() -> None:
    kinds = [error.kind for error in _all()]
    assert len(set(kinds)) == len(kinds)


def problem(line: int, column: int, rule: str, *, file: str = "m.yaml") -> Problem:
    return Problem(
        file=file, line=line, column=column, level=Level.ERROR, rule=rule, message="is wrong"
    )


def test_a_problem_reads_like_a_compilers_message() -> None:
    one = Problem(
        file="m.yaml",
        line=9,
        column=13,
        level=Level.WARNING,
        rule="function-exists",
        message='"f" is not in vmlinux',
        hint='did you mean "g"?',
    )
    assert str(one) == (
        'm.yaml:9:13: warning[function-exists]: "f" is not in vmlinux\n  hint: did you mean "g"?'
    )
    assert str(problem(1, 2, "x")) == "m.yaml:1:2: error[x]: is wrong"


def test_problems_come_in_the_order_of_the_file() -> None:
    given = [
        problem(10, 1, "a"),
        problem(2, 5, "b"),
        problem(2, 5, "a"),
        problem(2, 1, "z"),
        problem(99, 1, "a", file="a.yaml"),
    ]
    error = ManifestError(given)
    assert [(p.file, p.line, p.column, p.rule) for p in error.problems] == [
        ("a.yaml", 99, 1, "a"),
        ("m.yaml", 2, 1, "z"),
        ("m.yaml", 2, 5, "a"),
        ("m.yaml", 2, 5, "b"),
        ("m.yaml", 10, 1, "a"),
    ]
    assert (error.file, error.line) == ("a.yaml", 99)
    assert error.message.splitlines() == [str(p) for p in error.problems]


def test_a_host_error_keeps_the_errno() -> None:
    error = HostError("/sys/x", errno.EBUSY)
    assert (error.path, error.errno) == ("/sys/x", errno.EBUSY)
    assert error.message == "/sys/x: Device or resource busy"
    assert HostError("/sys/x", errno.EBUSY, "in use").message == "in use"


def test_an_error_carries_its_way_out() -> None:
    error = errors.ApplyRefused("no", hint="do that", file="f", line=3, report={"patches": []})
    assert str(error) == "no"
    assert (error.hint, error.file, error.line, error.report) == (
        "do that",
        "f",
        3,
        {"patches": []},
    )


def test_every_exit_code_has_a_page() -> None:
    pages = _exit_codes()
    assert {str(code) for code in CODES.values()} <= set(pages)
    readme = (Path(__file__).parent.parent.parent / "README.md").read_text()
    table = readme.partition("| code | meaning |")[2].partition("\n\n")[0]
    assert {*re.findall(r"\d+", " ".join(re.findall(r"^\| ([\d, ]+) \|", table, re.M)))} == set(
        pages
    )
