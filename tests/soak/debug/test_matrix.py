# SPDX-License-Identifier: MIT
"""The loads against each engine and mode, and steps that are left out, on the debug kernel."""

from tests.guest.test_engine_loads import *  # noqa: F403
