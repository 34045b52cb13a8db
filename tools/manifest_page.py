# SPDX-License-Identifier: MIT
"""Generate docs/manifest.md from schemas/manifest-v1.json, or compare the two."""

import argparse
import difflib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lppack.resources import schema
from lppack.store import write_atomic

PAGE = Path(__file__).parent.parent / "docs/manifest.md"

_HEAD = """\
<!-- SPDX-License-Identifier: MIT -->
<!-- Made by tools/manifest_page.py of schemas/manifest-v1.json; do not edit. -->
# The manifest

This page lists every key of `manifest.yaml`. `[]` is an entry of a list. **Bold** keys are
required. [The rules](rules.md) check what the schema cannot. If a key is marked *not yet*, this
version of lppack refuses it.

Editors that use the YAML language server complete and check a manifest with this first line:

```yaml
# yaml-language-server: $schema=https://HOST/PATH/manifest-v1.json
```

The line names a URL, or a path relative to the manifest. `lppack schema > manifest-v1.json` writes
the schema beside your patches, so that the editor uses the schema of your version of lppack.
"""


def keys(
    part: dict[str, Any], whole: dict[str, Any], path: str = ""
) -> Iterator[tuple[str, bool, dict[str, Any]]]:
    """Yield (path, is it required, its part of the schema) of each key, parents first."""
    for name, said in part.get("properties", {}).items():
        full = {**_resolved(said, whole), **said}
        here = f"{path}.{name}" if path else name
        yield here, name in part.get("required", ()), full
        yield from keys(full, whole, here)
        item, suffix = full, here
        while "items" in item:
            item, suffix = _resolved(item["items"], whole), f"{suffix}[]"
            yield from keys(item, whole, suffix)


def _resolved(part: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    name = part.get("$ref", "").removeprefix("#/$defs/")
    made: dict[str, Any] = whole["$defs"][name] if name else part
    return made


def type_of(part: dict[str, Any], whole: dict[str, Any]) -> str:
    """Return the type of a value, in words."""
    part = {**_resolved(part, whole), **part}
    if "enum" in part:
        return " or ".join(f"`{word}`" for word in part["enum"])
    if "const" in part:
        return f"`{json.dumps(part['const'])}`"
    types = part["type"] if isinstance(part["type"], list) else [part["type"]]
    return " or ".join(_word(kind, part, whole) for kind in types)


def _word(kind: str, part: dict[str, Any], whole: dict[str, Any]) -> str:
    if kind == "array":
        return f"list of {type_of(part['items'], whole)}"
    if kind in ("integer", "number"):
        low, high = part.get("minimum", part.get("exclusiveMinimum")), part.get("maximum")
        name = "whole number" if kind == "integer" else "number"
        return f"{name}, {low} to {high}" if high is not None else name
    return {"object": "mapping", "string": "text", "boolean": "`true` or `false`"}[kind]


def page() -> str:
    """Return the text of docs/manifest.md."""
    whole = schema("manifest-v1")
    rows = []
    for path, needed, said in keys(whole, whole):
        example = json.dumps(said["examples"][0]) if "examples" in said else ""
        default = json.dumps(said["default"]) if "default" in said else ""
        cells = (
            f"**`{path}`**" if needed else f"`{path}`",
            type_of(said, whole),
            said["description"],
            f"`{default}`" if default else "",
            f"`{example}`" if example else "",
        )
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    table = "\n".join(
        ["| key | type | meaning | default | example |", "|---|---|---|---|---|", *rows]
    )
    return f"{_HEAD}\n{table}\n"


def differences(path: Path = PAGE) -> list[str]:
    """Return a diff, as lines, from the text in ``path`` to the generated text."""
    kept = path.read_text() if path.is_file() else ""
    return list(
        difflib.unified_diff(
            kept.splitlines(), page().splitlines(), str(path), "schemas", lineterm=""
        )
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", action="store_true", help="exit code 1 if they differ")
    what.add_argument("--update", action="store_true", help="write docs/manifest.md anew")
    wanted = parser.parse_args()
    lines = differences()
    if wanted.update:
        write_atomic(PAGE, page().encode())
    print("\n".join(lines) or "docs/manifest.md is what the schema says")
    return 1 if lines and wanted.check else 0


if __name__ == "__main__":
    sys.exit(main())
