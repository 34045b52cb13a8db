# SPDX-License-Identifier: MIT
"""Eight threads that make, use and free what is converted, on the debug kernel."""

from tests.guest.test_crowd import *  # noqa: F403
