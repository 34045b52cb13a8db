# SPDX-License-Identifier: MIT
"""The kernel's C as text: its items, what a diff changes of them, and what a function needs."""
