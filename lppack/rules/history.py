# SPDX-License-Identifier: MIT
"""Rules of a patch and the version that it follows: ``validate --from OLD``."""

from collections.abc import Iterator

from lppack.consistency import ModeName, Needs, mode_named
from lppack.csource.tokens import read_c
from lppack.document import Document, Pointer
from lppack.errors import Level, Problem
from lppack.rules.files import text_of
from lppack.rules.needs import parse_needs
from lppack.rules.registry import VERSION, ask, rule
from lppack.rules.runner import Fault, clip, rule_id, safe


@rule(needs=VERSION)
def series_is_the_same(document: Document, old: Document) -> Iterator[Fault]:
    """The next version of a patch keeps its name, because ids of states and shadow variables are
    derived from it.

    A patch with another name can be the next version if it lists the old series in `replaces`, and
    the old version converts no data. The author's own `states` have the same number in every patch.
    If the old version converts data, reserve its ids for the new name in lppack-ids.yaml: see
    `lppack ids`.
    """
    name, before = document.text("name"), old.text("name")
    if not name or not before or name == before:
        return
    data = any(old.at(key) for key in ("transforms", "shadow_variables"))
    if data or before not in [series for _, series in document.strings("replaces")]:
        yield Fault(
            ("name",),
            f'the earlier version has the name "{safe(before)}"',
            "reserve its ids in lppack-ids.yaml" if data else f"replaces: [{safe(before)}]",
        )


@rule(needs=VERSION, sources=(40, 41))
def version_grows(document: Document, old: Document) -> Iterator[Fault]:
    """The version is greater than that of the earlier patch.

    This number is the version of the series' klp_state. klp_is_state_compatible(),
    kernel/livepatch/state.c, refuses a lower version beside or over a live patch. To return to an
    earlier version, use revert.
    """
    if document.text("name") != old.text("name"):
        return  # another series has its own versions
    version, before = document.at("version"), old.at("version")
    if isinstance(version, int) and isinstance(before, int) and version <= before:
        yield Fault(("version",), f"{version} is not greater than {before}", f"{before + 1}")


@rule(needs=VERSION, sources=(39,))
def states_are_handed_on(document: Document, old: Document) -> Iterator[Fault]:
    """A state that the earlier version declares is declared again, with the same version or a later
    one.

    klp_is_state_compatible(), kernel/livepatch/state.c: a patch that replaces others must know all
    their states, and any patch must declare at least the loaded version of a state that it shares.
    """
    versions = {e.get("id"): e.get("version") for _, e in document.mappings("states")}
    replaces = old.text("name") in [name for _, name in document.strings("replaces")]
    for _, entry in old.mappings("states"):
        number, before = entry.get("id"), entry.get("version")
        version = versions.get(number)
        if not isinstance(number, int) or not isinstance(before, int):
            continue
        if number not in versions and replaces:
            yield Fault(("states",), f"state {number} of the earlier version is not declared")
        elif isinstance(version, int) and version < before:
            yield Fault(
                ("states",),
                f"state {number} has version {before} in the earlier "
                f"version, which is greater than {version}",
            )


@rule(needs=VERSION, sources=(50,))
def layout_has_its_own_version(document: Document, old: Document) -> Iterator[Fault]:
    """A shadow variable whose type or layout changed has another `version`, and so a new id.

    While one version replaces the other, both run at once, and each would read data that the other
    wrote. The layouts in the authors' headers and sources are compared.
    """
    before = {
        (entry["name"], entry["version"]): entry.get("type")
        for _, entry in old.mappings("shadow_variables")
        if isinstance(entry.get("name"), str) and isinstance(entry.get("version"), int)
    }
    layouts, were = layouts_of(document), layouts_of(old)
    for pointer, entry in document.mappings("shadow_variables"):
        name, version, type_ = entry.get("name"), entry.get("version"), entry.get("type")
        if not (isinstance(name, str) and isinstance(version, int) and isinstance(type_, str)):
            continue
        if (name, version) not in before:
            continue
        was = str(before[name, version])
        known = type_ in layouts and was in were
        if was != type_ and not known:
            yield Fault(
                (*pointer, "type"), f'was "{safe(was)}" in the earlier version', _raise(version)
            )
        elif known and layouts[type_] != were[was]:
            yield Fault(
                (*pointer, "version"),
                f"{safe(type_)} has other members than in the earlier version, but the "
                "same version number",
                _raise(version),
            )


@rule(needs=VERSION)
def shadow_variable_is_still_listed(document: Document, old: Document) -> Iterator[Fault]:
    """A version that replaces another one also lists the other's shadow variables, unchanged.

    The earlier version may have created some. Only a version that lists them can read, free and
    reverse them.
    """
    if old.text("name") not in [name for _, name in document.strings("replaces")]:
        return
    have = {
        (entry.get("name"), entry.get("version"))
        for _, entry in document.mappings("shadow_variables")
        if isinstance(entry.get("name"), str) and isinstance(entry.get("version"), int)
    }
    for _, entry in old.mappings("shadow_variables"):
        name, version = entry.get("name"), entry.get("version")
        if isinstance(name, str) and isinstance(version, int) and (name, version) not in have:
            yield Fault(
                ("shadow_variables",) if document.at("shadow_variables") else (),
                f'version {version} of "{safe(name)}" is gone',
                "list it beside the new version: variables of the old version may still exist",
            )


def _raise(version: int) -> str:
    return f"add an entry with version {version + 1} and its own type; keep this entry unchanged"


def layouts_of(document: Document) -> dict[str, str]:
    """Return the members of each struct that the author's files define, by "struct NAME"."""
    found: dict[str, str] = {}
    for key in ("headers", "sources"):
        for _, name in document.strings(key):
            text = text_of(document, name)
            if text is not None:
                found |= read_c(text, name).layouts
    return found


@rule(needs=VERSION)
def transform_is_still_there(document: Document, old: Document) -> Iterator[Fault]:
    """The transforms of the earlier version stay, because this version must read data that it
    converted.

    If the earlier version is live and has converted data, the kernel contains data in its new form.
    """
    have = {entry.get("name") for _, entry in document.mappings("transforms") if _hashable(entry)}
    for _, entry in old.mappings("transforms"):
        name = entry.get("name")
        if isinstance(name, str) and name not in have:
            yield Fault(
                ("transforms",) if document.at("transforms") else (),
                f'transform "{safe(name)}" of the earlier version is missing',
                "keep it: the kernel may contain data in its new form",
            )


def _hashable(entry: dict[str, object]) -> bool:
    return isinstance(entry.get("name"), str)


@rule(needs=VERSION, level=Level.WARNING)
def fix_is_not_lost(document: Document, old: Document) -> Iterator[Fault]:
    """A fix of the earlier version is still named (a warning): an upgrade should keep it."""
    have = set(_fixes(document))
    for _, what in enumerate(dict.fromkeys(_fixes(old))):
        if what not in have:
            where: Pointer = ("fixes",) if document.at("fixes") else ()
            yield Fault(
                where, f"the earlier version fixed {safe(what)}, which this one does not name"
            )


def _fixes(document: Document) -> Iterator[str]:
    for _, entry in document.mappings("fixes"):
        what = entry.get("cve") or entry.get("commit")
        if isinstance(what, str):
            yield what


@rule(needs=VERSION, level=Level.WARNING)
def function_is_still_patched(document: Document, old: Document) -> Iterator[Fault]:
    """A function replaced by the previous version is still replaced (a warning)."""
    have = set(_patched(document))
    for name, function in dict.fromkeys(_patched(old)):
        if (name, function) not in have:
            yield Fault(
                ("objects",),
                f"the earlier version replaced {safe(function)} of {safe(name)}, and this "
                "one does not: the original function runs again, without the fix",
                "list it again, or state the reason in the description",
            )


@rule(needs=VERSION, level=Level.WARNING)
def version_takes_the_place(document: Document, old: Document) -> Iterator[Fault]:
    """A version replaces the earlier one (a warning); else that one must be reverted first.

    In between, neither version is live.

    Only the livepatch engine can replace one live patch by another.
    """
    name, version, needs = old.text("name"), old.at("version"), _needs(document)
    if not name or name != document.text("name") or version == document.at("version"):
        return
    replaces = [series for _, series in document.strings("replaces")]
    if name not in replaces and needs is not None and mode_named(ModeName.HYBRID).covers(needs):
        yield Fault(
            ("replaces",) if document.at("replaces") else (),
            f"this patch does not replace version {clip(str(version))}, which must be "
            "reverted first: in between, neither is live",
            f"replaces: [{safe(name)}]",
        )


def _needs(document: Document) -> Needs | None:
    return parse_needs([text for _, text in document.strings("needs")])


def _patched(document: Document) -> Iterator[tuple[str, str]]:
    for pointer, entry in document.mappings("objects"):
        for _, item in document.mappings(*pointer, "functions"):
            name, function = entry.get("name"), item.get("old")
            if isinstance(name, str) and isinstance(function, str):
                yield name, function


def history_problems(
    document: Document, old: Document, *, handed_over: bool = False
) -> Iterator[Problem]:
    """Yield the problems of this version after the earlier one.

    ``handed_over``: this patch has another name, and the id file gives it the ids of the earlier
    one.
    """
    for problem in ask(VERSION, document, old):
        if not (handed_over and problem.rule == rule_id(series_is_the_same)):
            yield problem
