# SPDX-License-Identifier: MIT
"""For each rule, an example that breaks it and one that passes, from the cases of its tests."""

import difflib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from lppack.consistency import mode_named
from lppack.rules.registry import RuleEntry
from lppack.rules.runner import Fault
from tests.kit.samples import CONN_C, document, full
from tests.unit.rules.cases import AnyCase, Case, CodeCase, odd_folder
from tests.unit.rules.every_case import CASES
from tests.unit.rules.history_cases import HistoryCase
from tests.unit.rules.kernel_cases import KernelCase, PlanCase, TargetCase


def base() -> str:
    """Return the manifest that the examples change."""
    return _fenced("yaml", _yaml(full()))


def examples(entry: RuleEntry[Any]) -> str:
    """Return Markdown: the shortest case that breaks the rule, and the shortest that passes."""
    cases = [case for case in CASES if case.rule is entry.rule]
    breaks = min((case for case in cases if case.fails), key=_cost)
    passes = min((case for case in cases if not case.fails), key=_cost)
    return f"{_shown('Breaks it', breaks)}\n{_shown('Passes', passes)}"


def _cost(case: AnyCase) -> tuple[bool, int]:
    """Return a sort key: cases that have text to show come first, then short ones."""
    text = _body(case)
    return not text, len(text)


def _shown(title: str, case: AnyCase) -> str:
    lines = [f"*{title}:* {getattr(case, 'title', '')}".rstrip(), ""]
    if body := _body(case):
        lines += [body]
    lines += [f"> {line}\n" for line in _messages(case)]
    return "\n".join(lines)


def _body(case: AnyCase) -> str:
    if isinstance(case, CodeCase):
        parts = [_fenced("yaml", _yaml(case.changes))] if case.changes else []
        return "\n".join([*parts, _code(case.code) if case.code.strip() else ""])
    if isinstance(case, TargetCase) and case.code is not None:
        return _code(case.code)
    if isinstance(case, PlanCase):
        chosen = f"# mode {case.mode.value}, engine {case.engine}\n"
        return _fenced("yaml", chosen + (_yaml(case.changes) if case.changes else ""))
    if isinstance(case, HistoryCase):
        before = "# the version before\n" + _yaml(case.before) if case.before else ""
        now = "# this version\n" + _yaml(case.changes) if case.changes else ""
        return _fenced("yaml", before + now) if before or now else ""
    if isinstance(case, (Case, KernelCase)) and case.changes:
        return _fenced("yaml", _yaml(case.changes))
    return ""


def _code(code: str) -> str:
    """Return a block of C; if it is the sample with a change, only the diff."""
    if not code.startswith(CONN_C[:40]) or len(code.splitlines()) < 12:
        return _fenced("c", code)
    if code == CONN_C:
        return ""
    changes = difflib.unified_diff(CONN_C.splitlines(), code.splitlines(), n=2, lineterm="")
    return _fenced("diff", "\n".join(list(changes)[2:]))


def _messages(case: AnyCase) -> Sequence[str]:
    """Return what the rule says: message and hint, or the part that the test looks for."""
    if not case.fails:
        return ()
    said = str(getattr(case, "says", ""))
    return [f"… {said} …"] if said else [_text(fault) for fault in _faults(case)][:2]


def _faults(case: AnyCase) -> list[Fault]:
    with tempfile.TemporaryDirectory() as top:
        folder = odd_folder(Path(top) / "patch")
        match case:
            case CodeCase():
                return case.found()
            case HistoryCase():
                return case.found(Path(top))
            case Case():
                return list(case.rule(document(full(**case.changes), folder)))
            case KernelCase():
                return list(case.rule(document(full(**case.changes), folder), case.facts))
            case PlanCase():
                made, mode = document(full(**case.changes), folder), mode_named(case.mode)
                return list(case.rule(made, mode, case.engine, case.facts))
    return []


def _text(fault: Fault) -> str:
    return f"{fault.message}; hint: {fault.hint}" if fault.hint else fault.message


def _yaml(value: dict[str, Any]) -> str:
    text: str = yaml.safe_dump(value, sort_keys=False, width=96, allow_unicode=False)
    return text


def _fenced(language: str, text: str) -> str:
    return f"```{language}\n{text.rstrip()}\n```\n"
