# SPDX-License-Identifier: MIT
"""Calls lppack, and says honestly whether the host was changed."""

from __future__ import annotations

import json
from typing import Any

from ansible.module_utils.basic import AnsibleModule

COMMON: dict[str, Any] = {
    "host": {"type": "str", "default": "local"},
    "executable": {"type": "str", "default": "lppack"},
}
#: Exit codes with which lppack says that the host is as it was: docs/operators.md, 6.
UNCHANGED = (2, 3, 4, 5, 6, 7, 9)


class Lppack:
    """One module run."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.known: dict[str, Any] = {}  # what a failure also returns

    def call(self, *words: str, ok: tuple[int, ...] = (0,)) -> dict[str, Any]:
        """Run a command for its JSON; fail the module if its exit code is none of ``ok``."""
        params = self.module.params
        argv = [params["executable"], *words, "--on", params["host"], "--format", "json"]
        code, out, err = self.module.run_command(argv, handle_exceptions=False)
        try:
            said = json.loads(out)
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict) or code in ok and not isinstance(said.get("patches"), list):
            last = " ".join((err.strip() or out.strip())[-1000:].splitlines()[-5:])
            why = f"was ended by signal {-code}" if code < 0 else "did not answer with its JSON"
            self.fail(code, {}, f"lppack {why}; it said: {last or 'nothing'}", argv)
        if code not in ok:
            error = said.get("error") or {}
            self.fail(code, said, str(error.get("message") or f"exit code {code}"), argv)
        for line in said.get("warnings") or []:
            self.module.warn(str(line))
        return said

    def fail(self, code: int, said: dict[str, Any], message: str, argv: list[str]) -> None:
        error = said.get("error") or {}
        for line in said.get("warnings") or []:
            self.module.warn(str(line))
        result = {
            "msg": message,
            "hint": error.get("hint"),
            "reason": error.get("reason"),
            "code": code,
            "changed": code not in UNCHANGED,
            "cmd": argv,
            "patches": said.get("patches", []),
        }
        self.module.fail_json(**{**result, **self.known})

    def status(self) -> dict[str, Any]:
        return self.call("status")

    def end(self, before: dict[str, Any], after: dict[str, Any] | None, *, changed: bool) -> None:
        """Exit the module; ``after`` is None where that is not known: in check mode."""
        result: dict[str, Any] = {"changed": changed}
        if after is not None:
            result["patches"] = after["patches"]
        if self.module._diff:
            result["diff"] = {"before": shown(before), "after": shown(after) if after else ""}
        self.module.exit_json(**result)


def shown(status: dict[str, Any]) -> str:
    """What --diff compares: a line for each live patch."""
    lines = [
        f"{patch['series'] or patch['module']} {patch['version'] or ''}: {patch['phase']}, "
        f"conversion {patch['conversion']}\n"
        for patch in status["patches"]
        if patch["phase"] != "absent"
    ]
    return "".join(sorted(lines))
