# SPDX-License-Identifier: MIT
"""What a call of a replaced function costs, and how often functions are called on a host."""
