# SPDX-License-Identifier: MIT
"""Static keys, static calls and tracepoints of a module, which a patch must read through lppack.h.

The same holds for THIS_MODULE.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lppack.csource.words import is_static_key
from lppack.drafting.extract import Extract, ItemForm
from lppack.drafting.places import Places

_TRACE = re.compile(r"trace_(?P<name>\w+?)(?P<asks>_enabled)?")
_CALL = re.compile(r"\bstatic_call(?P<cond>_cond)?\((?P<name>\w+)\)")
_KEY = re.compile(r"\bstatic_branch_(?:un)?likely\(&(\w+)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wired:
    """The tracepoints, keys, calls and THIS_MODULE that the written code uses."""

    module: str | None  # that is patched; None: vmlinux
    this_module: bool
    tracepoints: Mapping[str, str]  # trace_x -> x
    asked: Mapping[str, str]  # trace_x_enabled -> x
    keys: tuple[str, ...]
    calls: tuple[str, ...]  # static calls of the module
    symbols: Mapping[str, Mapping[str, Any]]  # as entries of the manifest, without their names

    @property
    def needs_lppack_h(self) -> bool:
        """Return True if the written code needs lppack.h."""
        own = self.this_module and self.module is not None
        return bool(own or self.tracepoints or self.asked or self.keys or self.calls)

    def rewired(self, text: str) -> str:
        """Return the kernel's ``text`` rewritten for use in another module."""
        for name, point in self.tracepoints.items():
            text = re.sub(rf"\b{name}\(\s*", f"lp_trace({point}, ", text)
            text = text.replace(f"lp_trace({point}, )", f"lp_trace({point})")
        for name, point in self.asked.items():
            text = re.sub(rf"\b{name}\(\)", f"lp_key_enabled(__tracepoint_{point}.key)", text)
        for key in self.keys:
            ask = rf"\bstatic_branch_(?:un)?likely\(&{key}\)"
            text = re.sub(ask, f"lp_key_enabled({key})", text)
        for name in self.calls:
            text = re.sub(
                rf"\bstatic_call((?:_cond)?)\({name}\)", rf"lp_static_call\1({name})", text
            )
        if self.this_module:
            own = f"lp_module_{self.module}()" if self.module else "NULL"
            text = re.sub(r"\bTHIS_MODULE\b", own, text)
        return text


def wired_of(made: Extract, places: Places) -> Wired:
    """Return the tracepoints, keys, calls and THIS_MODULE that the written items use."""
    items = [made.unit.items[at] for at in made.forms] + made.fresh
    names = {name for item in items for name in item.uses}
    externs = [made.unit.items[at] for at, form in made.forms.items() if form is ItemForm.EXTERN]
    tracepoints: dict[str, str] = {}
    asked: dict[str, str] = {}
    symbols: dict[str, Mapping[str, Any]] = {}
    for match in filter(None, map(_TRACE.fullmatch, sorted(names))):
        name, point = match[0], match["name"]
        home, _ = places.home(f"__tracepoint_{point}")
        if home == "vmlinux":
            continue  # it is exported, or the build asks for it
        (asked if match["asks"] else tracepoints)[name] = point
        how = {} if home == places.module else {"module": home}
        symbols[f"__tracepoint_{point}"] = how
        if not match["asks"]:
            symbols[f"__traceiter_{point}"] = how
    keys = {i.name for i in externs if places.module and is_static_key(i)}
    for item in items if places.module else ():
        for name in _KEY.findall(item.text):
            if name not in keys and (copies := places.copies(name)):
                keys.add(name)  # another file of the module defines it
                symbols[name] = {} if len(copies) == 1 else {"sympos": copies[0].sympos}
    calls = set()
    for item in items if places.module else ():
        for match in _CALL.finditer(item.text):
            if copies := places.copies(f"__SCK__{match['name']}"):
                calls.add(match["name"])
                symbols[f"__SCK__{match['name']}"] = (
                    {} if len(copies) == 1 else {"sympos": copies[0].sympos}
                )
    return Wired(
        calls=tuple(sorted(calls)),
        module=places.module,
        this_module="THIS_MODULE" in names,
        tracepoints=tracepoints,
        asked=asked,
        keys=tuple(sorted(keys)),
        symbols=symbols,
    )
