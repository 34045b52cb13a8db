# SPDX-License-Identifier: MIT
"""The kernel's C as text: items, changes of a diff, and dependencies of functions."""
