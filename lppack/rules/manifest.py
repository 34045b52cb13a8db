# SPDX-License-Identifier: MIT
"""Rules that need the manifest and its folder alone.

Each takes a Document of any shape and passes over what the schema has refused already.
Numbers are those of docs/rules.md.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from lppack import abi, consistency
from lppack.document import Document, Pointer
from lppack.errors import Level, Problem
from lppack.model import module_name
from lppack.rules.runner import Fault, problems

Rule = Callable[[Document], Iterator[Fault]]

RESERVED_SERIES = ("engine",)
GENERATED = (
    "Kbuild",
    "lppack.h",
    "lp_convert.c",
    "lp_functions.h",
    "lp_glue.c",
    "lp_runtime.h",
    "lp_test_point.c",
)


def no_control_characters(document: Document) -> Iterator[Fault]:
    """Text of a manifest goes into C and into paths: no control character may stand in it.

    Only `test.checks[].run` and `expect` may have several lines; NUL is refused there too.
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
                yield Fault(pointer, f"holds the control character {ascii(bad[0])}")

    yield from walk(document.data, ())


def series_name_is_free(document: Document) -> Iterator[Fault]:
    """`engine` is the name of lppack's own kernel module, lppack_engine.ko."""
    if document.text("name") in RESERVED_SERIES:
        yield Fault(("name",), f'"{document.text("name")}" is a reserved name', "choose another")


def module_name_fits(document: Document) -> Iterator[Fault]:
    """Rule 1: the kernel's module names have at most 55 characters (include/linux/module.h)."""
    name, version = document.text("name"), document.at("version")
    if name and isinstance(version, int):
        module = module_name(name, version)
        if len(module) > abi.MODULE_NAME_MAX:
            yield Fault(
                ("name",),
                f'module name "{module}" has {len(module)} characters, the kernel takes '
                f"{abi.MODULE_NAME_MAX}",
                "shorten the name",
            )


def object_name_is_a_module(document: Document) -> Iterator[Fault]:
    """Rule 2: an object is `vmlinux` or the name of a module, without `.ko` and without dots.

    The kernel's parser of livepatch sections stops at a dot (klp_resolve_symbols), and an object
    named "zfs.ko" would load and patch nothing. A dash in a file's name is a `_` in the kernel.
    """
    for pointer, entry in document.mappings("objects"):
        name = entry.get("name")
        if not isinstance(name, str) or not name:
            continue
        where = (*pointer, "name")
        clean = name.removesuffix(".ko").replace("-", "_")
        if not re.fullmatch(r"[a-z0-9_A-Z]+", name):
            yield Fault(where, f'"{_safe(name)}" is not a module name', f'write "{_safe(clean)}"')
        elif len(name) > abi.MODULE_NAME_MAX:
            yield Fault(where, f"is longer than {abi.MODULE_NAME_MAX} characters")


def no_object_twice(document: Document) -> Iterator[Fault]:
    """Rule 4: each object is listed once (klp_init_patch walks them one by one)."""
    seen: set[str] = set()
    for pointer, entry in document.mappings("objects"):
        name = entry.get("name")
        if isinstance(name, str):
            if name in seen:
                yield Fault(
                    (*pointer, "name"), f'object "{_safe(name)}" is listed twice', "join the two"
                )
            seen.add(name)


def no_function_twice(document: Document) -> Iterator[Fault]:
    """Rules 4 and 6: no function is patched twice; equal names each need their own `sympos`."""
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
                    f'"{_safe(old)}" is patched more than once',
                    'tell them apart with "sympos"',
                )
            elif sympos is None and any(o == old and s is not None for o, s in counts):
                yield Fault(
                    (*where, "old"),
                    f'"{_safe(old)}" is also patched by position, and has none here',
                    'give each of them its "sympos"',
                )
            seen.add((old, sympos))


def _plain(value: object) -> bool:
    return value is None or isinstance(value, int)


def replacement_is_another_function(document: Document) -> Iterator[Fault]:
    """Rule 5: a replacement has a name of its own; the kernel's own would be two things at once."""
    for pointer, _ in document.mappings("objects"):
        for where, entry in document.mappings(*pointer, "functions"):
            if isinstance(entry.get("old"), str) and entry.get("old") == entry.get("new"):
                yield Fault(
                    (*where, "new"),
                    f'"{_safe(entry["old"])}" is to be replaced by itself',
                    f'call the new one "lp_{_safe(entry["old"])}"',
                )


def replacement_name_shows_its_origin(document: Document) -> Iterator[Fault]:
    """Rule 8 (warning): in a backtrace `lp_` tells the replacement from the original."""
    for pointer, _ in document.mappings("objects"):
        for where, entry in document.mappings(*pointer, "functions"):
            new = entry.get("new")
            if isinstance(new, str) and not new.startswith("lp_"):
                yield Fault((*where, "new"), f'"{_safe(new)}" does not begin with "lp_"')


def license_is_compatible(document: Document) -> Iterator[Fault]:
    """Rule 7: all of the kernel's livepatch interface is exported to GPL modules only."""
    text = document.text("license")
    if text is not None and text not in abi.MODULE_LICENSES:
        yield Fault(
            ("license",),
            f'"{ascii(text)[1:-1]}" is not compatible with the GPL, or is not known',
            f"one of: {', '.join(abi.MODULE_LICENSES)}",
        )


def needs_name_each_axis_once(document: Document) -> Iterator[Fault]:
    """Rule 23: exactly one LEAVE flag and one SWITCH flag, and at most one TRANSFORM.

    Needs are a minimum; the mode is the weakest that gives at least that.
    """
    if not isinstance(document.at("needs"), list):
        return
    for axis, wanted in (("LEAVE_", True), ("SWITCH_", True), ("TRANSFORM_", False)):
        given = [(p, text) for p, text in document.strings("needs") if text.startswith(axis)]
        if wanted and not given:
            yield Fault(("needs",), f"names no {axis}… flag", f"see: lppack explain {axis[:-1]}")
        for pointer, text in given[1:]:
            yield Fault(
                pointer,
                f"{_safe(text)} stands beside {_safe(given[0][1])}",
                "keep the stronger one",
            )


def parse_needs(words: list[str]) -> consistency.Needs | None:
    """The flags as a value; None while they are not one of each axis."""
    leave = [consistency.Leave[w] for w in words if w in consistency.Leave.__members__]
    switch = [consistency.Switch[w] for w in words if w in consistency.Switch.__members__]
    transform = [consistency.Transform[w] for w in words if w in consistency.Transform.__members__]
    if len(leave) != 1 or len(switch) != 1 or len(transform) > 1:
        return None
    method = transform[0] if transform else consistency.Transform.NONE
    return consistency.Needs(leave=leave[0], switch=switch[0], transform=method)


def _needs(document: Document) -> consistency.Needs | None:
    return parse_needs([text for _, text in document.strings("needs")])


def needs_agree(document: Document) -> Iterator[Fault]:
    """Rule 27: a transform that the flags cannot carry is refused, not rounded up.

    TRANSFORM_WORLD needs SWITCH_KERNEL and more than LEAVE_FUNCTION; TRANSFORM_ON_ACCESS needs
    more than LEAVE_FUNCTION. The author has misunderstood something, and rounding would hide it.
    """
    needs = _needs(document)
    reason = consistency.refusal(needs) if needs else None
    if reason:
        yield Fault(("needs",), reason)


def mode_covers_the_needs(document: Document) -> Iterator[Fault]:
    """A mode that is asked for must give at least what the patch needs."""
    needs, mode = _needs(document), document.text("mode")
    if needs and mode in set(consistency.ModeName):
        chosen = consistency.mode_named(consistency.ModeName(mode))
        if not chosen.covers(needs):
            yield Fault(
                ("mode",),
                f"{mode} gives {chosen.leave.name} {chosen.switch.name}, less than is needed",
                f'leave "mode" out, or ask for "{consistency.weakest(needs).name.value}"',
            )


def transforms_are_declared(document: Document) -> Iterator[Fault]:
    """Rule 28: TRANSFORM_ON_ACCESS and `transforms` go together."""
    needs = _needs(document)
    if needs is None:
        return
    asked = needs.transform is consistency.Transform.TRANSFORM_ON_ACCESS
    if needs.transform is consistency.Transform.TRANSFORM_WORLD:
        yield Fault(
            ("needs",),
            "TRANSFORM_WORLD needs the consistency engine, which this version does not have",
            "use TRANSFORM_ON_ACCESS",
        )
    elif asked and not document.at("transforms"):
        yield Fault(("needs",), 'TRANSFORM_ON_ACCESS is needed, but there are no "transforms"')
    elif document.at("transforms") and not asked:
        yield Fault(
            ("transforms",),
            "data is transformed, but the needs do not say so",
            'add TRANSFORM_ON_ACCESS to "needs"',
        )


def transform_belongs_to_an_object(document: Document) -> Iterator[Fault]:
    """A transform belongs to a listed object: when that goes, its tracked instances are dropped."""
    names = [entry.get("name") for _, entry in document.mappings("objects")]
    for pointer, entry in document.mappings("transforms"):
        name = entry.get("object")
        if isinstance(name, str) and name not in names:
            yield Fault((*pointer, "object"), f'"{_safe(name)}" is not one of the objects')


def shadow_variable_has_a_transform(document: Document) -> Iterator[Fault]:
    """Shadow variables are new data: they are made only while their transform converts."""
    transforms = {
        name: entry.get("type")
        for _, entry in document.mappings("transforms")
        if isinstance(name := entry.get("name"), str)
    }
    for pointer, entry in document.mappings("shadow_variables"):
        name, parent = entry.get("transform"), entry.get("attached_to")
        if not isinstance(name, str):
            continue
        if name not in transforms:
            yield Fault((*pointer, "transform"), f'"{_safe(name)}" is not one of the transforms')
        elif isinstance(parent, str) and parent != transforms[name]:
            yield Fault(
                (*pointer, "attached_to"),
                f'"{_safe(parent)}" is not the type that transform "{_safe(name)}" converts',
            )


def names_are_told_apart(document: Document) -> Iterator[Fault]:
    """Every C name in a manifest has one meaning: `forward` cannot be `reverse`."""
    seen: dict[str, Pointer] = {}

    def once(pointer: Pointer, value: object) -> Iterator[Fault]:
        if isinstance(value, str):
            if value in seen:
                line, _ = document.place(seen[value])
                yield Fault(pointer, f'"{_safe(value)}" has another meaning in line {line}')
            seen.setdefault(value, pointer)

    for pointer, value in _authors_functions(document):
        yield from once(pointer, value)
    for key in ("transforms", "shadow_variables"):
        for where, entry in document.mappings(key):
            yield from once((*where, "name"), entry.get("name"))


#: Global names of generated code beside those that hold a transform's or a variable's name.
_GLUE = (
    "lp_convert_init",
    "lp_convert_exit",
    "lp_convert_start",
    "lp_convert_stop",
    "lp_convert_is_on",
    "lp_convert_count",
    "lp_convert_left_old",
    "lp_test_point",
    "lp_test_point_init",
    "lp_test_point_exit",
)


def generated_names_are_free(document: Document) -> Iterator[Fault]:
    """A function of the author's must not have the name of one that lppack makes."""
    made = set(_GLUE)
    for _, entry in document.mappings("transforms"):
        made |= {f"lp_{verb}_{entry.get('name')}" for verb in ("convert", "forget", "drop")}
    for _, entry in document.mappings("shadow_variables"):
        made |= {f"{entry.get('name')}_{verb}" for verb in ("get", "get_or_alloc")}
    for pointer, value in _authors_functions(document):
        if value in made:
            yield Fault(pointer, f'"{_safe(value)}" is made by lppack', "choose another name")


def _authors_functions(document: Document) -> Iterator[tuple[Pointer, str]]:
    """Every function that the author writes, and where it is named."""
    for pointer, _ in document.mappings("objects"):
        for where, _ in document.mappings(*pointer, "functions"):
            yield from _named(document, (*where, "new"))
    for where, _ in document.mappings("transforms"):
        for path in (
            ("marker",),
            ("lock", "take"),
            ("lock", "release"),
            ("forward",),
            ("reverse",),
        ):
            yield from _named(document, (*where, *path))
    for where, _ in document.mappings("shadow_variables"):
        yield from _named(document, (*where, "constructor"))


def _named(document: Document, pointer: Pointer) -> Iterator[tuple[Pointer, str]]:
    value = document.text(*pointer)
    if value is not None:
        yield pointer, value


def converted_fix_has_a_transform(document: Document) -> Iterator[Fault]:
    """A fix that is effective once data is converted needs data that is converted."""
    if document.at("transforms"):
        return
    for pointer, entry in document.mappings("fixes"):
        if entry.get("effective") == "converted":
            yield Fault(
                (*pointer, "effective"),
                "nothing is converted: the fix would never be live",
                'leave "effective" out, or add "transforms"',
            )


def _safe(text: str) -> str:
    return ascii(text)[1:-1]


def _clip(text: str) -> str:
    return _safe(text) if len(text) <= 60 else f"{_safe(text[:57])}..."


def files_are_in_the_folder(document: Document) -> Iterator[Fault]:
    """Files of a patch are ordinary files inside its folder: no `..`, no absolute path, no link
    that leads out, no device."""
    for key in ("sources", "headers"):
        for pointer, text in document.strings(key):
            yield from _file(document, pointer, text)
    for pointer, text in document.strings("test", "programs"):
        yield from _file(document, pointer, text)
    if any(True for _ in document.strings("test", "targets")):
        yield from _file(document, ("test", "targets"), "target/Kbuild")
        for file in sorted((document.folder / "target").rglob("*")):
            if file.is_symlink():
                yield Fault(("test", "targets"), f'"{file.name}" in target/ is a link', "copy it")


def _file(document: Document, pointer: Pointer, text: str) -> Iterator[Fault]:
    path = PurePosixPath(text)
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*", text):
        reason = "climbs or is absolute" if ".." in path.parts or path.is_absolute() else None
        yield Fault(
            pointer,
            f'"{_safe(text)}" {reason or "is not a plain relative path"}',
            "use letters, digits, _ . - and / below the patch's folder",
        )
        return
    file = document.folder / text
    folder = document.folder.resolve()
    try:
        if not file.resolve().is_relative_to(folder):
            yield Fault(pointer, f'"{text}" leads out of the patch\'s folder', "copy the file")
        elif not file.exists():
            yield Fault(pointer, f'"{text}" does not exist in {document.folder}', _nearest(file))
        elif not file.is_file():
            yield Fault(pointer, f'"{text}" is not an ordinary file')
    except (OSError, RuntimeError):  # too long a name; pathlib's word for a link to itself
        yield Fault(pointer, f'"{_clip(text)}" is not the name of a file that can be read')


def _nearest(file: Path) -> str | None:
    import difflib

    names = [entry.name for entry in file.parent.iterdir()] if file.parent.is_dir() else []
    close = difflib.get_close_matches(file.name, names, n=1)
    return f'did you mean "{close[0]}"?' if close else None


def sources_are_c(document: Document) -> Iterator[Fault]:
    """Sources end in `.c`, headers in `.h`, and none has the name of a file that lppack makes."""
    for key, suffix in (("sources", ".c"), ("headers", ".h")):
        for pointer, text in document.strings(key):
            if not text.endswith(suffix):
                yield Fault(pointer, f'"{_safe(text)}" does not end in {suffix}')
            elif text in GENERATED or text.startswith("lppack_"):
                yield Fault(pointer, f'"{text}" is the name of a file that lppack makes', "rename")


def kernel_pattern_is_plain(document: Document) -> Iterator[Fault]:
    """A pattern is a release in which `*` stands for part of one field between two dashes."""
    for pointer, text in document.strings("kernels"):
        if not re.fullmatch(r"[A-Za-z0-9.+~_*-]+", text):
            yield Fault(
                pointer, f'"{_safe(text)}" is not a release pattern', 'like "6.1.0-*-amd64"'
            )


def expectation_is_readable(document: Document) -> Iterator[Fault]:
    """What a check expects is text or `/regex/`, and the regex must be one."""
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
                            f"{_clip(text)} is not a regular expression: {_safe(str(error))}",
                        )


RULES: tuple[Rule, ...] = (
    no_control_characters,
    series_name_is_free,
    module_name_fits,
    object_name_is_a_module,
    no_object_twice,
    no_function_twice,
    replacement_is_another_function,
    license_is_compatible,
    needs_name_each_axis_once,
    needs_agree,
    mode_covers_the_needs,
    transforms_are_declared,
    transform_belongs_to_an_object,
    shadow_variable_has_a_transform,
    names_are_told_apart,
    generated_names_are_free,
    converted_fix_has_a_transform,
    files_are_in_the_folder,
    sources_are_c,
    kernel_pattern_is_plain,
    expectation_is_readable,
)
WARNINGS: tuple[Rule, ...] = (replacement_name_shows_its_origin,)


def rule_problems(document: Document) -> Iterator[Problem]:
    """What every rule finds, errors and warnings."""
    for rule in RULES:
        yield from problems(document, rule(document), rule)
    for rule in WARNINGS:
        yield from problems(document, rule(document), rule, level=Level.WARNING)
