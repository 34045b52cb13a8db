# SPDX-License-Identifier: MIT
"""Problems as SARIF 2.1.0, which code-scanning services read."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lppack import __version__
from lppack.errors import Problem
from lppack.rules.registry import every

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(problems: Sequence[Problem], *, docs: str | None = None) -> dict[str, Any]:
    """Return one run of lppack as SARIF; paths are relative to the current directory if possible.

    It contains the rules that found a problem, each with its page. ``docs``: the absolute URL of
    the documentation site, to which helpUri links (SARIF 3.49.12); None: not known.
    """
    pages = {entry.id: entry.page for entry in every()}
    ids = sorted({problem.rule for problem in problems})
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "lppack",
                        "semanticVersion": __version__,
                        "rules": [_rule(name, pages.get(name), docs) for name in ids],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_result(problem, ids) for problem in problems],
            }
        ],
    }


def _rule(name: str, page: str | None, docs: str | None) -> dict[str, Any]:
    first = " ".join((page or name.replace("-", " ")).partition("\n\n")[0].split())
    rule: dict[str, Any] = {"id": name, "shortDescription": {"text": first}}
    if docs:
        rule["helpUri"] = f"{docs.rstrip('/')}/rules/{f'#{name}' if page else ''}"
    if not page:
        return rule
    text = f"{page}\n\nIn a terminal: lppack explain {name}"
    return {**rule, "fullDescription": {"text": page}, "help": {"text": text}}


def _result(problem: Problem, ids: list[str]) -> dict[str, Any]:
    text = f"{problem.message}\n{problem.hint}" if problem.hint else problem.message
    return {
        "ruleId": problem.rule,
        "ruleIndex": ids.index(problem.rule),
        "level": problem.level.value,
        "message": {"text": text},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": _location(Path(problem.file)),
                    "region": {"startLine": problem.line, "startColumn": problem.column},
                }
            }
        ],
    }


def _location(file: Path) -> dict[str, str]:
    here, path = Path.cwd(), Path.cwd() / file
    if path.is_relative_to(here) and ".." not in path.parts:
        return {"uri": quote(path.relative_to(here).as_posix()), "uriBaseId": "%SRCROOT%"}
    return {"uri": path.as_uri()}
