# SPDX-License-Identifier: MIT
"""ids: the ids of a patch, and the file that reserves them."""

from pathlib import Path

from tests.kit.cli import cli
from tests.kit.command import EXAMPLES, check_shape

NAME = "conn-limit/shadow/conn_ext/2"


def test_the_ids_of_an_example() -> None:
    shown = cli("ids", "list", EXAMPLES / "conn-limit", "--format", "json")
    check_shape("ids", shown.json)
    rows = {entry["name"]: entry["id"] for entry in shown.json["ids"]}
    assert rows
    text = cli("ids", "list", EXAMPLES / "conn-limit")
    assert text.rc == 0
    assert [line.split(": ")[0] for line in text.out.splitlines()] == list(rows)
    assert [int(line.split()[1], 16) for line in text.out.splitlines()] == list(rows.values())


def test_an_id_is_reserved_once(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    first = cli("ids", "new", NAME, "--in", tmp_path, "--format", "json")
    check_shape("id", first.json)
    assert (first.rc, first.json["name"]) == (0, NAME)
    assert NAME in Path(first.json["file"]).read_text()
    again = cli("ids", "new", NAME, "--in", tmp_path)
    assert (again.rc, again.out) == (3, "")
    assert "is reserved already" in again.err
    assert NAME in again.err


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    ran = cli("ids", "new", NAME, "--in", tmp_path / "none")
    assert ran.rc == 2
    assert "does not exist" in ran.err
