# SPDX-License-Identifier: MIT
"""Hints for a name that is not in its object: other objects that have it, and similar names."""

from typing import TYPE_CHECKING

from lppack.document import Document
from lppack.rules.replaced import copies_of
from lppack.rules.runner import safe

if TYPE_CHECKING:
    from lppack.kernel.facts import Facts

_MOST = 4  # number of modules that a hint names


def homes(
    facts: "Facts",
    object_: str,
    name: str,
    document: Document | None = None,
    *,
    variables: bool = False,
) -> list[str]:
    """Return the other objects of the kernel that have ``name``; the most likely first.

    Without ``variables``, only functions are searched in all modules. Variables are searched only
    in the dependencies of ``object_``, in the module that exports the name, and in the objects of
    ``document``.
    """
    others = ["vmlinux"]
    if document is not None:
        others += [e["name"] for _, e in document.mappings("objects") if _is_text(e.get("name"))]
    if object_ != "vmlinux" and facts.has_module(object_):
        others += sorted(facts.depends(object_))
    export = facts.exported(name)
    if export is not None and export.module:
        others.append(export.module)
    found = [other for other in others if other != object_ and copies_of(facts, other, name)]
    found += facts.modules_with(name)
    if variables and not found:
        found += facts.modules_with_variable(name)
    return [other for other in dict.fromkeys(found) if other != object_]


def home_of_function(
    facts: "Facts", object_: str, name: str, document: Document | None = None
) -> str | None:
    """Return a hint that names the object with the function; None if no object has it."""
    return _place(homes(facts, object_, name, document))


def _place(found: list[str]) -> str | None:
    if not found:
        return None
    if found[0] == "vmlinux":
        return "it is in vmlinux: list it under the object vmlinux"
    more = f" and {len(found) - _MOST} more" if len(found) > _MOST else ""
    return f"it is in module {', '.join(found[:_MOST])}{more}: list it under an object of that name"


def home_of_symbol(facts: "Facts", object_: str, name: str, document: Document) -> str | None:
    """Return a hint that names the module with a symbol, for an entry of `symbols`."""
    found = homes(facts, object_, name, document, variables=True)
    depends = facts.depends(object_) if facts.has_module(object_) else frozenset()
    for home in found:
        if home in depends:
            return f"write {{name: {safe(name)}, module: {home}}}"
    return _place(found)


def _is_text(value: object) -> bool:
    return isinstance(value, str)
