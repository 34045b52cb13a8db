# SPDX-License-Identifier: MIT
"""Apply a unified diff to files, and find the items that it changes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, groupby, takewhile

from unidiff.constants import LINE_TYPE_ADDED, LINE_TYPE_REMOVED
from unidiff.errors import UnidiffParseError
from unidiff.patch import Hunk, PatchedFile, PatchSet

from lppack.csource.items import Item, ItemKind, ParsedFile
from lppack.csource.lines import lines_of
from lppack.csource.paths import check_path
from lppack.errors import AnswerIsNo

# The heading that diff -p writes: git leaves labels out, GNU diff does not.
_LABEL = re.compile(r"\w+:(?!:)")
# The function that a heading names; SYSCALL_DEFINE2(name, is named by its first argument.
_FUNCTION = re.compile(r"(?P<name>[A-Z_\d]+\s*\(\s*\w+|\w+\s*(?=\())")
_MOVED = re.compile(r"^(?:rename|copy) from ([^\n]+)\n(?:rename|copy) to ([^\n]+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """One file before and after, and the names of its items that differ."""

    before: ParsedFile
    after: ParsedFile
    changed: tuple[Item, ...]  # in their new form; removed items in their old form
    added: tuple[Item, ...]
    removed: tuple[Item, ...]

    def functions(self) -> tuple[str, ...]:
        """Return the existing functions that change, also by a macro or constant that they use."""
        touched = {item.name for item in self.changed if item.kind is not ItemKind.FUNCTION}
        found = {item.name for item in self.changed if item.kind is ItemKind.FUNCTION}
        before = self.before.functions
        macros = {item.name for item in self.changed if item.kind is ItemKind.MACRO}
        for name, item in self.after.functions.items():
            if name in before and touched & item.uses and macros & item.uses:
                found.add(name)
        return tuple(name for name in self.after.functions if name in found)


def read_diff(text: str) -> tuple[PatchedFile, ...]:
    """Return the files of a unified diff. Raise AnswerIsNo: no diff, or a path outside of the
    sources."""
    try:
        found = tuple(PatchSet(text))
    except UnidiffParseError as error:
        raise AnswerIsNo(
            f"this is not a unified diff: {ascii(str(error).rstrip())[1:-1]}",
            hint="give the output of diff -u or git diff",
        ) from error
    for file in found:
        for path in (*map(behind_first, paths_of(file)), *chain(*moves_of(file))):
            if path:
                check_path(path, "the diff")
    if re.search(r"^@@@ ", text, re.MULTILINE):
        raise AnswerIsNo(
            "this is a diff of a merge, which compares with several versions at once",
            hint="give the diff to the version that the kernel has: git diff V1 V2",
        )
    if not found:
        raise AnswerIsNo("the diff has no changes", hint="give the output of diff -u or git diff")
    bare = [f for f in found if not (f or f.is_rename or f.is_binary_file)]
    if bare and not any(found):
        path = path_of(bare[0])
        if all("\nnew mode " in str(f.patch_info) for f in bare):
            raise AnswerIsNo(
                f"there is nothing to patch: the diff changes no more than the mode of {path}",
                hint="a file's mode is no code of the kernel",
            )
        raise AnswerIsNo(
            f"{path}: the diff has no hunks (lines beginning with @@)",
            hint="give the unmodified output of diff -u or git diff",
        )
    return found


def paths_of(file: PatchedFile) -> tuple[str, str]:
    """Return the old and the new path in the diff; "" if there is no such file."""
    names = (str(name).split("\t")[0] for name in (file.source_file, file.target_file))
    before, after = ("" if name == "/dev/null" else name for name in names)
    return before, after


def path_of(file: PatchedFile) -> str:
    """Return the path in the kernel's tree, without the first part of it, as with patch -p1."""
    before, after = paths_of(file)
    return behind_first(before or after)


def behind_first(name: str) -> str:
    """Return a path without its first part, as patch -p1 takes it."""
    return name.partition("/")[2]


def moves_of(file: PatchedFile) -> list[tuple[str, str]]:
    """Return the old and the new path of what git has renamed or copied."""
    return _MOVED.findall(str(file.patch_info))


def patched(text: str, file: PatchedFile) -> str:
    """Return ``text`` with the hunks of ``file`` applied; a hunk may be at another line, but must
    fit."""
    made, misfit = _moved(text, file, back=False)
    if misfit is not None:
        raise AnswerIsNo(
            f"{path_of(file)}: the change at line {misfit} does not fit the sources of this kernel",
            hint="this kernel seems to have it, in another context: each line that it adds is "
            "there, and none that it removes; check the function by hand"
            if _looks_patched(text, file)
            else "give the diff as it was backported to this kernel's series, or use --between "
            "with two versions of the package",
        )
    return made


def unpatched(text: str, file: PatchedFile) -> str | None:
    """Return ``text`` with the hunks of ``file`` reversed; None if they do not fit exactly."""
    made, misfit = _moved(text, file, back=True)
    return made if misfit is None else None


def _moved(text: str, file: PatchedFile, *, back: bool) -> tuple[str, int | None]:
    """Return ``text`` with the hunks applied or reversed, and the line of a hunk that does not
    fit."""
    lines = lines_of(text, ends=True)
    was = list(lines)  # the headings are those of the file before the diff
    moved = grown = 0
    for hunk in file:
        old = [str(line.value) for line in hunk if line.is_context or line.is_removed]
        new = [str(line.value) for line in hunk if line.is_context or line.is_added]
        start = hunk.source_start
        if back:
            old, new, start = new, old, hunk.target_start
        if lines and not old and not back:
            raise AnswerIsNo(
                f"{path_of(file)}: the change at line {start} has no lines around it, by which its "
                "place would be known",
                hint="give the output of diff -u or git diff, with lines of context",
            )
        places = _places(lines, old)
        heading = "" if _leaves_it(hunk) else hunk.section_header.strip()
        at = _place(was, places, start - 1 + moved, grown, heading)
        if at is None and places and not back:
            headed = f', headed "{ascii(heading)[1:-1]}",' if heading else ""
            raise AnswerIsNo(
                f"{path_of(file)}: the change at line {start}{headed} fits the sources of this "
                f"kernel at lines {', '.join(str(place + 1) for place in places)}",
                hint="give the diff with more lines around each change (git diff -U10), as it was "
                "backported to this kernel's series",
            )
        if at is None:
            return text, hunk.source_start
        lines[at : at + len(old)] = new
        grown += len(new) - len(old)
        moved = at - (start - 1) + len(new) - len(old)
    return "".join(lines), None


def _looks_patched(text: str, file: PatchedFile) -> bool:
    """Return True if each run of added lines is in ``text``, and none of the removed ones."""
    lines = [line.strip() for line in lines_of(text)]
    runs = [
        (kind, [str(line.value).strip() for line in run])
        for hunk in file
        for kind, run in groupby(hunk, key=lambda line: str(line.line_type))
    ]
    added = [run for kind, run in runs if kind == LINE_TYPE_ADDED]
    removed = [run for kind, run in runs if kind == LINE_TYPE_REMOVED]
    return (
        any(line for run in added for line in run)
        and all(_places(lines, run) for run in added)
        and not any(_places(lines, run) for run in removed)
    )


def _places(lines: Sequence[str], old: Sequence[str]) -> list[int]:
    """Return the positions of ``old`` in ``lines``."""
    return [at for at in range(len(lines) - len(old) + 1) if lines[at : at + len(old)] == old]


def _place(
    was: Sequence[str], places: list[int], wanted: int, grown: int, heading: str
) -> int | None:
    """Return the position of a hunk; None if it is ambiguous.

    It is the wanted line, or the only position, or the only one in the function of the hunk's
    heading. A position in another function is none, if the file has the function of the heading.
    ``was``: the lines without the hunks before it, which made the file longer by ``grown``.
    """
    fitting = [at for at in places if not heading or _is_headed(was, at - grown, heading)]
    if not fitting and not any(_names(line, heading) for line in was):
        fitting = places if len(places) == 1 else []  # the function has another name here
    if wanted in places:
        return wanted if wanted in fitting else None
    return fitting[0] if len(fitting) == 1 else None


def _is_headed(lines: Sequence[str], at: int, heading: str) -> bool:
    """Return True if diff -p writes ``heading`` after the @@ of a hunk at this line."""
    above = (line for line in reversed(lines[: max(at, 0)]) if re.match(r"[A-Za-z_$]", line))
    for line in above:
        if _names(line, heading):
            return True
        if not _LABEL.match(line):
            return False
    return False


def _names(line: str, heading: str) -> bool:
    """Return True if both are the first line of the same function."""
    if line.startswith(heading):
        return True
    found = [_FUNCTION.search(text) for text in (line, heading)]
    names = ["".join(match["name"].split()) if match else None for match in found]
    return names[0] == names[1] is not None and re.match(r"[A-Za-z_$]", line) is not None


def _leaves_it(hunk: Hunk) -> bool:
    """Return True if the function of the heading ends before the first changed line."""
    above = takewhile(lambda line: line.is_context, hunk)
    lines = (str(line.value) for line in above)
    return any(re.match(r"[A-Za-z_$}]", line) and not _LABEL.match(line) for line in lines)


def compare(before: ParsedFile, after: ParsedFile) -> Changes:
    """Return the items that differ; comments, blanks and positions are ignored."""
    old, new = _defined(before), _defined(after)
    return Changes(
        before=before,
        after=after,
        changed=tuple(
            item for key, item in new.items() if key in old and old[key].tokens != item.tokens
        ),
        added=tuple(item for key, item in new.items() if key not in old),
        removed=tuple(item for key, item in old.items() if key not in new),
    )


def _defined(unit: ParsedFile) -> dict[tuple[str, str, tuple[str, ...]], Item]:
    """Return every item that has a definition, by its kind, name and branch."""
    kinds = (ItemKind.FUNCTION, ItemKind.VARIABLE, ItemKind.TYPE, ItemKind.MACRO)
    return {
        (item.kind.value, item.name, item.conditions): item
        for item in unit.items
        if item.kind in kinds
    }
