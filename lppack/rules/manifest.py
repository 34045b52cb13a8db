# SPDX-License-Identifier: MIT
"""Rules of identity and structure, which need only the manifest.

Each rule takes a Document of any shape, and skips parts that the schema has refused already. The
numbers are those of docs/decisions.md, "Rules".
"""

import re
from collections import Counter
from collections.abc import Iterator

from lppack import abi
from lppack.document import Document, Pointer
from lppack.errors import Level
from lppack.names import module_name
from lppack.rules.registry import MANIFEST, rule
from lppack.rules.runner import Fault, clip, safe

RESERVED_SERIES = ("engine",)


@rule(needs=MANIFEST)
def no_control_characters(document: Document) -> Iterator[Fault]:
    """Text of a manifest has no control characters, because it is used in C and in paths.

    Only `test.checks[].run` and `expect` may have several lines. NUL is refused there too.
    """

    def walk(value: object, pointer: Pointer) -> Iterator[Fault]:
        if isinstance(value, dict):
            for key, below in value.items():
                yield from walk(below, (*pointer, key))
        elif isinstance(value, list):
            for index, below in enumerate(value):
                yield from walk(below, (*pointer, index))
        elif isinstance(value, str):
            lines = pointer[:2] == ("test", "checks")
            bad = [c for c in value if not c.isprintable() and not (lines and c in "\n\t")]
            if bad:
                yield Fault(pointer, f"contains the control character {ascii(bad[0])}")

    yield from walk(document.data, ())


@rule(needs=MANIFEST)
def series_name_is_free(document: Document) -> Iterator[Fault]:
    """`engine` is the name of lppack's own kernel module, lppack_engine.ko."""
    if document.text("name") in RESERVED_SERIES:
        yield Fault(("name",), f'"{document.text("name")}" is a reserved name', "choose another")


@rule(needs=MANIFEST, sources=(1,))
def module_name_fits(document: Document) -> Iterator[Fault]:
    """The kernel's module names have at most 55 characters (include/linux/module.h)."""
    name, version = document.text("name"), document.at("version")
    if name and isinstance(version, int):
        module = module_name(name, version)
        if len(module) > abi.MODULE_NAME_MAX:
            yield Fault(
                ("name",),
                f'module name "{module}" has {len(module)} characters; the kernel allows '
                f"{abi.MODULE_NAME_MAX}",
                "shorten the name",
            )


@rule(needs=MANIFEST, sources=(2,))
def object_name_is_a_module(document: Document) -> Iterator[Fault]:
    """An object is `vmlinux` or the name of a module, without `.ko` and without dots.

    The kernel's parser of livepatch sections stops at a dot (klp_resolve_symbols). A patch with an
    object "zfs.ko" would load, but patch nothing. A dash in the name of a file is a `_` in the
    kernel.
    """
    for pointer, entry in document.mappings("objects"):
        name = entry.get("name")
        if not isinstance(name, str) or not name:
            continue
        where = (*pointer, "name")
        clean = name.removesuffix(".ko").replace("-", "_")
        if not re.fullmatch(r"[a-z0-9_A-Z]+", name):
            yield Fault(where, f'"{safe(name)}" is not a module name', f'write "{safe(clean)}"')
        elif len(name) > abi.MODULE_NAME_MAX:
            yield Fault(where, f"is longer than {abi.MODULE_NAME_MAX} characters")


@rule(needs=MANIFEST, sources=(4,))
def no_object_twice(document: Document) -> Iterator[Fault]:
    """Each object is listed once (klp_init_patch walks them one by one)."""
    seen: set[str] = set()
    for pointer, entry in document.mappings("objects"):
        name = entry.get("name")
        if isinstance(name, str):
            if name in seen:
                yield Fault(
                    (*pointer, "name"),
                    f'object "{safe(name)}" is listed twice',
                    "merge the two entries",
                )
            seen.add(name)


@rule(needs=MANIFEST, sources=(3,))
def object_changes_something(document: Document) -> Iterator[Fault]:
    """Each object has functions to replace, or hooks (klp_init_object, klp_enable_patch).

    An object with neither would have no effect.
    """
    for pointer, entry in document.mappings("objects"):
        if entry.get("functions", []) == [] and not entry.get("hooks"):
            yield Fault(pointer, "has neither functions nor hooks", "remove the object")


@rule(needs=MANIFEST, sources=(4, 6))
def no_function_twice(document: Document) -> Iterator[Fault]:
    """No function is patched twice. Functions of one name each need their own `sympos`."""
    for pointer, _ in document.mappings("objects"):
        functions = list(document.mappings(*pointer, "functions"))
        counts = Counter(
            (entry["old"], entry.get("sympos"))
            for _, entry in functions
            if isinstance(entry.get("old"), str) and _plain(entry.get("sympos"))
        )
        seen: set[tuple[str, object]] = set()
        for where, entry in functions:
            old, sympos = entry.get("old"), entry.get("sympos")
            if not isinstance(old, str) or not _plain(sympos):
                continue
            if (old, sympos) in seen:
                yield Fault(
                    (*where, "old"),
                    f'"{safe(old)}" is patched more than once',
                    'distinguish them with "sympos"',
                )
            elif sympos is None and any(o == old and s is not None for o, s in counts):
                yield Fault(
                    (*where, "old"),
                    f'"{safe(old)}" is also patched with a "sympos", and has none here',
                    'give each entry its "sympos"',
                )
            seen.add((old, sympos))


def _plain(value: object) -> bool:
    return value is None or isinstance(value, int)


@rule(needs=MANIFEST, sources=(5,))
def replacement_is_another_function(document: Document) -> Iterator[Fault]:
    """A replacement has another name than the function that it replaces."""
    for pointer, _ in document.mappings("objects"):
        for where, entry in document.mappings(*pointer, "functions"):
            if isinstance(entry.get("old"), str) and entry.get("old") == entry.get("new"):
                yield Fault(
                    (*where, "new"),
                    f'"{safe(entry["old"])}" is replaced by a function of the same name',
                    f'call the new one "lp_{safe(entry["old"])}"',
                )


@rule(needs=MANIFEST, level=Level.WARNING, sources=(8,))
def replacement_name_shows_its_origin(document: Document) -> Iterator[Fault]:
    """In a backtrace, `lp_` marks the replacement."""
    for pointer, _ in document.mappings("objects"):
        for where, entry in document.mappings(*pointer, "functions"):
            new = entry.get("new")
            if isinstance(new, str) and not new.startswith("lp_"):
                yield Fault((*where, "new"), f'"{safe(new)}" does not begin with "lp_"')


@rule(needs=MANIFEST, sources=(7,))
def license_is_compatible(document: Document) -> Iterator[Fault]:
    """The license is compatible with the GPL: the kernel exports livepatch only to GPL modules."""
    text = document.text("license")
    if text is not None and text not in abi.MODULE_LICENSES:
        yield Fault(
            ("license",),
            f'"{ascii(text)[1:-1]}" is not known as a license that is compatible with the GPL',
            f"one of: {', '.join(abi.MODULE_LICENSES)}",
        )


@rule(needs=MANIFEST)
def kernel_pattern_is_plain(document: Document) -> Iterator[Fault]:
    """A pattern is a release in which `*` matches any text without a dash."""
    for pointer, text in document.strings("kernels"):
        if not re.fullmatch(r"[A-Za-z0-9.+~_*-]+", text):
            yield Fault(pointer, f'"{safe(text)}" is not a release pattern', 'like "6.1.0-*-amd64"')


@rule(needs=MANIFEST, level=Level.WARNING)
def kernel_pattern_has_fields(document: Document) -> Iterator[Fault]:
    """A pattern contains a dash, as the releases of distributions do (a warning).

    Examples of releases: 6.1.0-57-amd64 and 6.12.118+deb13-amd64. `*` matches no dash.
    """
    for pointer, text in document.strings("kernels"):
        if "*" in text and "-" not in text:
            yield Fault(
                pointer,
                f'"{safe(text)}" matches no release with a dash in it',
                "`*` matches no dash; write for example 6.1.0-*-amd64",
            )


@rule(needs=MANIFEST)
def expectation_is_readable(document: Document) -> Iterator[Fault]:
    """A check expects text or `/regex/`, and the regex is valid."""
    for pointer, entry in document.mappings("test", "checks"):
        expect = entry.get("expect")
        if isinstance(expect, dict):
            for step, text in expect.items():
                if isinstance(text, str) and len(text) > 1 and text[0] == text[-1] == "/":
                    try:
                        re.compile(text[1:-1])
                    except (re.error, OverflowError, RecursionError, ValueError) as error:
                        where = (*pointer, "expect", step)
                        yield Fault(
                            where,
                            f"{clip(text)} is not a regular expression: {safe(str(error))}",
                        )


@rule(needs=MANIFEST)
def late_has_a_module(document: Document) -> Iterator[Fault]:
    """`test: late` needs a patch of a module: vmlinux is always loaded before the patch."""
    names = [entry.get("name") for _, entry in document.mappings("objects")]
    if document.at("test", "late") is True and not set(names) - {"vmlinux"}:
        yield Fault(("test", "late"), "the patch has no object that is a module", "remove it")
