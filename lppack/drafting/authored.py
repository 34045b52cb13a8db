# SPDX-License-Identifier: MIT
"""Whether the C of a patch is what a change makes of the kernel's, apart from what a live patch has
to say otherwise."""

import re
from collections.abc import Iterator, Mapping

from lppack.csource.items import Item, Kind
from lppack.csource.parse import parse
from lppack.drafting.carry import second_copies
from lppack.drafting.places import Files

_STORAGE = re.compile(
    r"\b(?:static|extern|inline|__always_inline|__inline|noinline|noinline_for_stack"
    r"|__maybe_unused|__net_init|__net_exit|__ref|__latent_entropy)\b"
)
_REWRITTEN = (
    (r"\blp_trace\((\w+)(?:,\s*)?", r"trace_\1("),
    (r"\blp_key_enabled\(__tracepoint_(\w+)\.key\)", r"trace_\1_enabled()"),
    (r"\bstatic_branch_(?:un)?likely\(&(\w+)\)", r"lp_key_enabled(\1)"),
    (r"\blp_static_call", "static_call"),
    (r"\blp_module_\w+\(\)", "THIS_MODULE"),
)


def differences(
    sources: Mapping[str, str], replaced: Mapping[tuple[str, str], str], files: Files
) -> Iterator[str]:
    """What of the patch is not as the change has it, one sentence each.

    ``sources``: name -> text of the patch's C files; ``replaced``: (path, function) of the kernel
    -> name of its replacement.
    """
    defined: dict[str, tuple[str, Item]] = {}
    for name, text in sources.items():
        for item in parse(name, text).items:
            if item.kind is Kind.FUNCTION:
                defined[item.name] = (name, item)
    for (path, old), new in replaced.items():
        changes = files(path)
        wanted = changes.after.functions.get(old) if changes else None
        if new not in defined:
            yield f"no source defines {new}"
            continue
        name, item = defined[new]
        before = changes.before.functions if changes else {}
        if old in before:
            yield from second_copies(item, before[old])
        if wanted is None or plain(item, new, old) != plain(wanted, old, old):
            yield f"{new} in {name} is not what the change makes of {old} in {path}"
        yield from _copies(name, defined, replaced, changes.after.functions if changes else {})


def _copies(
    name: str,
    defined: Mapping[str, tuple[str, Item]],
    replaced: Mapping[tuple[str, str], str],
    functions: Mapping[str, Item],
) -> Iterator[str]:
    """Functions that were copied along, and are not what they are in the sources."""
    own = set(replaced.values())
    for copied, (of, item) in defined.items():
        old = copied.removeprefix("lp_")
        if of != name or copied in own or old not in functions:
            continue
        yield from second_copies(item, functions[old])
        if plain(item, copied, old) != plain(functions[old], old, old):
            yield f"{copied} in {name} is not what the change makes of {old}"


def plain(item: Item, own: str, name: str) -> str:
    """The text of a function without comments, layout, storage, and names that are the patch's."""
    text = re.sub(r"/\*.*?\*/|//[^\n]*", " ", item.text, flags=re.DOTALL)
    text = re.sub(rf"\b{re.escape(own)}\b", name, text)
    for pattern, replacement in _REWRITTEN:
        text = re.sub(pattern, replacement, text)
    text = re.sub(r"\blp_(?!key_enabled\b)(?:var_)?(\w+)", r"\1", text)
    return "".join(_STORAGE.sub(" ", text).split())
