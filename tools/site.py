# SPDX-License-Identifier: MIT
"""Hooks of mkdocs: pages that are not in docs/, the commands, and links between all of them."""

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from mkdocs.structure.files import File

from lppack.cli.main import commands

ROOT = Path(__file__).parent.parent

#: File of the repository -> page of the site, in addition to docs/NAME.md -> NAME.md.
PAGES = {
    **{
        f"{name}.md": f"{name.lower()}.md"
        for name in ("README", "CONTRIBUTING", "SECURITY", "CHANGELOG")
    },
    "findings/README.md": "findings.md",
    **{
        f"examples/{file.parent.name}/README.md": f"examples/{file.parent.name}.md"
        for file in sorted((ROOT / "examples").glob("*/README.md"))
    },
}
_LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]*)\]\((?P<to>[^)\s]+)\)")
_FENCE = re.compile(r"^(```.*?^```|    .*?$)", re.MULTILINE | re.DOTALL)


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are not in docs/."""
    for source, page in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text()))
    files.append(File.generated(config, "commands.md", content=commands_page()))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn links of the repository into links of the site."""
    return linked(markdown, page.file.src_uri)


def linked(markdown: str, page: str) -> str:
    """Return ``markdown`` of ``page`` with the links of the site.

    A link to a file that is no page becomes its text, with the file's path.
    """
    source = next((file for file, name in PAGES.items() if name == page), f"docs/{page}")

    def link(found: re.Match[str]) -> str:
        to, _, anchor = found["to"].partition("#")
        if not to or re.match(r"[a-z]+:", to):
            return found[0]
        file = posixpath.normpath(posixpath.join(posixpath.dirname(source), to))
        if (ROOT / file / "README.md").is_file():
            file = f"{file}/README.md"
        target = PAGES.get(file) or (
            file.removeprefix("docs/") if file.startswith("docs/") else None
        )
        if target and target.endswith(".md"):
            place = posixpath.relpath(target, posixpath.dirname(page) or ".")
            return f"[{found['text']}]({place}{f'#{anchor}' if anchor else ''})"
        return f"{found['text']} (`{file}`)" if (ROOT / file).exists() else found[0]

    parts = _FENCE.split(markdown)
    return "".join(
        part if number % 2 else _LINK.sub(link, part) for number, part in enumerate(parts)
    )


def commands_page() -> str:
    """Return a page with the --help text of every command."""
    parts = ["# Commands", "What `--help` prints.", *_help(commands, "lppack")]
    return "\n\n".join(parts) + "\n"


def _help(command: click.Command, name: str) -> Iterator[str]:
    context = click.Context(command, info_name=name, max_content_width=90, terminal_width=90)
    yield f"## {name}"
    yield f"```text\n{command.get_help(context).rstrip()}\n```"
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            assert found is not None
            yield from _help(found, f"{name} {below}")
