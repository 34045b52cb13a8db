# SPDX-License-Identifier: MIT
"""Compile a change as the kernel's own build would, and compare the object code."""
