# SPDX-License-Identifier: MIT
"""What an installation for hosts lacks: packages that only authors need, and simulate."""

from lppack.errors import EnvironmentMissing

#: Package as it is imported: the extra of pyproject.toml that brings it.
EXTRAS = {
    **dict.fromkeys(("capstone", "docker", "jinja2", "jsonschema", "rich"), "author"),
    **dict.fromkeys(("tree_sitter", "tree_sitter_c", "unidiff"), "author"),
    "numpy": "simulate",
}
INSTALL = "pip install 'lppack[author]'"


def missing(error: ModuleNotFoundError) -> EnvironmentMissing | None:
    """Return what to tell the user; None: no extra brings that module, so it is a bug."""
    name = (error.name or "").partition(".")[0]
    if name not in EXTRAS:
        return None
    return EnvironmentMissing(
        f"this needs {name}, and lppack was installed without it, for hosts that apply alone",
        hint=f"pip install 'lppack[{EXTRAS[name]}]'",
        reason="not-installed",
    )
