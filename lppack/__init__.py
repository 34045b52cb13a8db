# SPDX-License-Identifier: MIT
"""lppack packages and applies Linux kernel live patches."""

__version__ = "0.1.0"
