# SPDX-License-Identifier: MIT
"""When will it end: transitions drawn from a declared or measured load, without safety."""
