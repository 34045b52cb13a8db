# SPDX-License-Identifier: MIT
"""Files that are installed with lppack (schemas, templates, examples), and rendering of
templates."""

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lppack.errors import EnvironmentMissing
from lppack.extras import INSTALL

if TYPE_CHECKING:
    import jinja2


@cache
def root() -> Path:
    """Return the folder that holds ``schemas/``, ``templates/`` and ``examples/``.

    Raise EnvironmentMissing in lppack.pyz, which is a zip file and has no folder.
    """
    packaged, clone = Path(__file__).parent / "_data", Path(__file__).parent.parent
    found = packaged if packaged.is_dir() else clone
    if not found.is_dir():
        raise EnvironmentMissing(
            f"{found.name} is for hosts that only apply patches, and has no templates", hint=INSTALL
        )
    return found


def examples() -> Path:
    return root() / "examples"


def template_dir() -> Path:
    return root() / "templates"


def kmod_dir() -> Path:
    """Return the folder with the C sources of lppack's own kernel modules."""
    return root() / "kmod"


@cache
def schema(name: str) -> dict[str, Any]:
    """Return the JSON schema ``schemas/NAME.json``; works inside a zip file, too."""
    try:
        text = (root() / "schemas" / f"{name}.json").read_bytes()
    except EnvironmentMissing:
        text = _zipped(name)
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def _zipped(name: str) -> bytes:
    import pkgutil

    data = pkgutil.get_data("lppack", f"_data/schemas/{name}.json")
    assert data is not None
    return data


def c_string(text: str) -> str:
    """Return ``text`` as a C string literal; raise ValueError if it contains a control
    character."""
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
    """Render the template ``templates/NAME`` with ``values``; an undefined variable is an error."""
    return _environment().get_template(name).render(**values)


def compile_templates(folder: str) -> None:
    """Compile the templates of a folder before forking, so that child processes need not compile
    them."""
    environment = _environment()
    for name in environment.list_templates(filter_func=lambda name: name.startswith(f"{folder}/")):
        environment.get_template(name)
