# SPDX-License-Identifier: MIT
"""One guest for all tests of this folder."""

from tests.kit.guest import (
    built,
    checked,
    clean_console,
    control,
    guest,
    initramfs,
    kernel,
    loaded,
    target,
)

__all__ = [
    "built",
    "checked",
    "clean_console",
    "control",
    "guest",
    "initramfs",
    "kernel",
    "loaded",
    "target",
]
