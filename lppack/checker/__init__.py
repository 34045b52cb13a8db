# SPDX-License-Identifier: MIT
"""Exploration of every interleaving of a transition, by the rules of docs/semantics.md."""
