# SPDX-License-Identifier: MIT
"""`ansible-test sanity` of the collection, as Ansible Galaxy and its authors run it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.kit.fleet import BIN, COLLECTION

#: ansible-test fetches get-pip.py from a server of its own; Python brings the same with it.
_PIP = "import ensurepip\n\nensurepip.bootstrap(upgrade=True)\n"
_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
#: They need no package but ansible-core, and no environment of their own.
ALONE = (
    *("action-plugin-docs", "compile", "empty-init", "ignores", "line-endings", "no-assert"),
    *("no-get-exception", "no-illegal-filenames", "no-smart-quotes", "replace-urlopen"),
    *("shebang", "symlinks", "use-argspec-type-path", "use-compat-six"),
)


def sanity(
    folder: Path, *tests: str, collection: Path = COLLECTION
) -> "subprocess.CompletedProcess[str]":
    """Run ``tests``, or all, on a copy: ansible-test wants a folder of a certain name."""
    place = folder / "ansible_collections/lppack/livepatch"
    shutil.copytree(collection, place, dirs_exist_ok=True)
    pip = folder / "home/.ansible/test/cache/get_pip_24_2.py"
    pip.parent.mkdir(parents=True, exist_ok=True)
    pip.write_text(_PIP)
    chosen = [word for name in tests for word in ("--test", name)]
    argv = [
        str(BIN / "ansible-test"),
        "sanity",
        "--python",
        _PYTHON,
        "--color",
        "no",
        *chosen,
    ]
    env = {**os.environ, "HOME": str(folder / "home"), "PATH": f"{BIN}:{os.environ['PATH']}"}
    return subprocess.run(argv, cwd=place, env=env, capture_output=True, text=True, timeout=1800)
