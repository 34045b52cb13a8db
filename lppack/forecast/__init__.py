# SPDX-License-Identifier: MIT
"""Predict when a transition ends, under a declared or measured load; ignores safety."""
