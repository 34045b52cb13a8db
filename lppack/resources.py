# SPDX-License-Identifier: MIT
"""Files that travel with lppack: schemas, templates, examples; and how templates are rendered."""

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import jinja2


@cache
def root() -> Path:
    """The folder that holds ``schemas/``, ``templates/`` and ``examples/``."""
    packaged = Path(__file__).parent / "_data"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent


def examples() -> Path:
    return root() / "examples"


def template_dir() -> Path:
    return root() / "templates"


def kmod_dir() -> Path:
    """Sources of lppack's own kernel modules; plain C."""
    return root() / "kmod"


@cache
def schema(name: str) -> dict[str, Any]:
    """The JSON schema ``schemas/NAME.json``."""
    loaded: dict[str, Any] = json.loads((root() / "schemas" / f"{name}.json").read_text())
    return loaded


def c_string(text: str) -> str:
    """``text`` as a C string literal; ValueError where it holds a control character."""
    out = []
    for byte in text.encode():
        if byte < 0x20 or byte == 0x7F:
            raise ValueError(f"{text!r} cannot be quoted in C")
        char = chr(byte)
        if char in '"\\?':  # an escaped "?" cannot start a trigraph
            out.append(f"\\{char}")
        else:
            out.append(char if byte < 0x80 else f"\\{byte:03o}")
    return f'"{"".join(out)}"'


@cache
def _environment() -> "jinja2.Environment":
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template_dir()),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=lambda name: name is not None and name.endswith(".html.j2"),
    )
    made.filters["c_string"] = c_string
    return made


def render(name: str, **values: Any) -> str:
    """The template ``templates/NAME`` with its one value; an unknown word in it is an error."""
    return _environment().get_template(name).render(**values)
