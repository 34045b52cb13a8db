# SPDX-License-Identifier: MIT
from pathlib import Path

from lppack.resources import schema
from tests.kit.samples import FULL
from tools import manifest_page


def test_the_page_is_current() -> None:
    assert manifest_page.differences() == [], "run: python -m tools.manifest_page --update"


def test_every_key_is_described() -> None:
    whole = schema("manifest-v1")
    assert [
        path for path, _, said in manifest_page.keys(whole, whole) if not said["description"]
    ] == []


def test_every_key_of_a_full_manifest_is_on_it() -> None:
    def walk(value: object, path: str) -> set[str]:
        if isinstance(value, list):
            return set().union(*(walk(item, f"{path}[]") for item in value))
        if not isinstance(value, dict):
            return set()
        found = set()
        for key, below in value.items():
            here = f"{path}.{key}" if path else key
            found |= {here} | walk(below, here)
        return found

    whole = schema("manifest-v1")
    assert walk(FULL, "") <= {path for path, _, _ in manifest_page.keys(whole, whole)}


def test_what_editors_use_is_explained() -> None:
    assert "# yaml-language-server: $schema=" in manifest_page.page()


def test_a_page_that_is_old_is_seen(tmp_path: Path) -> None:
    old = tmp_path / "manifest.md"
    old.write_text(manifest_page.page().replace("`kthreads`", "`threads`"))
    assert any(line.startswith("+| `kthreads`") for line in manifest_page.differences(old))
    assert manifest_page.differences(tmp_path / "missing.md")
