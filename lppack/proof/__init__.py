# SPDX-License-Identifier: MIT
"""What a change does to a kernel's object code: compiled as the kernel's own, and compared."""
