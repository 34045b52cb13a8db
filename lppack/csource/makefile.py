# SPDX-License-Identifier: MIT
"""What a folder's Makefile gives the compiler, beside what all of the kernel gets."""

import re
from collections.abc import Iterator

from lppack.kernel.config import KernelConfig

# Documentation/kbuild/makefiles.rst (v6.1): ccflags-y is for the Makefile's own files.
_LINE = re.compile(
    r"^(?:(?:subdir-)?ccflags-(?P<on>y|\$\(CONFIG_\w+\))|CFLAGS_(?P<file>[\w-]+)\.o)"
    r"\s*[:+?]?=(?P<flags>.*)$",
    re.MULTILINE,
)
_DEFINE = re.compile(r"(?<!\S)-D\s*(?P<name>[A-Za-z_]\w*)(?:=(?P<value>[^\s$()\"']+))?(?!\S)")


def defines(makefile: str, stem: str, config: KernelConfig) -> tuple[str, ...]:
    """Return what it defines while it compiles ``stem``.c, as it stands behind ``#define``."""
    joined = re.sub(r"\\\n", " ", makefile)
    return tuple(dict.fromkeys(_defines(joined, stem, config)))


def _defines(makefile: str, stem: str, config: KernelConfig) -> Iterator[str]:
    for line in _LINE.finditer(makefile):
        if line["file"] not in (None, stem):
            continue
        if line["on"] not in (None, "y") and not config.is_on(line["on"][2:-1]):
            continue
        for found in _DEFINE.finditer(line["flags"]):
            yield f"{found['name']} {found['value'] or 1}"
