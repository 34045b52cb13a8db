# SPDX-License-Identifier: MIT
"""Optional packages: those that only authors and `simulate` need are absent on hosts."""

from lppack.errors import EnvironmentMissing

#: Import name of each package, and the extra of pyproject.toml that installs it.
EXTRAS = {
    **dict.fromkeys(("capstone", "docker", "jinja2", "jsonschema", "rich"), "author"),
    **dict.fromkeys(("tree_sitter", "tree_sitter_c", "unidiff"), "author"),
    "numpy": "simulate",
}
INSTALL = "pip install 'lppack[author]'"


def missing(error: ModuleNotFoundError) -> EnvironmentMissing | None:
    """Return the error to report; None if no extra installs that module, which is a bug."""
    name = (error.name or "").partition(".")[0]
    if name not in EXTRAS:
        return None
    return EnvironmentMissing(
        f"this command needs the package {name}, which this installation of lppack lacks",
        hint=f"pip install 'lppack[{EXTRAS[name]}]'",
        reason="not-installed",
    )
