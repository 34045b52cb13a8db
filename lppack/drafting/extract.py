# SPDX-License-Identifier: MIT
"""Extract the content of a patch's C file: the new functions, and the items that they need."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from lppack.csource.changes import Changes
from lppack.csource.items import Item, ItemKind, ParsedFile
from lppack.csource.words import declared, is_static_key
from lppack.drafting.enums import written_anew
from lppack.drafting.places import Places
from lppack.kernel.facts import SymbolVerdict

# Invocations that register something, and define nothing that a patch uses.
_REGISTERS = re.compile(
    r"(?:\w*EXPORT_|MODULE_|DEFINE_EVENT|TRACE_|BUILTIN_|early_|__setup|\w*module_|\w+_initcall"
    r"|\w*_param|subsys_|device_|late_|arch_|fs_|core_|pure_|SYSCALL|COMPAT|ALLOW_|NOKPROBE)"
)
# include/linux/static_call.h (v6.1): a key and a trampoline, which the kernel has already.
STATIC_CALL = re.compile(r"DEFINE_STATIC_CALL(?:_NULL|_RET0)?(?P<words>\s*\(\s*(?P<name>\w+)\s*,)")
_CALLS = re.compile(r"\bstatic_call\w*\(\s*(\w+)")
_PLAIN = re.compile(r"#\s*define\s+\w+[ \t]+([A-Za-z_]\w*)\s*$")


class ItemForm(Enum):
    """The form of a kernel file's item in our file."""

    NEW = auto()  # a replacement
    COPY = auto()  # unchanged, used only by the replacements
    EXTERN = auto()  # declared; the patch uses the kernel's own


@dataclass
class Extract:
    """The items to write, by their place in the file."""

    unit: ParsedFile
    forms: dict[int, ItemForm] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)  # names that differ in the patch
    sizes: dict[str, int] = field(default_factory=dict)  # of the kernel's variables, in bytes
    aliases: dict[str, str] = field(default_factory=dict)  # of variables, for the manifest
    symbols: dict[str, int | None] = field(default_factory=dict)  # unexported, with their position
    fresh: list[Item] = field(default_factory=list)  # from headers, in their new form
    notes: list[str] = field(default_factory=list)
    copies: list[str] = field(default_factory=list)  # functions that exist only in the patch
    called: list[str] = field(default_factory=list)  # functions of other files of the patch

    def apart(self, name: str, alias: str) -> None:
        """Map ``name``, which macros of headers use, to ``alias`` of the manifest."""
        self.aliases[name] = alias
        declaration = f"extern typeof({name}) {alias};"
        self.fresh[:0] = [
            Item(kind=ItemKind.PROTOTYPE, names=(alias,), text=declaration, line=0),
            Item(kind=ItemKind.MACRO, names=(name,), text=f"#define {name} {alias}", line=0),
        ]


def extract(
    changes: Changes,
    replaced: Mapping[str, str],
    places: Places,
    headers: Mapping[str, Item],
    *,
    given: Collection[str] = (),
    elsewhere: Mapping[str, Item] | None = None,
    apart: Mapping[str, str] | None = None,
    also: Collection[str] = (),
    differing: Collection[str] = (),
    invocations: Collection[str] = (),
    moved: Mapping[str, Places] | None = None,
) -> Extract:
    """Return the closure of ``replaced``, functions and the names of their replacements, in the
    changed file.

    ``headers`` has what the diff changes or adds in headers, by name; ``given`` are functions of
    this file that other files of the patch call, and ``elsewhere`` are those of other files.
    ``apart`` gives symbols another name, where several objects have one of that name; ``also`` are
    names that no item spells, as macros put them together; ``differing`` are functions of the file
    whose object code differs, so that the kernel's own may not be called. ``invocations`` are
    names that macros at the top level may define: a macro is taken if it has a part of such a name.
    ``moved`` are variables that the kernel has of another file, and what it has of that file.
    """
    made = _Closure(changes, dict(replaced), places, headers, elsewhere or {}, apart or {})
    made.new |= set(differing)
    made.moved = moved or {}
    made.extract.names |= made.replaced
    made.extract.names |= {name: f"lp_{name}" for name in given}
    for name in (*made.replaced, *given):
        made.take(changes.after.functions[name], ItemForm.NEW)
    made.need(name for name in also if name in changes.after.by_name)
    for item in changes.after.items if invocations else ():
        named = any(word in name for name in invocations for word in item.uses)
        if item.kind is ItemKind.OTHER and named and not _REGISTERS.match(item.text):
            kernels = places.module is None and STATIC_CALL.match(item.text)
            made.take(item, ItemForm.EXTERN if kernels else ItemForm.COPY)
    made.run()
    return made.extract


class _Closure:
    def __init__(
        self,
        changes: Changes,
        replaced: dict[str, str],
        places: Places,
        headers: Mapping[str, Item],
        elsewhere: Mapping[str, Item],
        apart: Mapping[str, str],
    ) -> None:
        self.replaced = replaced
        self._elsewhere = elsewhere
        self._apart = apart
        # The preprocessor's names for the file's own: #define elf_format compat_elf_format.
        self._renamed = {
            item.name: found[1]
            for item in changes.after.items
            if item.kind is ItemKind.MACRO
            if (found := _PLAIN.match(item.text)) and len(changes.after.by_name[item.name]) > 1
        }
        self.extract = Extract(changes.after)
        self._unit = changes.after
        self._places = places
        self._headers = headers
        self._index = {id(item): at for at, item in enumerate(changes.after.items)}
        self.new = {*changes.functions(), *(n for item in changes.added for n in item.names)}
        self.new |= {n for n in changes.after.functions if n not in changes.before.functions}
        self.moved: Mapping[str, Places] = {}
        self._todo: list[str] = []
        self._seen: set[str] = set()
        self._static_calls = {
            found["name"]: item
            for item in changes.after.items
            if places.module is None and item.kind is ItemKind.OTHER
            if (found := STATIC_CALL.match(item.text))
        }

    def take(self, item: Item, form: ItemForm) -> None:
        at = self._index[id(item)]
        if at in self.extract.forms:
            return
        self.extract.forms[at] = form
        self._todo += sorted(item.asks)
        if form is ItemForm.EXTERN:
            call = STATIC_CALL.match(item.text)
            start, end = call.end() if call else 0, item.body or len(item.text)
            self._todo += [name for spot, name in item.spots if start <= spot < end]
        else:
            self._todo += sorted(item.uses)
            for name in self._static_calls.keys() & set(_CALLS.findall(item.text)):
                self.take(self._static_calls[name], ItemForm.EXTERN)
        if form is not ItemForm.EXTERN and item.statics:
            self.extract.notes.append(
                f"{item.name} has static data of its own ({', '.join(item.statics)}): the kernel's "
                "stays with the old function, and the new one begins with its initial value"
            )

    def need(self, names: Iterable[str]) -> None:
        """Also extract the items that define ``names``."""
        self._todo += names

    def run(self) -> None:
        while self._todo:
            if (name := self._todo.pop(0)) not in self._seen:
                self._seen.add(name)
                self._need(name)

    def _need(self, name: str) -> None:
        items = self._unit.by_name.get(name, ())
        if not items and name in self._headers:
            self._header(self._headers[name])
            return
        if not items and name in self._apart:
            alias = self._apart[name]
            self._call_it(name, alias)
            text = f"extern typeof({name}) {alias};"
            self.extract.fresh.append(
                Item(kind=ItemKind.PROTOTYPE, names=(alias,), text=text, line=0)
            )
            return
        defined = [item for item in items if item.kind is not ItemKind.PROTOTYPE]
        if not defined and name in self._elsewhere:
            self.extract.names[name] = f"lp_{name}"
            self.extract.called.append(name)
            self._declare(self._elsewhere[name])
            return
        if not defined:
            for item in items:
                self.take(item, ItemForm.COPY)
            return
        for item in defined:
            match item.kind:
                case ItemKind.FUNCTION:
                    self._function(item)
                case ItemKind.VARIABLE:
                    self._variable(item)
                case _:
                    self.take(item, ItemForm.COPY)
        if name in self.replaced or defined[0].kind not in (ItemKind.FUNCTION, ItemKind.TYPE):
            return
        for item in items:
            # Items between a declaration and its definition need the declaration.
            if item.kind is ItemKind.PROTOTYPE and name not in self.extract.symbols:
                self.take(item, ItemForm.COPY)

    def _declare(self, item: Item) -> None:
        """Declare a function of another file of the patch that has no usable declaration."""
        text = declared(item)
        at = text.find(item.name)
        prototype = Item(
            kind=ItemKind.PROTOTYPE,
            names=(item.name,),
            text=text,
            line=0,
            spots=((at, item.name),) if at >= 0 else (),
        )
        if prototype not in self.extract.fresh:
            self.extract.fresh.append(prototype)

    def _header(self, item: Item) -> None:
        """Carry what the diff changes in a header: the kernel's headers have the old form."""
        if item.kind is ItemKind.FUNCTION:
            self.extract.names[item.name] = f"lp_{item.name}"
        anew = written_anew(item) or (item,)
        if anew[0] not in self.extract.fresh:
            self._todo += sorted(item.uses | item.asks)
            self.extract.fresh += anew

    def _function(self, item: Item) -> None:
        if item.name in self.replaced:
            return
        if self._places.overridden(self._own_name(item)):
            self._kernels_own(item, None)
            return
        state, symbol = self._places.symbol(self._own_name(item))
        gone = state in (
            SymbolVerdict.MISSING,
            SymbolVerdict.CLONE_ONLY,
            SymbolVerdict.INLINED,
            SymbolVerdict.AMBIGUOUS,
        )
        if item.name in self.new or item.inline or gone:
            if state is SymbolVerdict.AMBIGUOUS:
                self.extract.notes.append(
                    f"{item.name} was copied: there are several of that name, and which one is of "
                    f"{self._unit.path} is not known"
                )
            if not item.static:
                self.extract.names[item.name] = f"lp_{item.name}"
            self.extract.copies.append(item.name)
            self.take(item, ItemForm.COPY)
            return
        self._kernels_own(item, symbol.sympos if symbol else None)

    def _variable(self, item: Item) -> None:
        if (there := self.moved.get(item.name)) is not None:
            _, symbol = there.symbol(item.name)
            self._kernels_own(item, symbol.sympos if symbol else 0, there)
            return
        if item.name in self.new:
            self.take(item, ItemForm.COPY)
            if not item.const:
                self.extract.notes.append(
                    f"{item.name} is new static data: it lives in the patch, and begins with its "
                    "initial value each time that the patch is loaded"
                )
            return
        state, symbol = self._places.symbol(self._own_name(item))
        if symbol is not None and self._is_value(item):
            self.take(item, ItemForm.COPY)
            return
        if symbol is not None:
            self._kernels_own(item, symbol.sympos)
            return
        if state is SymbolVerdict.AMBIGUOUS:
            self.extract.notes.append(
                f"{item.name}: there are several of that name, and which one is of "
                f"{self._unit.path} is not known: give its sympos under symbols"
            )
            self.extract.symbols[item.name] = None
            self.take(item, ItemForm.EXTERN)
            return
        if not item.const:
            self.extract.notes.append(
                f"{item.name} was copied: the kernel has no symbol of it, as nothing writes to it"
            )
        self.take(item, ItemForm.COPY)

    def _own_name(self, item: Item) -> str:
        """Return the name that the compiler sees."""
        return self._renamed.get(item.name, item.name)

    def _is_value(self, item: Item) -> bool:
        """Return a constant whose address nobody takes: the compiler folds it, so a copy is the
        same."""
        address = re.compile(rf"&\s*{re.escape(item.name)}\b")
        declarator = item.text[: item.body]
        plain = item.const and item.static and item.body and not {"[", "*"} & set(declarator)
        return bool(plain) and not address.search(self._unit.text)

    def _kernels_own(self, item: Item, sympos: int | None, there: Places | None = None) -> None:
        """Declare it; and name it in the manifest, unless it is there for every module. ``there``:
        what the kernel has of the file that defined it, where that is another one."""
        own = self._own_name(item)
        export = self._places.facts.exported(own)
        if export is None or export.module is not None:
            several = self._places.several(own)
            self.extract.symbols[own] = sympos if several else None
        elif not item.static:
            return  # a header declares it
        if item.name in self._apart:
            self._call_it(item.name, self._apart[item.name])
        elif self._places.module and item.kind is ItemKind.VARIABLE and not is_static_key(item):
            # The name of a module's variable becomes a macro: it must not be that of a member, a
            # tag or a local variable, here or in a header.
            self._call_it(item.name, f"lp_var_{item.name}")
        data = (there or self._places).code.data
        if item.name in data:
            self.extract.sizes[item.name] = data[item.name].size
        # Other items may use it after its first declaration, before its definition.
        early = (i for i in self._unit.by_name[item.name] if i.kind is ItemKind.PROTOTYPE)
        self.take(next(early, item), ItemForm.EXTERN)

    def _call_it(self, name: str, alias: str) -> None:
        self.extract.aliases[name] = self.extract.names[name] = alias


def includes(unit: ParsedFile) -> Iterator[tuple[int, Item]]:
    """Yield the includes, and macros before the last include at the top of the file."""
    first_code = next(
        (at for at, i in enumerate(unit.items) if i.kind in (ItemKind.FUNCTION, ItemKind.VARIABLE)),
        len(unit.items),
    )
    last = max(
        (at for at, i in enumerate(unit.items[:first_code]) if i.kind is ItemKind.INCLUDE),
        default=-1,
    )
    texts = Counter(item.text for item in unit.items if item.kind is ItemKind.INCLUDE)
    for at, item in enumerate(unit.items):
        if item.kind is ItemKind.INCLUDE:
            # A header that is read for macros of the file's own makes data of each of its lines.
            listed = at > first_code and (
                texts[item.text] > 1 or unit.items[at - 1].kind is ItemKind.MACRO
            )
            if not listed:
                yield at, item
        elif item.kind is ItemKind.MACRO and at < last:
            yield at, item
