# SPDX-License-Identifier: MIT
"""From a diff of the kernel's sources to the C of a live patch."""
