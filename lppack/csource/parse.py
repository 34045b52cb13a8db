# SPDX-License-Identifier: MIT
"""A C file of the kernel as a list of items: functions, variables, types, macros, includes.

Read by tree-sitter, as the kernel's sources are not preprocessed here: which of its macros and
branches count is left to the compiler, and each item keeps the ``#if`` lines around it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache, cached_property

import tree_sitter
import tree_sitter_c

from lppack.csource.conditions import Known, decided


class Kind(StrEnum):
    INCLUDE = "include"
    MACRO = "macro"
    TYPE = "type"
    VARIABLE = "variable"
    PROTOTYPE = "prototype"
    FUNCTION = "function"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing that stands at the top level of a file."""

    kind: Kind
    names: tuple[str, ...]  # what it defines; of a tag "struct x"
    text: str
    line: int  # from 1
    conditions: tuple[str, ...] = ()  # "#ifdef CONFIG_X": the branches around it, outermost first
    spots: tuple[tuple[int, str], ...] = ()  # (offset in text, name) of each name of another thing
    static: bool = False
    inline: bool = False
    init: bool = False  # gone when the kernel or the module has started
    body: int = 0  # offset of the "{" of a function, or of the "=" of a variable; 0: there is none
    statics: tuple[str, ...] = ()  # static variables in a function that are not const

    @property
    def name(self) -> str:
        return self.names[0] if self.names else ""

    @property
    def uses(self) -> frozenset[str]:
        return frozenset(name for _, name in self.spots)

    @property
    def tokens(self) -> str:
        """The text without comments, and with one blank where there is white space."""
        return " ".join(_COMMENT.sub(" ", self.text).split())

    @property
    def const(self) -> bool:
        return bool(re.search(r"\bconst\b", self.text[: self.body or None]))

    def renamed(self, names: Mapping[str, str], text: str | None = None) -> str:
        """The text (or the first part of it) with other names for other things."""
        out, last = [], 0
        text = self.text if text is None else text
        for at, name in self.spots:
            if at < len(text) and name in names:
                out += [text[last:at], names[name]]
                last = at + len(name)
        return "".join([*out, text[last:]])


class Unit:
    """One file."""

    def __init__(self, path: str, items: tuple[Item, ...], text: str) -> None:
        self.path = path  # in the kernel's tree
        self.items = items
        self.text = text

    @cached_property
    def by_name(self) -> dict[str, tuple[Item, ...]]:
        """Every item that defines or declares a name, in the order of the file."""
        found: dict[str, tuple[Item, ...]] = {}
        for item in self.items:
            for name in item.names:
                found[name] = (*found.get(name, ()), item)
        return found

    @cached_property
    def functions(self) -> dict[str, Item]:
        return {item.name: item for item in self.items if item.kind is Kind.FUNCTION}

    def users(self, name: str) -> tuple[str, ...]:
        """Functions whose own text names it."""
        return tuple(n for n, item in self.functions.items() if name in item.uses and n != name)


_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_WORD = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|(?<![\w.])(?<!->)[A-Za-z_]\w*")
# include/linux/compiler_types.h, compiler_attributes.h, cache.h, init.h, net/net_namespace.h
# (v6.1): words that stand where the grammar expects none.
_ATTRIBUTES = re.compile(
    r"\b(?:__packed|__randomize_layout|__read_mostly|__ro_after_init|__initdata|__initconst|__exitdata|__net_initdata"
    r"|__maybe_unused|__always_unused|__used|__cacheline_aligned(?:_in_smp)?|____cacheline_aligned"
    r"(?:_in_smp)?|__user|__rcu|__percpu|__iomem|__force|__must_check|__cold|__weak|__pure"
    r"|asmlinkage|__visible|noinline(?:_for_stack)?|__always_inline|__init|__exit|__net_init"
    r"|__net_exit|__ref|__refdata|__sched|__lockfunc|notrace|noinstr|nokprobe_inline|__kprobes"
    r"|__latent_entropy|__no_sanitize_\w+|__no_kcsan|__bpf_kfunc|__cpuidle|__meminit|fastcall"
    r"|(?:__acquires|__releases|__must_hold|__printf|__scanf|__aligned|__section|__malloc"
    r"|__cond_acquires)\((?:[^()]|\([^()]*\))*\))(?!\w)"
)
_INLINE = re.compile(r"\b(?:inline|__always_inline|__inline|nokprobe_inline)\b")
_INIT = re.compile(r"\b__(?:init|initdata|initconst|exit|meminit)\b")
# include/linux/*.h (v6.1): what defines a variable, and how the same is declared.
_DEFINERS = {
    "DEFINE_MUTEX": "extern struct mutex {0};",
    "DEFINE_SPINLOCK": "extern spinlock_t {0};",
    "DEFINE_RAW_SPINLOCK": "extern raw_spinlock_t {0};",
    "DEFINE_RWLOCK": "extern rwlock_t {0};",
    "DECLARE_RWSEM": "extern struct rw_semaphore {0};",
    "DEFINE_SEMAPHORE": "extern struct semaphore {0};",
    "DEFINE_IDR": "extern struct idr {0};",
    "DEFINE_IDA": "extern struct ida {0};",
    "DEFINE_XARRAY": "extern struct xarray {0};",
    "DEFINE_XARRAY_ALLOC": "extern struct xarray {0};",
    "DEFINE_SEQLOCK": "extern seqlock_t {0};",
    "LIST_HEAD": "extern struct list_head {0};",
    "HLIST_HEAD": "extern struct hlist_head {0};",
    "LLIST_HEAD": "extern struct llist_head {0};",
    "DECLARE_WAIT_QUEUE_HEAD": "extern wait_queue_head_t {0};",
    "DECLARE_WORK": "extern struct work_struct {0};",
    "DECLARE_DELAYED_WORK": "extern struct delayed_work {0};",
    "DEFINE_STATIC_SRCU": "extern struct srcu_struct {0};",
    "DEFINE_SRCU": "extern struct srcu_struct {0};",
    "DEFINE_STATIC_KEY_FALSE": "extern struct static_key_false {0};",
    "DEFINE_STATIC_KEY_TRUE": "extern struct static_key_true {0};",
    "ATOMIC_NOTIFIER_HEAD": "extern struct atomic_notifier_head {0};",
    "BLOCKING_NOTIFIER_HEAD": "extern struct blocking_notifier_head {0};",
    "RAW_NOTIFIER_HEAD": "extern struct raw_notifier_head {0};",
    "DEFINE_HASHTABLE": "extern struct hlist_head {0}[1 << ({1})];",
    "DEFINE_PER_CPU": "DECLARE_PER_CPU({0}, {1});",
    "DEFINE_PER_CPU_ALIGNED": "DECLARE_PER_CPU_ALIGNED({0}, {1});",
    "DEFINE_PER_CPU_SHARED_ALIGNED": "DECLARE_PER_CPU_SHARED_ALIGNED({0}, {1});",
}
_DEFINER = re.compile(
    rf"(?:static\s+)?(?P<macro>{'|'.join(_DEFINERS)})\s*\((?P<words>[^()]*(?:\([^()]*\)[^()]*)*)\)"
)
_TO_THE_END = re.compile(r"[^;{}#]*;")
_SYSCALL = re.compile(r"^(?P<compat>COMPAT_)?SYSCALL_DEFINE\d\((?P<words>[^()]*)\)", re.MULTILINE)


def parse(path: str, text: str, known: Known = lambda _name: None) -> Unit:
    """The items of a file, in its order, without the branches that ``known`` excludes."""
    calls = list(_SYSCALL.finditer(text))
    text = _SYSCALL.sub(_system_call, text) + "".join(map(_entries, calls))
    plain = _ATTRIBUTES.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
    tree = _parser().parse(plain.encode("latin-1", errors="replace"))
    found = [
        replace(item, conditions=tuple(line for line, value in sides if value is None))
        for item in _items(tree.root_node, text, ())
        for sides in [[(line, decided(line[4:], known)) for line in item.conditions]]
        if all(value is not False for _, value in sides)
    ]
    return Unit(path, tuple(sorted(found, key=lambda item: item.line)), text)


def declared(item: Item) -> str:
    """A variable or function as a declaration, for what is defined elsewhere."""
    if item.kind is Kind.VARIABLE and (match := _DEFINER.match(item.text)):
        return _DEFINERS[match["macro"]].format(*_words(match["words"]))
    text = item.text[: item.body] if item.body else item.text.rstrip("; \n")
    words = r"\b(?:static|extern|inline|__always_inline|noinline|__init|__read_mostly"
    text = re.sub(rf"{words}|__ro_after_init|asmlinkage)\b\s*", "", text).strip()
    return f"extern {text};"


def members(item: Item) -> tuple[str, ...]:
    """Names of the members of a struct or union, in their order."""
    plain = _ATTRIBUTES.sub(lambda match: " " * len(match[0]), item.text)
    tree = _parser().parse(plain.encode("latin-1", errors="replace"))
    return tuple(
        _declarator_name(declarator, plain)
        for node in _walk(tree.root_node)
        if node.type == "field_declaration"
        for declarator in node.children_by_field_name("declarator")
    )


@cache
def _parser() -> tree_sitter.Parser:
    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_c.language()))


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]


def _system_call(match: re.Match[str]) -> str:
    """SYSCALL_DEFINEn as include/linux/syscalls.h (v6.1) makes its innermost function of it."""
    parameters = ", ".join(f"{kind} {arg}".replace("* ", "*") for kind, arg in _parameters(match))
    return f"static long {_innermost(match)}({parameters or 'void'})"


def _innermost(match: re.Match[str]) -> str:
    return ("__do_compat_sys_" if match["compat"] else "__do_sys_") + _words(match["words"])[0]


def _parameters(match: re.Match[str]) -> list[tuple[str, str]]:
    _, *words = _words(match["words"])
    return list(zip(words[::2], words[1::2], strict=False))


def _entries(match: re.Match[str]) -> str:
    """Its entries, into which the innermost function is often inlined.

    arch/x86/include/asm/syscall_wrapper.h (v6.1): SC_X86_64_REGS_TO_ARGS, SC_IA32_REGS_TO_ARGS.
    """
    name, kinds = _words(match["words"])[0], [kind for kind, _ in _parameters(match)]

    def entry(prefix: str, registers: str, narrow: str) -> str:
        places = registers.split()
        given = [f"({kind}){narrow}regs->{at}" for kind, at in zip(kinds, places, strict=False)]
        return (
            f"\nlong {prefix}{name}(const struct pt_regs *regs)\n{{\n"
            f"\treturn {_innermost(match)}({', '.join(given)});\n}}\n"
        )

    narrow = entry(
        "__ia32_compat_sys_" if match["compat"] else "__ia32_sys_",
        "bx cx dx si di bp",
        "(unsigned long)(u32)",
    )
    return narrow if match["compat"] else entry("__x64_sys_", "di si dx r10 r8 r9", "") + narrow


def _items(parent: tree_sitter.Node, text: str, conditions: tuple[str, ...]) -> Iterator[Item]:
    """Of a file, or of one branch of it."""
    for node in parent.children:
        kind = node.type
        if kind in ("preproc_ifdef", "preproc_if", "preproc_elif", "preproc_else"):
            if kind.startswith(("preproc_el",)):
                continue  # the branch before it has taken it
            yield from _branches(node, text, conditions)
            continue
        item = _item(node, text)
        if item is not None:
            yield replace(item, conditions=conditions)


def _branches(node: tree_sitter.Node, text: str, conditions: tuple[str, ...]) -> Iterator[Item]:
    before: list[str] = []  # of the branches that were not taken, each as an expression
    branch: tree_sitter.Node | None = node
    while branch is not None:
        own = _condition(branch, text)
        terms = [f"!({term})" for term in before] + ([own] if own else [])
        line = f"#if {' && '.join(terms)}"
        yield from _items(branch, text, (*conditions, line))
        before += [own] if own else []
        branch = branch.child_by_field_name("alternative")


def _condition(branch: tree_sitter.Node, text: str) -> str:
    """What must hold for that branch; "" for #else."""
    if branch.type == "preproc_ifdef":
        word = branch.children[0].type
        name = branch.child_by_field_name("name")
        assert name is not None
        defined = f"defined({_text(name, text)})"
        return defined if word == "#ifdef" else f"!{defined}"
    condition = branch.child_by_field_name("condition")
    return " ".join(_text(condition, text).split()) if condition is not None else ""


def _text(node: tree_sitter.Node, text: str) -> str:
    return text[node.start_byte : node.end_byte]


def _item(node: tree_sitter.Node, text: str) -> Item | None:
    line, own = node.start_point[0] + 1, _text(node, text)
    match node.type:
        case "preproc_include":
            return Item(kind=Kind.INCLUDE, names=(), text=own.strip(), line=line)
        case "preproc_def" | "preproc_function_def":
            name = node.child_by_field_name("name")
            assert name is not None
            spots = tuple((m.start(), m[0]) for m in _WORD.finditer(own) if m[0][0] not in "\"'")
            named = _text(name, text)
            kept = tuple((at, word) for at, word in spots if at > own.index(named))
            return Item(
                kind=Kind.MACRO, names=(named,), text=own.rstrip("\n"), line=line, spots=kept
            )
        case "function_definition":
            return _function(node, text, own, line)
        case "declaration" | "type_definition" | "struct_specifier" | "union_specifier":
            return _declaration(node, text, own, line)
        case "enum_specifier":
            return _declaration(node, text, own, line)
        case "expression_statement" if _DEFINER.match(own):
            return _declaration(node, text, own, line)
    return None


def _function(node: tree_sitter.Node, text: str, own: str, line: int) -> Item | None:
    declarator = node.child_by_field_name("declarator")
    body = node.child_by_field_name("body")
    if declarator is None or body is None:
        return None
    # Attributes before the first word of the grammar were blanked: they are on the same line.
    start = text.rfind("\n", 0, node.start_byte) + 1
    lead = text[start : node.start_byte]
    lead = lead if _ATTRIBUTES.fullmatch(lead.strip()) else ""
    own, shift = lead + own, len(lead)
    head = own[: body.start_byte - node.start_byte + shift]
    locals_ = {name for name, _ in _declared_in(node, text)}
    return Item(
        kind=Kind.FUNCTION,
        names=(_declarator_name(declarator, text),),
        text=own,
        line=line,
        spots=tuple(
            (at - node.start_byte + shift, name)
            for at, name in _names_in(node, text)
            if name not in locals_
        ),
        static=bool(re.search(r"\bstatic\b", head)),
        inline=bool(_INLINE.search(head)),
        init=bool(_INIT.search(head)),
        body=len(head),
        statics=tuple(name for name, static in _declared_in(body, text) if static),
    )


def _declaration(node: tree_sitter.Node, text: str, own: str, line: int) -> Item:
    end = node.end_byte
    if not own.rstrip().endswith(";"):
        rest = _TO_THE_END.match(text, end)
        if rest is None:  # a macro, taken for a type
            return Item(kind=Kind.OTHER, names=(), text=own, line=line)
        end = rest.end()
    own = text[node.start_byte : end]
    spots = tuple((at - node.start_byte, name) for at, name in _names_in(node, text))
    if match := _DEFINER.match(own):
        words = _words(match["words"])
        name = words[1] if "PER_CPU" in match["macro"] else words[0]
        return Item(
            kind=Kind.VARIABLE,
            names=(name,),
            text=own,
            line=line,
            spots=spots,
            static=own.startswith("static"),
        )
    types = tuple(_types_in(node, text))
    names, kind, body = [], Kind.OTHER, 0
    for declarator in node.children_by_field_name("declarator"):
        name = _declarator_name(declarator, text)
        function = _is_function(declarator)
        kind = Kind.PROTOTYPE if function else Kind.VARIABLE
        names.append(name)
        if declarator.type == "init_declarator":
            value = declarator.child_by_field_name("value")
            assert value is not None
            body = max(0, text.rfind("=", node.start_byte, value.start_byte) - node.start_byte)
    if node.type == "type_definition" or (types and not names):
        kind = Kind.TYPE
    tag = node.child_by_field_name("name")
    if tag is not None and not names and not types:  # struct x;
        kind, names = Kind.PROTOTYPE, [f"{node.type.removesuffix('_specifier')} {_text(tag, text)}"]
    if kind is Kind.VARIABLE and re.match(r"extern\b", own):
        kind = Kind.PROTOTYPE
    mine = {*names, *types}
    return Item(
        kind=kind,
        names=(*names, *types),
        text=own,
        line=line,
        spots=tuple((at, name) for at, name in spots if name not in mine or name in names),
        static=bool(re.match(r"static\b", own)),
        init=bool(_INIT.search(own[: body or None])),
        body=body,
    )


def _is_function(node: tree_sitter.Node) -> bool:
    while node.type == "pointer_declarator":
        inner = node.child_by_field_name("declarator")
        if inner is None:
            return False
        node = inner
    inner = node.child_by_field_name("declarator")
    return node.type == "function_declarator" and (
        inner is None or inner.type != "parenthesized_declarator"
    )


def _declarator_name(node: tree_sitter.Node, text: str) -> str:
    while node.type not in ("identifier", "type_identifier", "field_identifier"):
        inner = node.child_by_field_name("declarator")
        if inner is None:
            inner = next((child for child in node.named_children), None)
        if inner is None:
            return ""
        node = inner
    return _text(node, text)


def _types_in(node: tree_sitter.Node, text: str) -> Iterator[str]:
    """Tags and enumerators that are defined in it."""
    for inner in _walk(node):
        if inner.type in ("struct_specifier", "union_specifier", "enum_specifier"):
            name, body = inner.child_by_field_name("name"), inner.child_by_field_name("body")
            if name is not None and body is not None:
                yield f"{inner.type.removesuffix('_specifier')} {_text(name, text)}"
        elif inner.type == "enumerator":
            name = inner.child_by_field_name("name")
            if name is not None:
                yield _text(name, text)


def _names_in(node: tree_sitter.Node, text: str) -> Iterator[tuple[int, str]]:
    """(offset in the file, name) of every identifier that is no member and no label."""
    for inner in _walk(node):
        if inner.type == "identifier":
            yield inner.start_byte, _text(inner, text)
        elif inner.type == "type_identifier":
            parent = inner.parent
            if parent is not None and parent.type.endswith("_specifier"):
                # At the keyword, so that the offset is that of the whole name.
                word = parent.type.removesuffix("_specifier")
                yield parent.start_byte, f"{word} {_text(inner, text)}"
            else:
                yield inner.start_byte, _text(inner, text)
        elif inner.type == "preproc_arg":
            own = _text(inner, text)
            for match in _WORD.finditer(own):
                if match[0][0] not in "\"'":
                    yield inner.start_byte + match.start(), match[0]


def _declared_in(node: tree_sitter.Node, text: str) -> Iterator[tuple[str, bool]]:
    """(name, is it static and not const) of each parameter and local variable."""
    for inner in _walk(node):
        if inner.type == "parameter_declaration":
            declarator = inner.child_by_field_name("declarator")
            if declarator is not None:
                yield _declarator_name(declarator, text), False
        elif inner.type == "declaration":
            words = {_text(child, text) for child in inner.children[:4]}
            static = "static" in words and "const" not in words
            for declarator in inner.children_by_field_name("declarator"):
                if not _is_function(declarator):
                    yield _declarator_name(declarator, text), static


def _walk(node: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    """The node and all below it, in the order of the text."""
    stack = [node]
    while stack:
        here = stack.pop()
        yield here
        stack.extend(reversed(here.children))
