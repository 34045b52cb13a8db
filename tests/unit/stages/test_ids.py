# SPDX-License-Identifier: MIT
"""The id file: names that keep their ids whatever they are called."""

from pathlib import Path

import pytest

from lppack import ids as model
from lppack import pipeline
from lppack.errors import ManifestError
from lppack.ids import Ids
from lppack.names import stable_id
from lppack.stages.ids import FILE, ids, reserve
from tests.kit.command import EXAMPLES, check_shape, lppack

SHADOW = "conn-limit/shadow/conn_ext/1"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "patches/conn").mkdir(parents=True)
    return tmp_path


def test_without_a_file_ids_are_hashes_of_names(tmp_path: Path) -> None:
    known = ids(tmp_path)
    assert known == Ids()
    assert known.series("conn-limit") == stable_id("series", "conn-limit")
    assert known.transform("a", "t") == stable_id("transform", "a", "t")
    assert known.shadow("a", "v", 2) == stable_id("shadow", "a", "v", "2")


def test_the_file_stands_in_the_root_of_the_repository(repository: Path) -> None:
    (repository / FILE).write_text("lppack-ids: 1\nids:\n  conn-limit: 0x11\n")
    (repository.parent / FILE).write_text("lppack-ids: 1\nids:\n  conn-limit: 0x12\n")
    known = ids(repository / "patches/conn")
    assert known.path == repository / FILE
    assert known.series("conn-limit") == 0x11
    assert known.series("other") == stable_id("series", "other")


def test_outside_of_a_repository_only_the_folder_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("lppack-ids: 1\nids:\n  conn-limit: 17\n")
    (tmp_path / "patch").mkdir()
    assert ids(tmp_path / "patch").path is None
    assert ids(tmp_path).series("conn-limit") == 17


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("ids: {}\n", 1, '"lppack-ids" is not 1'),
        ("lppack-ids: 2\nids: {}\n", 1, '"lppack-ids" is not 1'),
        ("lppack-ids: 1\nids: [1]\n", 2, "mapping of names"),
        ("lppack-ids: 1\nids:\n  a: 0\n", 3, "from 1 to"),
        ("lppack-ids: 1\nids:\n  a: 0x10000000000000000\n", 3, "from 1 to"),
        ("lppack-ids: 1\nids:\n  a: true\n", 3, "from 1 to"),
        ("lppack-ids: 1\nids:\n  a: text\n", 3, "from 1 to"),
        ("lppack-ids: 1\nids:\n  a: 5\n  b: 5\n", 4, 'the id of "a" already'),
        ("lppack-ids: 1\nids:\n  'a b': 5\n", 3, "not a valid name"),
        ("lppack-ids: 1\nids:\n  a: 5\n  a: 6\n", 4, "was given above"),
        ("lppack-ids: 1\nmore: 1\nids: {}\n", 2, "not a key"),
    ],
)
def test_what_is_no_id_file_is_refused_at_its_line(
    text: str, line: int, said: str, tmp_path: Path
) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(ManifestError) as caught:
        ids(tmp_path)
    [problem] = caught.value.problems
    assert (problem.line, problem.file) == (line, str(tmp_path / FILE))
    assert said in problem.message


def test_reserving_keeps_the_id_that_the_name_has_anyway(repository: Path) -> None:
    number, path = reserve(SHADOW, repository / "patches")
    assert (number, path) == (stable_id("shadow", "conn-limit", "conn_ext", "1"), repository / FILE)
    reserve("my-state", repository)
    assert ids(repository).reserved == {SHADOW: number, "my-state": model.default("my-state")}
    with pytest.raises(ManifestError, match="reserved already"):
        reserve(SHADOW, repository)


def test_what_was_written_by_hand_stays_as_it_is(repository: Path) -> None:
    (repository / FILE).write_text("# mine\nlppack-ids: 1\nids:\n  a: 5  # why\n")
    reserve("b", repository)
    text = (repository / FILE).read_text()
    assert text.startswith("# mine\nlppack-ids: 1\nids:\n  a: 5  # why\n  b: 0x")


@pytest.mark.parametrize("text", ["ids: {a: 5}\nlppack-ids: 1\n", "lppack-ids: 1\nids: {a: 5}\n"])
def test_a_file_of_another_form_is_left_alone(text: str, repository: Path) -> None:
    (repository / FILE).write_text(text)
    with pytest.raises(ManifestError, match="nothing was added"):
        reserve("b", repository)
    assert (repository / FILE).read_text() == text


@pytest.mark.parametrize("name", ["", "a b", "../x/", "/a", "a//b", "é", "a\n"])
def test_only_names_are_reserved(name: str, repository: Path) -> None:
    with pytest.raises(ManifestError, match="is not a valid name"):
        reserve(name, repository)
    assert not (repository / FILE).exists()


def test_an_id_that_is_taken_is_not_reserved_again(repository: Path) -> None:
    number = model.default("b")
    (repository / FILE).write_text(f"lppack-ids: 1\nids:\n  a: {number}\n")
    with pytest.raises(ManifestError, match='"b" and "a" have the same id'):
        reserve("b", repository)


def test_the_commands(repository: Path) -> None:
    ran = lppack("ids", "list", EXAMPLES / "conn-limit-2", "--format", "json")
    check_shape("ids", ran.json)
    names = {row["name"]: row["id"] for row in ran.json["ids"]}
    assert {SHADOW, "conn-limit", "conn-limit/transform/conn"} < set(names)
    assert "conn-limit/layout/conn_ext/2" in names
    made = lppack("ids", "new", SHADOW, "--in", repository, "--format", "json")
    check_shape("id", made.json)
    assert made.json["id"] == names[SHADOW]
    again = lppack("ids", "new", SHADOW, "--in", repository)
    assert again.rc == 3 and "reserved already" in again.err


def test_names_of_a_patch_follow_its_layouts() -> None:
    _, first = pipeline.ids_of(EXAMPLES / "conn-limit")
    _, second = pipeline.ids_of(EXAMPLES / "conn-limit-2")
    assert first.items() < second.items(), "the second knows all that the first has"
