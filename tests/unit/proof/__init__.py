# SPDX-License-Identifier: MIT
"""Tests of lppack.proof."""
