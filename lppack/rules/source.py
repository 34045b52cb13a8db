# SPDX-License-Identifier: MIT
"""Rules of the author's C that need only its text: definitions, calls, and forbidden names."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lppack.csource.tokens import CFile, Token, read_c
from lppack.document import Document
from lppack.errors import Level
from lppack.rules.data import GLUE, HOOKS, authors_functions
from lppack.rules.files import text_of
from lppack.rules.registry import MANIFEST, rule
from lppack.rules.runner import Fault, nearest, safe


@dataclass(frozen=True, slots=True, kw_only=True)
class Coded(Document):
    """A document with the C files of its folder, read once for all rules."""

    sources: tuple[CFile, ...]
    headers: tuple[CFile, ...]


def with_code(document: Document) -> Coded:
    """Return ``document`` with the files that can be read; other rules report unreadable files."""
    if isinstance(document, Coded):
        return document
    fields = {name: getattr(document, name) for name in ("path", "shown", "data", "values", "keys")}
    return Coded(**fields, sources=_read(document, "sources"), headers=_read(document, "headers"))


def sources(document: Document) -> tuple[CFile, ...]:
    """Return the sources that can be read."""
    return with_code(document).sources


def headers(document: Document) -> tuple[CFile, ...]:
    """Return the author's headers that can be read."""
    return with_code(document).headers


def _read(document: Document, key: str) -> tuple[CFile, ...]:
    found = ((name, text_of(document, name)) for _, name in document.strings(key))
    return tuple(
        read_c(text, str(document.folder / name)) for name, text in found if text is not None
    )


def _every_call(document: Document, *names: str) -> Iterator[tuple[CFile, Token]]:
    """Yield the calls of ``names`` in the sources, and macros that look like a call."""
    for file in sources(document):
        yield from ((file, token) for token in file.called if token.text in names)


def at(file: CFile, token: Token, message: str, hint: str | None = None) -> Fault:
    return Fault(("sources",), message, hint, file.spot(token))


@rule(needs=MANIFEST)
def named_functions_are_defined(document: Document) -> Iterator[Fault]:
    """Each function that the manifest names is defined in a source, and is not static.

    The generated code takes their addresses. Without this rule, a missing or static function fails
    the build only at its end. Not reported if a macro with ## or an included .c file may define it.
    """
    files = sources(document)
    if len(files) != len(list(document.strings("sources"))):
        return
    if not files or any(file.hides_functions for file in files):
        return
    defined = {function.name: (file, function) for file in files for function in file.functions}
    for pointer, name in authors_functions(document):
        if not name.isidentifier():
            continue
        if name not in defined:
            close = nearest(name, defined)
            yield Fault(
                pointer,
                f'"{safe(name)}" is defined in none of the sources',
                f'did you mean "{close}"?' if close else None,
            )
        elif defined[name][1].is_static:
            file, function = defined[name]
            yield at(file, function.at, f'"{name}" is static', "remove static: others use it")


def quoted_includes(document: Document) -> Iterator[tuple[CFile, Token, str]]:
    """Yield (file, token, name) of each `#include "name"` in sources and headers."""
    for file in (*sources(document), *headers(document)):
        for line in file.directives:
            if len(line) == 3 and line[1].text == "include" and line[2].kind == "string":
                yield file, line[2], line[2].text.strip('"')


@rule(needs=MANIFEST)
def included_files_are_listed(document: Document) -> Iterator[Fault]:
    """A file of the folder that a source includes is listed: the compiler sees only such files."""
    listed = {name for key in ("sources", "headers") for _, name in document.strings(key)}
    for file, token, included in quoted_includes(document):
        name = included.lstrip("/")
        places = {name, str((Path(file.shown).parent / name).relative_to(document.folder))}
        found = {place for place in places if text_of(document, place) is not None}
        if found and not found & listed:
            yield at(
                file,
                token,
                f'"{safe(name)}" is in the folder, but is not listed',
                f"headers: [{safe(min(found))}]",
            )


@rule(needs=MANIFEST)
def lppack_h_is_included(document: Document) -> Iterator[Fault]:
    """A source that calls a generated function includes lppack.h, which declares it."""
    shadows = [e["name"] for _, e in document.mappings("shadow_variables") if _named(e)]
    made = {f"{name}_{verb}" for name in shadows for verb in ("get", "get_or_alloc")}
    for _, entry in document.mappings("transforms"):
        made |= {f"lp_{verb}_{entry.get('name')}" for verb in ("convert", "forget")}
    made |= {"lp_trace", "lp_key_enabled", "lp_static_call", "lp_static_call_cond", "lp_state"}
    if any(_includes_lppack_h(header) for header in headers(document)):
        return
    for file in sources(document):
        call = next((token for token in file.called if token.text in made), None)
        if call is not None and not _includes_lppack_h(file):
            yield at(file, call, f"{call.text}() is declared in lppack.h", '#include "lppack.h"')


@rule(needs=MANIFEST, level=Level.WARNING)
def type_of_a_shadow_variable_is_defined(document: Document) -> Iterator[Fault]:
    """The type of a shadow variable is not a misspelt type of the patch (a warning).

    If no header defines the type, the generated code does not compile, and the compiler only
    reports an incomplete type. A warning, because the kernel may define a type with such a name.
    """
    known = {name for file in (*headers(document), *sources(document)) for name in file.layouts}
    for pointer, entry in document.mappings("shadow_variables"):
        type_ = entry.get("type")
        if not isinstance(type_, str) or not type_.startswith("struct ") or type_ in known:
            continue
        if meant := nearest(type_, known, cutoff=0.8):
            yield Fault(
                (*pointer, "type"),
                f'"{safe(type_)}" is defined in none of the headers and sources',
                f'did you mean "{safe(meant)}"?',
            )


def _includes_lppack_h(file: CFile) -> bool:
    return any(token.text == '"lppack.h"' for line in file.directives for token in line)


@rule(needs=MANIFEST, sources=(33,))
def hooks_have_the_kernels_types(document: Document) -> Iterator[Fault]:
    """The hook pre_patch returns int; the other hooks return void.

    struct klp_callbacks, include/linux/livepatch.h: only pre_patch may refuse the patch.
    """
    wanted = {}
    for pointer, entry in document.mappings("objects"):
        hooks = entry.get("hooks")
        if isinstance(hooks, dict):
            for hook in HOOKS:
                if name := document.text(*pointer, "hooks", hook):
                    wanted[name] = (hook, "int" if hook == "pre_patch" else "void")
    for file in sources(document):
        for function in file.functions:
            if function.name in wanted:
                hook, type_ = wanted[function.name]
                if type_ not in function.returns or "*" in function.returns:
                    yield at(file, function.at, f'hook {hook} "{function.name}" returns {type_}')


_KLP = ("klp_enable_patch", "klp_get_state")
_ENTRY = (
    *("module_init", "module_exit", "MODULE_LICENSE", "MODULE_INFO"),
    *("early_initcall", "core_initcall", "subsys_initcall", "fs_initcall"),
    *("device_initcall", "late_initcall"),
)


@rule(needs=MANIFEST, sources=(36,))
def livepatch_is_left_to_lppack(document: Document) -> Iterator[Fault]:
    """lppack generates the module's init and exit, its license and its klp_patch.

    A module has only one init (include/linux/module.h), and nothing would undo the effects of a
    second klp_enable_patch().
    """
    for file, token in _every_call(document, *_KLP, *_ENTRY):
        yield at(
            file,
            token,
            f"{token.text}() is for lppack" if token.text in _KLP else f"has {token.text}()",
            "remove it: the generated code contains it",
        )


@rule(needs=MANIFEST, sources=(46,))
def shadow_variables_are_freed_by_lppack(document: Document) -> Iterator[Fault]:
    """The author does not call klp_shadow_free() or klp_shadow_free_all(), but lp_forget_T().

    lppack frees shadow variables before the unpatch transition starts. If they were freed at module
    exit, a patch that replaced this one would lose them.
    """
    for file, token in _every_call(document, "klp_shadow_free", "klp_shadow_free_all"):
        yield at(file, token, f"{token.text}() bypasses lppack", "call lp_forget_T()")


@rule(needs=MANIFEST, sources=(47,))
def shadow_variables_are_made_by_lppack(document: Document) -> Iterator[Fault]:
    """Shadow variables are declared in the manifest, and used only through their accessors.

    klp_shadow_alloc() warns and returns NULL if the variable exists already
    (kernel/livepatch/shadow.c). A variable allocated outside phase 2 would still exist when old
    code runs again.
    """
    names = ("klp_shadow_alloc", "klp_shadow_get_or_alloc", "klp_shadow_get")
    for file, token in _every_call(document, *names):
        yield at(file, token, f"{token.text}() bypasses lppack", "declare it in shadow_variables")


@rule(needs=MANIFEST)
def nothing_is_exported(document: Document) -> Iterator[Fault]:
    """A patch exports no symbol: a module that used it would keep the patch from being unloaded."""
    for file in sources(document):
        for token in file.called:
            if token.text.startswith("EXPORT_SYMBOL"):
                yield at(file, token, f"{token.text}() is not allowed in a patch", "remove it")


_INIT = frozenset((*("__init", "__exit", "__initdata", "__initconst", "__exitdata"),))


@rule(needs=MANIFEST)
def nothing_is_freed_after_init(document: Document) -> Iterator[Fault]:
    """The sources do not use `__init`, `__exit` or `__initdata`: patched functions run later, when
    that memory is freed (do_init_module(), kernel/module/main.c)."""
    for file in sources(document):
        for token in file.tokens:
            if token.text in _INIT:
                yield at(file, token, f"the memory of {token.text} is freed before the patch runs")


@rule(needs=MANIFEST, sources=(32,))
def glue_is_left_alone(document: Document) -> Iterator[Fault]:
    """Only the operator starts, stops or drains conversion, with lppack.

    If data were converted before every thread has switched, old code would read converted data.
    """
    drops = [f"lp_drop_{e['name']}" for _, e in document.mappings("transforms") if _named(e)]
    internal = [name for name in GLUE if name not in ("lp_test_point", "lp_state")]
    for file, token in _every_call(document, *internal, *drops):
        yield at(file, token, f"only generated code calls {token.text}()", "remove it")


def _named(entry: dict[str, object]) -> bool:
    return isinstance(entry.get("name"), str)


_LATER = frozenset(
    (
        *("call_rcu", "call_srcu", "INIT_WORK", "INIT_DELAYED_WORK", "INIT_RCU_WORK"),
        *("timer_setup", "tasklet_setup", "kthread_run", "kthread_create", "request_irq"),
        *("request_threaded_irq", "register_netdevice_notifier"),
        *("blocking_notifier_chain_register", "atomic_notifier_chain_register"),
        *("init_irq_work", "task_work_add", "smp_call_function", "on_each_cpu"),
        *("register_kprobe", "proc_create", "proc_create_single", "debugfs_create_file"),
    )
)


@rule(needs=MANIFEST, level=Level.WARNING, sources=(37,))
def stored_address_has_a_barrier(document: Document) -> Iterator[Fault]:
    """If sources store the address of a function, the object has a `barrier` hook.

    Examples are work items, timers, RCU callbacks and tables of operations. A call after the patch
    is unloaded would run freed memory (Documentation/livepatch/livepatch.rst, limitations). The
    hook must wait for such calls.
    """
    if any(document.at(*p, "hooks", "barrier") for p, _ in document.mappings("objects")):
        return
    for file in sources(document):
        own = {function.name for function in file.functions}
        for token in _stored(file.tokens, own):
            yield at(file, token, f'the address of "{token.text}" is stored, to be called later')


def _stored(tokens: tuple[Token, ...], own: set[str]) -> Iterator[Token]:
    """Yield own functions after `=` or `&`, or in the arguments of a call that stores them."""
    keeper, depth = 0, 0  # keeper: depth of parentheses of a call that stores its arguments
    for before, token, after in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if token.text == "(":
            depth += 1
            if before.text in _LATER:
                keeper = keeper or depth
        elif token.text == ")":
            keeper = 0 if keeper == depth else keeper
            depth -= 1
        elif token.text in own and after.text != "(" and (keeper or before.text in ("=", "&")):
            yield token


_STATIC_KEYS = (
    *("static_branch_likely", "static_branch_unlikely", "static_key_true", "static_key_false"),
    *("static_call", "static_call_cond"),
)


@rule(needs=MANIFEST, level=Level.WARNING, sources=(52,))
def static_keys_are_not_a_modules(document: Document) -> Iterator[Fault]:
    """The sources use no jump label or static call of a module.

    The loader sets them up when the patch is loaded (jump_label_add_module(), kernel/jump_label.c):
    for a target that is loaded later, this does not work. Keys of vmlinux work.
    """
    targets = [
        name
        for pointer, _ in document.mappings("objects")
        if (name := document.text(*pointer, "name")) and name != "vmlinux"
    ]
    if targets:
        for file, token in _every_call(document, *_STATIC_KEYS):
            yield at(
                file,
                token,
                f"{token.text}() does not work for a key of {safe(targets[0])}",
                "use lp_key_enabled() and lp_static_call() of lppack.h",
            )


@rule(needs=MANIFEST, level=Level.WARNING)
def this_module_is_the_patch(document: Document) -> Iterator[Fault]:
    """A replacement does not use THIS_MODULE, which is the patch, not the patched module (warning).

    Registrations and reference counts would hold the wrong module.
    """
    for pointer, _ in document.mappings("objects"):
        name = document.text(*pointer, "name")
        if not name or name == "vmlinux":
            continue
        for file in sources(document):
            for token in file.tokens:
                if token.text == "THIS_MODULE":
                    hint = f"use lp_module_{safe(name)}() of lppack.h: the patched module"
                    yield at(file, token, "THIS_MODULE is the patch's own module", hint)
        return
