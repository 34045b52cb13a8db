# SPDX-License-Identifier: MIT
"""The soak uses the guest tests' guest, and draws new examples each time."""

from hypothesis import settings

from tests.kit.guest import (  # noqa: F401 (fixtures)
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

settings.register_profile("new", derandomize=False, print_blob=True)
settings.load_profile("new")
