# SPDX-License-Identifier: MIT
"""The documentation as a site: every page reachable, every link right, every command there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from lppack.cli.main import commands
from lppack.rules.registry import every
from tests.kit.command import ROOT

#: What a browser would ask another site for.
_FETCHED = re.compile(r'<(?:script|link|img)[^>]+(?:src|href)="(https?:[^"]+)"')


def built(into: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(into), *more],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    done = built(tmp_path / "site")
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    page = (tmp_path / "site/commands/index.html").read_text()
    for name in commands.list_commands(click.Context(commands)):
        assert f"lppack {name} [OPTIONS]" in page, name
    rules = (tmp_path / "site/rules/index.html").read_text()
    for entry in every():  # what helpUri of `validate --format sarif --docs` names
        assert f'id="{entry.id}"' in rules, entry.id
    for file in (tmp_path / "site").rglob("*.html"):
        fetched = re.findall(
            r'<(?:script|link|img)[^>]+(?:src|href)="(https?:[^"]+)"', file.read_text()
        )
        assert fetched == [], "a page reads from nowhere but its own site"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[x](nowhere.md)", "a link 'nowhere.md', but the target is not found"),
        ("[x](authors.md#nowhere)", "does not contain an anchor '#nowhere'"),
    ],
)
def test_a_wrong_link_ends_the_build(text: str, says: str, tmp_path: Path) -> None:
    config = (ROOT / "mkdocs.yml").read_text()
    docs = tmp_path / "docs"
    docs.mkdir()
    for file in (ROOT / "docs").glob("*.md"):
        (docs / file.name).write_text(file.read_text())
    (docs / "kernels.md").write_text(f"# Kernels\n\n{text}\n")
    own = tmp_path / "mkdocs.yml"
    own.write_text(
        config.replace("docs_dir: docs", f"docs_dir: {docs}").replace(
            "tools/site.py", str(ROOT / "tools/site.py")
        )
    )
    done = built(tmp_path / "site", "--config-file", str(own))
    assert done.returncode != 0
    assert says in done.stderr


@pytest.mark.slow
def test_each_command_has_a_man_page(tmp_path: Path) -> None:
    code = f"from pathlib import Path; from tools import man; man.write(Path({str(tmp_path)!r}))"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)
    names = commands.list_commands(click.Context(commands))
    assert {f"lppack-{name}.1" for name in names} < {file.name for file in tmp_path.iterdir()}
    assert "lppack \\-" in (tmp_path / "lppack.1").read_text()
