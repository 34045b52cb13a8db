# SPDX-License-Identifier: MIT
import os
import time
from pathlib import Path

import pytest

from lppack.errors import ManifestError, Problem
from lppack.rules.folder import problems_of
from lppack.stages.load import load


def written(folder: Path, text: str | bytes) -> Path:
    file = folder / "manifest.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def refused(path: Path) -> tuple[Problem, ...]:
    with pytest.raises(ManifestError) as caught:
        load(path)
    return caught.value.problems


def spots(problems: tuple[Problem, ...]) -> list[tuple[int, int, str]]:
    return [(problem.line, problem.column, problem.rule) for problem in problems]


def test_a_folder_and_its_manifest_are_the_same_patch(tmp_path: Path) -> None:
    file = written(tmp_path, "name: x\n")
    assert load(tmp_path) == load(file)
    assert load(tmp_path).path == file
    assert load(tmp_path).folder == tmp_path


def test_plain_data_comes_back(tmp_path: Path) -> None:
    written(tmp_path, 'a: [1, -2, 0x10, 1.5, true, ~, "off", {b: c}]\n')
    assert load(tmp_path).data == {"a": [1, -2, 16, 1.5, True, None, "off", {"b": "c"}]}


def test_each_value_and_key_has_its_place(tmp_path: Path) -> None:
    written(tmp_path, "# a comment\nname: x\nobjects:\n  - name: conn\n    list: [one, two]\n")
    document = load(tmp_path)
    assert document.place(()) == (2, 1)
    assert document.place(("name",)) == (2, 7)
    assert document.place(("name",), key=True) == (2, 1)
    assert document.place(("objects", 0)) == (4, 5)
    assert document.place(("objects", 0, "name")) == (4, 11)
    assert document.place(("objects", 0, "list"), key=True) == (5, 5)
    assert document.place(("objects", 0, "list", 1)) == (5, 17)


def test_what_is_not_there_has_the_place_of_what_should_hold_it(tmp_path: Path) -> None:
    written(tmp_path, "name: x\nobjects:\n  - name: conn\n")
    document = load(tmp_path)
    assert document.place(("objects", 0, "functions", 3, "old")) == (3, 5)
    assert document.place(("objects", 7)) == (3, 3)
    assert document.place(("absent", "more")) == (1, 1)
    assert document.place(("absent",), key=True) == (1, 1)


def test_keys_given_twice_are_all_told(tmp_path: Path) -> None:
    written(tmp_path, "name: x\nname: y\nobjects:\n  - {a: 1, a: 2}\n")
    assert spots(refused(tmp_path)) == [(2, 1, "duplicate-key"), (4, 12, "duplicate-key")]


def test_the_same_key_in_two_mappings_is_no_duplicate(tmp_path: Path) -> None:
    written(tmp_path, "a: {name: x}\nb: {name: y}\nname: z\n")
    assert load(tmp_path).data["name"] == "z"


def test_keys_are_compared_as_they_are_written(tmp_path: Path) -> None:
    # YAML 1.1 reads both as true; to people they are two words, and both are unknown.
    written(tmp_path, "on: 1\nyes: 2\n")
    assert load(tmp_path).data == {"on": 1, "yes": 2}


@pytest.mark.parametrize("text", ["[a]: 1\n", "{a: b}: 1\n", "a: 1\n<<: {b: 2}\n"])
def test_a_key_must_be_a_word(tmp_path: Path, text: str) -> None:
    written(tmp_path, text)
    assert [problem.message for problem in refused(tmp_path)] == ["a key must be a word"]


def test_a_duplicate_key_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    written(tmp_path, '"\\e[31mred": 1\n"\\e[31mred": 2\n')
    (problem,) = refused(tmp_path)
    assert problem.rule == "duplicate-key"
    assert problem.message.isprintable()


def test_half_a_character_is_no_key(tmp_path: Path) -> None:
    written(tmp_path, '"\\ud800": 1\n')
    (problem,) = refused(tmp_path)
    assert problem.message.isprintable()


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{a: ", "}")])
def test_nesting_is_bounded(tmp_path: Path, opening: str, closing: str) -> None:
    written(tmp_path, f"a: {opening * 15}{closing * 15}\n")
    assert "a" in load(tmp_path).data
    written(tmp_path, f"a: {opening * 16}{closing * 16}\n")
    (problem,) = refused(tmp_path)
    assert spots((problem,)) == [(1, 4 + 15 * len(opening), "yaml")]
    assert "nested deeper than 16" in problem.message


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 60_000, "- " * 100_000, "? " * 100_000])
def test_a_nesting_bomb_is_refused_in_no_time(tmp_path: Path, text: str) -> None:
    written(tmp_path, text)
    start = time.monotonic()
    assert [problem.rule for problem in refused(tmp_path)] == ["yaml"]
    assert time.monotonic() - start < 2


def test_an_alias_bomb_is_refused(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    written(tmp_path, "\n".join(lines))
    (problem,) = refused(tmp_path)
    assert spots((problem,)) == [(2, 10, "yaml")]
    assert "alias" in problem.message


def test_an_anchor_that_nobody_uses_does_no_harm(tmp_path: Path) -> None:
    written(tmp_path, "name: &here x\n")
    assert load(tmp_path).data == {"name": "x"}


def test_a_value_that_holds_itself_is_refused(tmp_path: Path) -> None:
    written(tmp_path, "a: &a [*a]\n")
    assert "alias" in refused(tmp_path)[0].message


def test_the_number_of_nodes_is_bounded(tmp_path: Path) -> None:
    written(tmp_path, f"a: [{'1,' * 1_000}]\n")
    assert len(load(tmp_path).data["a"]) == 1_000
    written(tmp_path, f"a: [{'1,' * 20_001}]\n")
    assert "20000 nodes" in refused(tmp_path)[0].message


def test_size_is_bounded(tmp_path: Path) -> None:
    limit = 256 * 1024
    written(tmp_path, "name: x\n#" + "a" * (limit - 9))
    assert load(tmp_path).data == {"name": "x"}
    written(tmp_path, "name: x\n#" + "a" * (limit - 8))
    (problem,) = refused(tmp_path)
    assert spots((problem,)) == [(1, 1, "file")]
    assert "larger than 256 KiB" in problem.message


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "manifest.yaml").open("wb") as file:
        file.truncate(1 << 40)
    assert "larger than" in refused(tmp_path)[0].message


def test_what_is_not_utf8_is_told_with_its_line(tmp_path: Path) -> None:
    written(tmp_path, b"name: x\nauthor: Andr\xe9\n")
    (problem,) = refused(tmp_path)
    assert spots((problem,)) == [(2, 1, "file")]
    assert "UTF-8" in problem.message


def test_utf8_is_read_as_it_is(tmp_path: Path) -> None:
    written(tmp_path, "author: André 🐧\n")
    assert load(tmp_path).data == {"author": "André 🐧"}


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    written(tmp_path, b"\xef\xbb\xbfname: x\n")
    assert load(tmp_path).data == {"name": "x"}


@pytest.mark.parametrize("text", ["name: a\0b\n", "name: a\x1bb\n", "name: a\x7fb\n"])
def test_control_characters_are_refused(tmp_path: Path, text: str) -> None:
    written(tmp_path, text)
    (problem,) = refused(tmp_path)
    assert problem.rule == "yaml"
    assert str(problem).isprintable()


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda path: os.mkfifo(path), id="fifo"),
        pytest.param(lambda path: path.symlink_to("/dev/zero"), id="device"),
        pytest.param(lambda path: path.mkdir(), id="directory"),
        pytest.param(lambda path: path.symlink_to(path), id="link-to-itself"),
    ],
)
def test_only_an_ordinary_file_is_read(tmp_path: Path, make: object) -> None:
    assert callable(make)
    make(tmp_path / "manifest.yaml")
    (problem,) = refused(tmp_path)
    assert spots((problem,)) == [(1, 1, "file")]


def test_a_device_given_as_the_patch_is_refused() -> None:
    assert refused(Path("/dev/null"))[0].message == "is not an ordinary file"


def test_a_missing_folder_is_suggested(tmp_path: Path) -> None:
    (tmp_path / "proc-cmdline").mkdir()
    (problem,) = refused(tmp_path / "proc-cmdlin")
    assert spots((problem,)) == [(1, 1, "file")]
    assert "No such file" in problem.message
    assert problem.hint == f'did you mean "{tmp_path}/proc-cmdline"?'


def test_a_missing_file_is_suggested(tmp_path: Path) -> None:
    written(tmp_path, "name: x\n")
    assert refused(tmp_path / "manifst.yaml")[0].hint == f'did you mean "{tmp_path}/manifest.yaml"?'


def test_a_folder_without_manifest_says_what_is_expected(tmp_path: Path) -> None:
    (problem,) = refused(tmp_path)
    assert problem.file == str(tmp_path / "manifest.yaml")
    assert problem.hint == "give the folder of a patch, which holds manifest.yaml"


def test_a_parent_that_is_missing_too(tmp_path: Path) -> None:
    assert refused(tmp_path / "no/such/patch")[0].rule == "file"


def test_a_name_that_no_file_can_have(tmp_path: Path) -> None:
    assert refused(tmp_path / ("a" * 300))[0].rule == "file"


@pytest.mark.parametrize("text", ["", "# only a comment\n", "- a\n- b\n", "just text\n", "42\n"])
def test_a_manifest_is_a_mapping(tmp_path: Path, text: str) -> None:
    written(tmp_path, text)
    (problem,) = refused(tmp_path)
    assert spots((problem,)) == [(1, 1, "yaml")]
    assert "mapping" in problem.message


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("name: x\n\tversion: 1\n", (2, 1)),
        ("name: [a, b\nversion: 1\n", (2, 8)),
        ("name: 'x\n", (2, 1)),
        ("a: 1\n---\nb: 2\n", (2, 1)),
        ("name: !!python/object/apply:os.system [id]\n", None),
        ("name: !mine x\n", (1, 7)),
    ],
)
def test_yaml_errors_have_a_place(tmp_path: Path, text: str, place: tuple[int, int] | None) -> None:
    written(tmp_path, text)
    if place is None:  # a tag on a list makes nothing but a list
        assert load(tmp_path).data == {"name": ["id"]}
    else:
        assert spots(refused(tmp_path)) == [(*place, "yaml")]


@pytest.mark.parametrize(
    "value",
    [
        "2026-13-45",
        "!!int abc",
        '!!int ""',
        '!!float ""',
        "!!bool maybe",
        "!!timestamp soon",
        '!!binary "\\xff"',
        "=",
        "9" * 5000,
    ],
)
def test_a_scalar_that_is_not_what_it_says_is_a_problem_of_its_place(
    tmp_path: Path, value: str
) -> None:
    written(tmp_path, f"name: x\nversion: {value}\n")
    assert spots(refused(tmp_path)) == [(2, 10, "yaml")]


def test_a_number_too_long_to_print_is_still_a_problem(tmp_path: Path) -> None:
    # Python refuses to print an int of more than 4300 digits (sys.set_int_max_str_digits).
    written(tmp_path, f"name: x\nversion: 0x{'f' * 5000}\n")
    try:
        found = problems_of(load(tmp_path))
    except ManifestError as error:
        found = error.problems
    assert (2, 10) in {(problem.line, problem.column) for problem in found}


def test_scalars_that_are_wrong_are_told_all_at_once(tmp_path: Path) -> None:
    written(tmp_path, "a: 2026-13-45\nb: !mine x\na: 1\n")
    assert spots(refused(tmp_path)) == [(1, 4, "yaml"), (2, 4, "yaml"), (3, 1, "duplicate-key")]


@pytest.mark.parametrize(
    ("value", "is_now"),
    [("off", "false"), ("on", "true"), ("2026-11-22", "a date"), ("6.1", "a number")],
)
def test_text_that_yaml_reads_as_something_else_gets_a_hint_to_quote_it(
    tmp_path: Path, value: str, is_now: str
) -> None:
    written(tmp_path, f"description: {value}\n")
    (problem,) = (p for p in problems_of(load(tmp_path)) if p.rule == "type")
    assert (problem.line, problem.column) == (1, 14)
    assert problem.message == f"description must be text, but is {is_now}"
    assert problem.hint is not None
    assert "quotes" in problem.hint
    written(tmp_path, f'description: "{value}"\n')
    assert not [p for p in problems_of(load(tmp_path)) if p.rule == "type"]


def test_a_symbolic_link_to_a_manifest_is_read(tmp_path: Path) -> None:
    written(tmp_path, "name: x\n")
    (tmp_path / "other.yaml").symlink_to("manifest.yaml")
    assert load(tmp_path / "other.yaml").data == {"name": "x"}
