# SPDX-License-Identifier: MIT
import os
from pathlib import Path

import pytest

from lppack.rules import files
from tests.unit.samples import patch_folder


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = patch_folder(tmp_path_factory.mktemp("patch"))
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
