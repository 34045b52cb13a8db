# SPDX-License-Identifier: MIT
"""Whether what a draft has is what the sources say: the later version's function, and all else that
it brings as it was. Written apart from draft, and shares nothing with it but the parser."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from lppack.csource.items import Item, ItemKind, ParsedFile
from lppack.csource.parse import parse

_STORAGE = re.compile(
    r"\b(?:static|extern|inline|__always_inline|noinline|__maybe_unused|noinline_for_stack)\b"
)


def differences(
    folder: Path, function: str, old: ParsedFile, new: ParsedFile, borrowed: Mapping[str, str]
) -> Iterator[str]:
    """What stands in the C of a draft otherwise than in ``new`` (the function itself) or ``old``
    (all else); ``borrowed``: the text of what only the later version's headers have."""
    for path in sorted(folder.glob("*.c")):
        unit = parse(path.name, path.read_text(encoding="latin-1"))
        for item in unit.items:
            if item.kind in (ItemKind.INCLUDE, ItemKind.PROTOTYPE, ItemKind.OTHER) or not item.name:
                continue
            name = item.name.removeprefix("lp_")
            source = new if name == function else old
            wanted = [i for i in source.by_name.get(name, ()) if i.kind is item.kind]
            said = [plain(i.text) for i in wanted]
            said += [plain(borrowed[name])] if name in borrowed else []
            if plain(item.text) not in said:
                yield f"{path.name}: {item.name} is not as in {source.path}"


def plain(text: str) -> str:
    """Without what a live patch has to say otherwise, without comments and without layout."""
    text = re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.DOTALL)
    text = re.sub(r"\blp_trace\((\w+)(?:,\s*)?", r"trace_\1(", text)
    text = re.sub(r"\blp_key_enabled\(__tracepoint_(\w+)\.key\)", r"trace_\1_enabled()", text)
    text = re.sub(r"\bstatic_branch_(?:un)?likely\(&(\w+)\)", r"lp_key_enabled(\1)", text)
    text = re.sub(r"\blp_module_\w+\(\)", "THIS_MODULE", text)
    text = re.sub(r"\blp_(?!key_enabled\b)(\w+)", r"\1", text)
    return "".join(_STORAGE.sub(" ", text).split())


def item_text(unit: ParsedFile, name: str) -> str:
    """The text of the one item of that name."""
    [item] = unit.by_name[name]
    found: Item = item
    return found.text
