# SPDX-License-Identifier: MIT
"""All errors of lppack; the exit code says whether the target changed."""

import errno
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    ERROR = "error"
    WARNING = "warning"


#: Prefix of a line of progress that is a warning.
WARNING = f"{Level.WARNING}: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One problem of a file: what is wrong, where, and a hint."""

    file: str
    line: int  # from 1
    column: int  # from 1
    level: Level
    rule: str
    message: str
    hint: str | None = None  # None: the message alone says what to do

    def __str__(self) -> str:
        text = (
            f"{self.file}:{self.line}:{self.column}: {self.level.value}[{self.rule}]: "
            f"{self.message}"
        )
        return f"{text}\n  hint: {self.hint}" if self.hint else text

    @property
    def sort_key(self) -> tuple[str, int, int, str, str]:
        return (self.file, self.line, self.column, self.rule, self.message)


#: Exit codes after which the target is unchanged: nothing was loaded. docs/operators.md, 6.
UNCHANGED = (3, 4, 6, 9)


class LppackError(Exception):
    """Base class of all errors that users see; any other exception that escapes is a bug (exit code
    1)."""

    exit_code = 1
    kind = "bug"

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        file: str | None = None,
        line: int | None = None,
        report: Mapping[str, Any] | None = None,
        reason: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.file = file
        self.line = line
        self.reason = reason or self.kind  # for scripts: a stable identifier
        self.report = report  # the partial JSON result of the command, if there is one


class ManifestError(LppackError):
    """The patch folder is wrong. Nothing was built and no target was touched."""

    exit_code = 3
    kind = "manifest"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.sort_key))
        first = self.problems[0]
        alone = len(self.problems) == 1
        super().__init__(
            "\n".join(str(problem) for problem in self.problems),
            hint=first.hint if alone else None,
            file=first.file,
            line=first.line,
        )
        if alone:
            self.message = str(replace(first, hint=None))


class EnvironmentMissing(LppackError):
    """This machine lacks Docker, QEMU, a kernel package, a permission or the like. Nothing was
    done."""

    exit_code = 4
    kind = "environment"


#: Errors of this machine, for any file, with a hint for each. These are not bugs.
_REFUSALS = {
    errno.ENOSPC: "free some space there",
    errno.EDQUOT: "free some space there",
    errno.EROFS: "give a writable folder",
    errno.EACCES: "change the permissions, or give another path",
    errno.EPERM: "change the permissions, or give another path",
    errno.ENOTDIR: "give a path whose parents are folders",
    errno.ENAMETOOLONG: "give a shorter name",
    errno.EIO: "check the disk for errors: dmesg",
}


def refused_file(error: OSError, place: object = None) -> EnvironmentMissing | None:
    """Return the error to report for an OSError; None if the OSError is a bug of lppack.

    ``place``: the file, if the error names none.
    """
    hint = _REFUSALS.get(error.errno or 0)
    if hint is None:
        return None
    return EnvironmentMissing(f"{error.filename or place}: {error.strerror}", hint=hint)


class BuildFailed(LppackError):
    """The compiler, kbuild or the link step failed. No target was touched."""

    exit_code = 5
    kind = "build"


class ApplyRefused(LppackError):
    """Refused before anything was loaded. The target is untouched."""

    exit_code = 6
    kind = "refused"


class ApplyReversed(LppackError):
    """The target was changed, and then restored to its earlier state."""

    exit_code = 7
    kind = "reversed"


class ApplyStuck(LppackError):
    """The target is between two states, and needs a person's attention."""

    exit_code = 8
    kind = "stuck"


class AnswerIsNo(LppackError):
    """The command answered its question with no: a check failed, or a problem was found."""

    exit_code = 9
    kind = "no"


class HasItAlready(AnswerIsNo):
    """The sources of the kernel contain the change already. Nothing was written."""

    kind = "has-it-already"

    def __init__(self) -> None:
        super().__init__(
            "the sources of this kernel have this change already: nothing to patch",
            hint="to patch a kernel that lacks the change, name it with --kernel",
        )


class StillNew(AnswerIsNo):
    """`reverse` of the patch ran, but the patch's marker says that data is still in the new
    form."""

    kind = "still-new"


class ConsoleFault(AnswerIsNo):
    """The guest's kernel reported an oops, WARN, lockup or RCU stall."""

    kind = "console"


class NotConverted(LppackError):
    """The target is patched, but phase 2 was not enabled."""

    exit_code = 10
    kind = "not-converted"


class Interrupted(LppackError):
    """Ctrl-C or SIGTERM; the message says in what state the target is."""

    exit_code = 130
    kind = "interrupted"


class HostError(LppackError):
    """An operation on a host failed; ``errno`` is the host's own, unchanged."""

    exit_code = 8
    kind = "host"

    def __init__(
        self, path: str, errno: int, message: str | None = None, *, hint: str | None = None
    ) -> None:
        import os

        self.path = path
        self.errno = errno
        super().__init__(message or f"{path}: {os.strerror(errno)}", hint=hint)

    @property
    def absent(self) -> bool:
        """True if there is no such file or folder. Any other error does not say whether it
        exists."""
        # ENODEV: sysfs and kernfs return it for a file that is being removed.
        return self.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENODEV)


class LostHost(LppackError):
    """The host is gone or no longer answers; its state is not known."""

    exit_code = 8
    kind = "lost-host"
