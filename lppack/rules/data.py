# SPDX-License-Identifier: MIT
"""Rules of data: transforms, shadow variables, states, and the names that they introduce."""

from collections.abc import Iterator

from lppack.document import Document, Pointer
from lppack.errors import Level
from lppack.names import stable_id
from lppack.rules.registry import MANIFEST, rule
from lppack.rules.runner import Fault, safe

HOOKS = ("pre_patch", "post_patch", "pre_unpatch", "post_unpatch", "barrier")


@rule(needs=MANIFEST)
def transform_belongs_to_an_object(document: Document) -> Iterator[Fault]:
    """A transform belongs to a listed object: when that object is unloaded, its instances are
    dropped."""
    names = [entry.get("name") for _, entry in document.mappings("objects")]
    for pointer, entry in document.mappings("transforms"):
        name = entry.get("object")
        if isinstance(name, str) and name not in names:
            yield Fault((*pointer, "object"), f'"{safe(name)}" is not one of the objects')


@rule(needs=MANIFEST)
def shadow_variable_has_a_transform(document: Document) -> Iterator[Fault]:
    """Each shadow variable has a transform: it is new data, and is created only by conversion."""
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
            yield Fault(
                (*pointer, "transform"),
                f'"{safe(name)}" is not one of the transforms',
                f"the transforms are: {', '.join(map(safe, transforms))}" if transforms else None,
            )
        elif isinstance(parent, str) and parent != transforms[name]:
            yield Fault(
                (*pointer, "attached_to"),
                f'"{safe(parent)}" is not the type that transform "{safe(name)}" converts',
            )


@rule(needs=MANIFEST)
def names_are_told_apart(document: Document) -> Iterator[Fault]:
    """Every C name in a manifest has one meaning: `forward` and `reverse` cannot be the same
    function.
    """
    seen: dict[str, Pointer] = {}

    def once(pointer: Pointer, value: object) -> Iterator[Fault]:
        if isinstance(value, str):
            if value in seen:
                line, _ = document.place(seen[value])
                yield Fault(pointer, f'"{safe(value)}" has another meaning in line {line}')
            seen.setdefault(value, pointer)

    for pointer, value in authors_functions(document):
        yield from once(pointer, value)
    for where, entry in document.mappings("transforms"):
        yield from once((*where, "name"), entry.get("name"))
    variables: set[object] = set()  # the versions of one variable share a name
    for where, entry in document.mappings("shadow_variables"):
        name = entry.get("name")
        if isinstance(name, str) and name not in variables:
            variables.add(name)
            yield from once((*where, "name"), name)


#: Global names of generated code, except those derived from a transform or a variable.
GLUE = (
    *("lp_init", "lp_exit", "lp_end", "lp_patch"),
    *("lp_pre_patch", "lp_post_patch", "lp_pre_unpatch", "lp_post_unpatch"),
    "lp_state",
    "lp_series_take",
    "lp_series_settle",
    "lp_series_leave",
    "lp_series_give_back",
    "lp_series_put",
    "lp_series_do",
    "lp_series_in_charge",
    "lp_series_srcu",
    "lp_convert_take",
    "lp_convert_put",
    "lp_convert_start",
    "lp_convert_stop",
    "lp_convert_is_on",
    "lp_convert_count",
    "lp_convert_left_old",
    "lp_convert_still_new",
    "lp_world",
    "lp_world_count",
    "lp_test_point",
    "lp_test_point_init",
    "lp_test_point_exit",
)


_WORLD_VERBS = ("visit", "each", "is_new", "check", "forward", "reverse")


@rule(needs=MANIFEST)
def generated_names_are_free(document: Document) -> Iterator[Fault]:
    """No function of the author has the name of a generated function."""
    made = set(GLUE)
    for _, entry in document.mappings("transforms"):
        made |= {f"lp_{verb}_{entry.get('name')}" for verb in ("convert", "forget", "drop")}
        made |= {f"lp_world_{verb}_{entry.get('name')}" for verb in _WORLD_VERBS}
    for _, entry in document.mappings("shadow_variables"):
        verbs = ("get", "get_or_alloc", f"v{entry.get('version')}_get")
        made |= {f"{entry.get('name')}_{verb}" for verb in verbs}
    for pointer, value in authors_functions(document):
        if value in made:
            yield Fault(
                pointer,
                f'"{safe(value)}" is the name of a generated function',
                "choose another name",
            )


def authors_functions(document: Document) -> Iterator[tuple[Pointer, str]]:
    """Yield every function that the author writes, and where the manifest names it."""
    for pointer, _ in document.mappings("objects"):
        for where, _ in document.mappings(*pointer, "functions"):
            yield from _named(document, (*where, "new"))
        for hook in HOOKS:
            yield from _named(document, (*pointer, "hooks", hook))
    for where, _ in document.mappings("transforms"):
        for path in (
            ("marker",),
            ("lock", "take"),
            ("lock", "release"),
            ("forward",),
            ("reverse",),
            ("for_each",),
            ("prepare",),
            ("check",),
            ("finish",),
        ):
            yield from _named(document, (*where, *path))
    for where, _ in document.mappings("shadow_variables"):
        yield from _named(document, (*where, "constructor"))


def _named(document: Document, pointer: Pointer) -> Iterator[tuple[Pointer, str]]:
    value = document.text(*pointer)
    if value is not None:
        yield pointer, value


@rule(needs=MANIFEST)
def converted_fix_has_a_transform(document: Document) -> Iterator[Fault]:
    """A fix that is effective only after conversion needs a transform."""
    if document.at("transforms"):
        return
    for pointer, entry in document.mappings("fixes"):
        if entry.get("effective") == "converted":
            yield Fault(
                (*pointer, "effective"),
                "the patch has no transforms, so the fix would never be live",
                'leave "effective" out, or add "transforms"',
            )


@rule(needs=MANIFEST, sources=(30,))
def each_transform_can_go_back(document: Document) -> Iterator[Fault]:
    """A transform has either `reverse` or `irreversible`."""
    for pointer, entry in document.mappings("transforms"):
        if "reverse" in entry and entry.get("irreversible"):
            yield Fault(
                (*pointer, "irreversible"),
                'the transform also has a "reverse"',
                "remove one of them",
            )
        elif "reverse" not in entry and not entry.get("irreversible"):
            yield Fault(
                pointer,
                'has neither "reverse" nor "irreversible": the patch could never be reverted',
            )


@rule(needs=MANIFEST)
def no_check_waits_for_a_revert(document: Document) -> Iterator[Fault]:
    """A check of an irreversible patch expects nothing after `converted`, because `test` ends
    there.

    An irreversible patch is not reverted.
    """
    transforms = document.mappings("transforms")
    names = [str(entry.get("name")) for _, entry in transforms if entry.get("irreversible")]
    if not names:
        return
    for pointer, entry in document.mappings("test", "checks"):
        expect = entry.get("expect")
        for step in ("reverted", "unloaded"):
            if isinstance(expect, dict) and step in expect:
                yield Fault(
                    (*pointer, "expect", step),
                    f'step {step} is never reached: transform "{safe(names[0])}" is irreversible',
                    "remove it",
                )


@rule(needs=MANIFEST, sources=(38, 44))
def ids_are_told_apart(document: Document) -> Iterator[Fault]:
    """Each state and each shadow variable of a patch has its own id.

    The kernel finds both only by number (klp_get_state, klp_shadow_get). If two had one number,
    each would read what the other wrote. The series has a state too, which lppack creates.
    """
    states: dict[int, str] = {}
    name = document.text("name")
    if name and name.isprintable() and document.at("states"):
        states[stable_id("series", name)] = "the series itself"
    for pointer, entry in document.mappings("states"):
        number = entry.get("id")
        if isinstance(number, int):
            if number in states:
                yield Fault((*pointer, "id"), f"{number} is the id of {states[number]}")
            line, _ = document.place(pointer)
            states.setdefault(number, f"the state in line {line}")
    seen: set[tuple[object, object]] = set()
    for pointer, entry in document.mappings("shadow_variables"):
        key = (entry.get("name"), entry.get("version"))
        if isinstance(key[0], str) and isinstance(key[1], int):
            if key in seen:
                yield Fault(
                    (*pointer, "name"), f'"{safe(key[0])}" of version {key[1]} is listed twice'
                )
            seen.add(key)


@rule(needs=MANIFEST, level=Level.WARNING, sources=(31,))
def hooks_come_in_pairs(document: Document) -> Iterator[Fault]:
    """post_unpatch frees what pre_patch allocates. pre_unpatch undoes what post_patch changes.

    Documentation/livepatch/callbacks.rst: a reversed transition skips pre_unpatch, so post_unpatch
    must free what was allocated before the transition.
    """
    for pointer, entry in document.mappings("objects"):
        hooks = entry.get("hooks")
        if not isinstance(hooks, dict):
            continue
        for first, last in (("pre_patch", "post_unpatch"), ("post_patch", "pre_unpatch")):
            if first in hooks and last not in hooks:
                yield Fault(
                    (*pointer, "hooks", first),
                    f'there is a "{first}", but no "{last}"',
                    f"add it, unless {first} neither allocates nor changes anything",
                )
