# SPDX-License-Identifier: MIT
"""The cost of calls of replaced functions, and how often functions are called on a host."""
