# SPDX-License-Identifier: MIT
"""Patches for the jobs of a CI service."""

import shutil
from pathlib import Path

from tests.kit.command import ROOT


def patch(folder: Path, name: str, *kernels: str) -> Path:
    shutil.copytree(ROOT / "examples/proc-cmdline", folder / name)
    manifest = folder / name / "manifest.yaml"
    text = manifest.read_text().replace("name: proc-cmdline", f"name: {name}", 1)
    assert "6.1.0-*-amd64" in text
    manifest.write_text(text.replace('"6.1.0-*-amd64"', ", ".join(f'"{one}"' for one in kernels)))
    return folder / name


KERNELS = ["6.1.0-57-amd64", "6.12.118+deb13-amd64", "6.1.0-57-rt-amd64"]
