# SPDX-License-Identifier: MIT
"""Every load against the kernel's own engine, on the debug kernel."""

from tests.guest.test_loads import *  # noqa: F403
