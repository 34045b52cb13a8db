# SPDX-License-Identifier: MIT
"""Debian: packages, suites, kernels and their sources."""
