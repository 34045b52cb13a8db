# SPDX-License-Identifier: MIT
"""conn-limit without a way back: irreversible, for tests."""

import shutil
from pathlib import Path

from tests.kit.command import EXAMPLES

_REVERSE = """\
void lp_conn_downgrade(struct conn *c)
{
	c->word = FIELD_GET(CONN_COUNT, c->word);
}

"""


def one_way(folder: Path) -> Path:
    """Write it below ``folder``; return the folder of the patch."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Path(shutil.copytree(EXAMPLES / "conn-limit", folder / "conn-limit"))
    source, manifest = made / "conn_limit.c", made / "manifest.yaml"
    code, text = source.read_text(), manifest.read_text()
    assert _REVERSE in code
    source.write_text(code.replace(_REVERSE, ""))
    text = text.replace("reverse: lp_conn_downgrade", "irreversible: true")
    assert "irreversible" in text
    lines, late = [], False
    for line in text.splitlines():  # what is expected at steps that never come
        key = line.strip().partition(":")[0]
        if key in ("reverted", "unloaded"):
            late = True
        elif late and (line.startswith("    - ") or key in ("before", "patched", "converted")):
            late = False
        if not late:
            lines.append(line)
    manifest.write_text("\n".join(lines) + "\n")
    return made
