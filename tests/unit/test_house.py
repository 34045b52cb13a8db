# SPDX-License-Identifier: MIT
"""What holds for every file."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
#: Text that has no place for a comment, or is the licence itself.
BARE = {"LICENSES/MIT.txt", "LICENSES/GPL-2.0-only.txt"}


def files() -> list[str]:
    words = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(words, capture_output=True, text=True, check=True, timeout=30).stdout
    return [name for name in listed.splitlines() if (ROOT / name).is_file()]


def test_every_file_has_a_licence() -> None:
    def bare(name: str) -> bool:
        text = (ROOT / name).read_bytes()[:600]
        return b"SPDX-License-Identifier: " not in text

    # The broken manifests and what is expected of them are data of a test.
    kept = (name for name in files() if not name.startswith(("tests/broken/", "tests/cases/")))
    assert [name for name in kept if bare(name) and name not in BARE] == []


@pytest.mark.parametrize("folder", ["templates/module", "kmod", "examples"])
def test_what_the_kernel_links_is_gpl(folder: str) -> None:
    sources = [ROOT / name for name in files() if name.startswith(f"{folder}/")]
    code = [path for path in sources if path.suffix in (".c", ".h", ".j2")]
    assert [path for path in code if "GPL-2.0-only" not in path.read_text()[:200]] == []


def test_each_example_is_whole() -> None:
    folders = {folder for folder in (ROOT / "examples").iterdir() if folder.name != "fixes"}
    folders |= set((ROOT / "examples/fixes").iterdir())
    for folder in folders:
        assert (folder / "manifest.yaml").is_file(), folder
        words = f"lppack test {folder.relative_to(ROOT)}"
        assert words in (folder / "README.md").read_text()


def test_links_between_pages_lead_somewhere() -> None:
    lost = [
        f"{name}: {to}"
        for name in files()
        if name.endswith(".md")
        for to in re.findall(r"\]\(([^)\s]+)\)", (ROOT / name).read_text())
        if not re.match(r"[a-z]+:|#", to)
        and not (ROOT / name).parent.joinpath(to.partition("#")[0]).exists()
    ]
    assert lost == []
