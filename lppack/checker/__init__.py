# SPDX-License-Identifier: MIT
"""Is it safe: every interleaving of a transition, by the rules of docs/semantics.md."""
