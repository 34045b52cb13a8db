# SPDX-License-Identifier: MIT
"""docs/abi names each file that our C makes below /sys, with who may read and write it."""

import re
from pathlib import Path

import pytest

from tests.kit.command import ROOT

ENGINE = (ROOT / "kmod/engine/sysfs.c", ROOT / "kmod/engine/lists.c")
GLUE = (ROOT / "templates/module/lp_unload.c.j2",)
_MODES = {"RW": "0644", "RO": "0444", "WO": "0200"}


def made(text: str) -> dict[str, str]:
    """Name and access of each attribute that C defines."""
    found = {m[2]: _MODES[m[1]] for m in re.finditer(r"\w_attr = __ATTR_(RW|RO|WO)\((\w+)\)", text)}
    found.pop("name", None)  # of LPE_STATISTIC() itself
    found |= {m[1]: m[2] for m in re.finditer(r"__ATTR_RO_MODE\((\w+), (\d+)\)", text)}
    found |= {m[1]: m[2] for m in re.finditer(r"__ATTR\((\w+), (\d+),", text)}
    found |= {m[1]: m[2] for m in re.finditer(r"^static BIN_ATTR\((\w+), (\d+),", text, re.M)}
    found |= {m[1]: "0444" for m in re.finditer(r"^static BIN_ATTR_RO\((\w+), 0\)", text, re.M)}
    statistics = re.findall(r"^LPE_STATISTIC\((\w+),", text, re.M)
    return found | {f"statistics/{name}": "0444" for name in statistics}


def told(page: str, folder: str) -> dict[str, str]:
    text = (ROOT / "docs/abi" / page).read_text()
    rows = re.findall(r"^What:\t\t(\S+)\nAccess:\t\t(\d+)\nDescription:\n\t\t\S", text, re.M)
    assert len(rows) == text.count("What:")
    return {what.removeprefix(folder): mode for what, mode in rows if what != folder}


@pytest.mark.parametrize(
    ("page", "folder", "sources", "beside"),
    [
        (
            "sysfs-kernel-lppack",
            "/sys/kernel/lppack/<module>/",
            ENGINE,
            {"/sys/module/lppack_engine/parameters/api": "0444"},
        ),
        ("sysfs-module-lppack", "/sys/module/<module>/lppack/", GLUE, {}),
    ],
)
def test_every_file_is_told(
    page: str, folder: str, sources: tuple[Path, ...], beside: dict[str, str]
) -> None:
    text = "".join(source.read_text() for source in sources)
    assert made(text)
    assert told(page, folder) == made(text) | beside
