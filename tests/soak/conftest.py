# SPDX-License-Identifier: MIT
"""The soak uses the guest tests' guest."""

from tests.guest.conftest import (  # noqa: F401 (fixtures)
    built,
    clean_console,
    control,
    guest,
    initramfs,
    kernel,
    loaded,
    target,
)
