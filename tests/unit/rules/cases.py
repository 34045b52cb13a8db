# SPDX-License-Identifier: MIT
"""What the tests of the rules share: a manifest with a change, or C, and the faults in it."""

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from lppack.document import Pointer
from lppack.rules import files
from lppack.rules.registry import Rule
from lppack.rules.runner import Fault, rule_id
from tests.kit.samples import document, full, patch_folder


class AnyCase(Protocol):
    """What the test that each rule has both kinds of cases needs to know."""

    @property
    def rule(self) -> Callable[..., object]: ...

    @property
    def fails(self) -> bool: ...


@dataclass(frozen=True)
class Case:
    """FULL with other values under some keys, and where the rule finds a fault in it."""

    rule: Rule
    title: str
    changes: dict[str, Any]
    faults: list[Pointer] = field(default_factory=list)  # none: the rule is content

    @property
    def fails(self) -> bool:
        return bool(self.faults)


@dataclass(frozen=True)
class CodeCase:
    """FULL with other C in conn.c, and the lines of it in which the rule finds a fault; 0 is the
    manifest."""

    rule: Rule
    title: str
    code: str
    lines: list[int] = field(default_factory=list)  # none: the rule is content
    changes: dict[str, Any] = field(default_factory=dict)

    @property
    def fails(self) -> bool:
        return bool(self.lines)

    def found(self) -> list[Fault]:
        with tempfile.TemporaryDirectory() as folder:
            made = patch_folder(Path(folder))
            (made / "conn.c").write_text(self.code)
            return list(self.rule(document(full(**self.changes), made)))


def odd_folder(folder: Path) -> Path:
    """The folder of FULL, with files beside its own that no patch should name."""
    made = patch_folder(folder)
    (made / "inner.c").symlink_to("conn.c")
    (made / "out.c").symlink_to("/etc/passwd")
    (made / "outside").symlink_to("/etc")
    (made / "gone.c").symlink_to("nothing.c")
    (made / "loop.c").symlink_to("loop.c")
    (made / "folder.c").mkdir()
    (made / "nul.c").write_bytes(b"int a;\0")
    (made / "latin.c").write_bytes(b"/* caf\xe9 */")
    (made / "large.c").write_text("\n" * (files.TEXT_MAX + 1))
    os.mkfifo(made / "pipe.c")
    return made


def title(case: Any) -> str:
    """The id of a test."""
    return f"{rule_id(case.rule)}: {case.title}"


def functions(*entries: dict[str, Any], name: str = "conn") -> dict[str, Any]:
    return {"objects": [{"name": name, "functions": list(entries)}]}


def objects(*names: str) -> dict[str, Any]:
    return {"objects": [{"name": name, "functions": [{}]} for name in names]}


def transform(**changes: Any) -> dict[str, Any]:
    """The transform of FULL with other values; None takes a key away."""
    made = {**full()["transforms"][0], **changes}
    return {"transforms": [{key: value for key, value in made.items() if value is not None}]}


def world(**changes: Any) -> dict[str, Any]:
    """FULL with TRANSFORM_WORLD; ``changes`` are of its transform."""
    gone = {"lock": None, "context": None}
    made = transform(**{**gone, "for_each": "lp_conn_each", "max_stop_ms": 50, **changes})
    return {**made, "needs": [LEAVE_P, SWITCH_K, WORLD], "shadow_variables": None, "mode": None}


def shadow(**changes: Any) -> dict[str, Any]:
    return {"shadow_variables": [{**full()["shadow_variables"][0], **changes}]}


def hooks(**named: str) -> dict[str, Any]:
    return {"objects": [{**full()["objects"][0], "hooks": named}]}


def expect(text: str) -> dict[str, Any]:
    return {"test": {"checks": [{"run": "true", "expect": {"before": text}}]}}


LEAVE_F, LEAVE_P, LEAVE_K = "LEAVE_FUNCTION", "LEAVE_PATCHED_SET", "LEAVE_KERNEL"
SWITCH_F, SWITCH_T, SWITCH_K = "SWITCH_FUNCTION", "SWITCH_THREAD", "SWITCH_KERNEL"
ON_ACCESS, WORLD = "TRANSFORM_ON_ACCESS", "TRANSFORM_WORLD"
CHECK: Pointer = ("test", "checks", 0)
OLD0: Pointer = ("objects", 0, "functions", 0, "old")
NEW0: Pointer = ("objects", 0, "functions", 0, "new")
