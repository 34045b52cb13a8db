# SPDX-License-Identifier: MIT
"""Names and numbers that are derived from the names of a manifest."""

#: The file of a patch that says what it is, and of its bundle.
MANIFEST = "manifest.yaml"


def stable_id(*words: str) -> int:
    """Return a klp_state or shadow id: a hash of names, so that it is the same in every build."""
    import hashlib

    digest = hashlib.sha256("\0".join(("lppack", *words)).encode()).digest()
    return int.from_bytes(digest[:8], "big") | 1  # ids are non-zero (klp_state.id)


def module_name(series: str, version: int) -> str:
    return f"lppack_{series.replace('-', '_')}_{version}"
