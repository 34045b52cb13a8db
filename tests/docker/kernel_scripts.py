# SPDX-License-Identifier: MIT
"""Scripts of the kernel's own tree that look at C, from the linux-source package."""

import tarfile
from pathlib import Path

from lppack import store
from lppack.debian.kernels import fetch_file

_CHECKPATCH = ("checkpatch.pl", "spelling.txt", "const_structs.checkpatch")


def kernel_scripts() -> Path:
    """A folder with checkpatch.pl and coccinelle/, both of 6.1; extracted once."""
    folder = store.cache_dir() / "kernel-scripts"
    with store.locked(folder.with_suffix(".lock")):
        if not folder.is_dir():
            archive = fetch_file("linux-source-6.1", "usr/src/linux-source-6.1.tar.xz")
            with store.directory_atomic(folder) as draft, tarfile.open(archive, "r|xz") as tar:
                for member in tar:
                    _, found, name = member.name.partition("/scripts/")
                    wanted = name in _CHECKPATCH or name.startswith("coccinelle/")
                    if found and wanted and member.isfile() and (data := tar.extractfile(member)):
                        (draft / name).parent.mkdir(parents=True, exist_ok=True)
                        (draft / name).write_bytes(data.read())
    return folder
