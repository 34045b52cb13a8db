# SPDX-License-Identifier: MIT
"""A unified diff, as a change of the kernel's own sources."""

from collections.abc import Sequence

from unidiff.patch import PatchedFile

from lppack.csource.changes import behind_first, moves_of, patched, paths_of, read_diff, unpatched
from lppack.csource.paths import check_path
from lppack.drafting.edit import BYTES, NO_CODE, Edit, Read, edited
from lppack.drafting.mail import decoded, read_mail
from lppack.errors import AnswerIsNo, HasItAlready
from lppack.kernel.config import KernelConfig


def of_diff(text: str, read: Read, config: KernelConfig) -> Edit:
    """Return the change that a unified diff makes to the kernel's sources. Raise AnswerIsNo."""
    text = decoded(text)
    files = read_diff(text)
    try:
        found, renamed = _applied(files, read)
    except AnswerIsNo:
        if _is_in(files, read):
            raise HasItAlready from None
        raise
    if not found:
        raise AnswerIsNo(
            "there is nothing to patch: no code of the kernel is changed",
            hint="the diff has only pictures and the like, of the documentation or of programs "
            "beside the kernel: is it all of the fix?",
        )
    said = read_mail(text)
    first = next((path for path in found if path.endswith((".c", ".h"))), next(iter(found)))
    return edited(
        found,
        read,
        config,
        subject=said.subject or f"change {first}",
        text=text.encode(BYTES, errors="replace"),
        commit=said.commit,
        cve=said.cve,
        author=said.author,
        renamed=renamed,
    )


def _applied(
    files: Sequence[PatchedFile], read: Read
) -> tuple[dict[str, tuple[bytes | None, bytes | None]], dict[str, str]]:
    """Return each file of the diff before and after it, and the C files that it renames, by their
    new path. Raise AnswerIsNo."""
    found: dict[str, tuple[bytes | None, bytes | None]] = {}
    renamed: dict[str, str] = {}  # C files that are patched at their old path

    def now(path: str) -> bytes | None:
        return found[path][1] if path in found else read(path)

    def put(path: str, after: bytes | None) -> None:
        was = found[path][0] if path in found else read(path)
        found[path] = (was, after)

    def check_new(path: str) -> None:
        if now(path) and not NO_CODE.match(path):
            raise AnswerIsNo(
                f"the diff adds {path}, which the sources of this kernel have already",
                hint="give the diff as it was backported to this kernel's series, or take that "
                "file out of it if the kernel's own serves as well",
            )

    for file in files:
        path, new = _path(file, read)
        path = renamed.get(path, path)
        if file.is_binary_file and NO_CODE.match(path):
            continue
        if file.is_binary_file:
            raise AnswerIsNo(
                f"the diff changes the binary file {path}",
                hint="no live patch brings it: leave it out of the diff if the fix works without",
            )
        if not path:
            raise AnswerIsNo(
                f'the path "{file.source_file}" of the diff has no folder',
                hint="make the diff in the top folder of the sources, as git diff does: paths are "
                "taken without their first part (a/, b/), as with patch -p1",
            )
        if new is not None:
            check_new(new)
        if file.is_added_file:
            check_new(path)
        # A series may change one file several times.
        before = b"" if file.is_added_file else now(path)
        if before is None and NO_CODE.match(path):
            found[path] = (b"", b"")  # not kept with the sources
            continue
        if before is None:
            raise AnswerIsNo(
                f"the sources of this kernel have no {path}",
                hint="paths are taken without their first part (a/, b/), as with patch -p1",
            )
        after = patched(before.decode(BYTES), file).encode(BYTES)
        if new is not None and path.endswith(".c") and new.endswith(".c") and not _is_copy(file):
            renamed[new] = path
        elif new is not None:
            put(new, after)
        if not _is_copy(file):
            gone = file.is_removed_file or (new is not None and new not in renamed)
            put(path, None if gone else after)
    if found and all(was == now and was for was, now in found.values()):
        raise AnswerIsNo(
            f"there is nothing to patch: the diff only renames {next(iter(found))}",
            hint="a file's name is no code of the kernel",
        )
    return found, renamed


def _path(file: PatchedFile, read: Read) -> tuple[str, str | None]:
    """Return the path in the kernel's tree, and that of what git has renamed or copied it to; None:
    it did neither. Raise AnswerIsNo: the two paths are of two files, and git says nothing of it.

    Not every diff is git's: linux.orig/fs/exec.c beside linux/fs/exec.c and a/fs/exec.c.orig beside
    a/fs/exec.c are the same file, and fs/exec.c may be all of a path.
    """
    if moved := moves_of(file):
        return moved[0]
    whole = [name for name in paths_of(file) if name]
    paths = list(dict.fromkeys(behind_first(name) for name in whole))
    if len(paths) > 1:
        paths = [path for path in paths if read(path) is not None] or paths
    if len(paths) > 1:
        raise AnswerIsNo(
            f"the diff renames {paths[0]}",
            hint="give it as git does: git diff, or git diff --no-renames",
        )
    bare = len(whole) == 2 and "/" in whole[0] and whole[0] == whole[1] and read(paths[0]) is None
    if bare and read(whole[0]) is not None:
        check_path(whole[0], "the diff")
        return whole[0], None
    return paths[0], None


def _is_copy(file: PatchedFile) -> bool:
    return "\ncopy from " in str(file.patch_info)


def _is_in(files: Sequence[PatchedFile], read: Read) -> bool:
    """Return True if the whole diff can be reversed on the sources exactly."""
    now: dict[str, str | None] = {}
    for file in reversed(files):  # a series may change one file several times
        path, new = _path(file, read)
        path = new or path  # as the kernel calls it then
        data = read(path)
        text = now[path] if path in now else data.decode(BYTES) if data is not None else None
        if text is None and (file.is_removed_file or NO_CODE.match(path)):
            continue
        before = None
        if text is not None and not file.is_binary_file:
            before = unpatched(text, file)
        if before is None or file.is_removed_file or (file.is_added_file and before):
            return False
        now[path] = None if file.is_added_file else before
    return True
