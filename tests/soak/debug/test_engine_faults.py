# SPDX-License-Identifier: MIT
"""Steps that the engine leaves out, on the debug kernel: seen there as well, and nothing
else is."""

from tests.guest.test_engine_faults import *  # noqa: F403
