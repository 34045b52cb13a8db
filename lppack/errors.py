# SPDX-License-Identifier: MIT
"""Everything that lppack can refuse or fail with; the exit code says whether the target changed."""

import errno
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    ERROR = "error"
    WARNING = "warning"


#: How a line of progress begins that is a warning.
WARNING = f"{Level.WARNING}: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong with a file: what, where, and a way out."""

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


class LppackError(Exception):
    """Base of all that a user can meet; anything else that escapes is a bug (exit code 1)."""

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
        self.report = report  # what the command would have printed as JSON, if it got that far


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
    """This machine lacks something: Docker, QEMU, a kernel package, a right. Nothing was done."""

    exit_code = 4
    kind = "environment"


#: What this machine refuses lppack, whatever the file: no bug.
_REFUSALS = {
    errno.ENOSPC: "make room there",
    errno.EDQUOT: "make room there",
    errno.EROFS: "give a place that can be written to",
    errno.EACCES: "give yourself the right, or give another place",
    errno.EPERM: "give yourself the right, or give another place",
    errno.ENOTDIR: "give a path whose parents are folders",
    errno.ENAMETOOLONG: "give a shorter name",
    errno.EIO: "look at the disk: dmesg",
}


def refused_file(error: OSError, place: object = None) -> EnvironmentMissing | None:
    """Explain an error of a file, which is ``place`` if the error names none; None: it is a bug."""
    hint = _REFUSALS.get(error.errno or 0)
    if hint is None:
        return None
    return EnvironmentMissing(f"{error.filename or place}: {error.strerror}", hint=hint)


class BuildFailed(LppackError):
    """The compiler, kbuild or the link step said no. No target was touched."""

    exit_code = 5
    kind = "build"


class ApplyRefused(LppackError):
    """Refused before anything was loaded. The target is untouched."""

    exit_code = 6
    kind = "refused"


class ApplyReversed(LppackError):
    """The target was changed and put back as it was."""

    exit_code = 7
    kind = "reversed"


class ApplyStuck(LppackError):
    """The target is between two states, and a person must look."""

    exit_code = 8
    kind = "stuck"


class AnswerIsNo(LppackError):
    """The question was answered, and the answer is no: a check failed, a fault was found."""

    exit_code = 9
    kind = "no"


class HasItAlready(AnswerIsNo):
    """The sources of the kernel are as the change would make them. Nothing was written."""

    kind = "has-it-already"

    def __init__(self) -> None:
        super().__init__(
            "the sources of this kernel have this change already: nothing to patch",
            hint="for a kernel that lacks it, give that one with --kernel",
        )


class StillNew(AnswerIsNo):
    """`reverse` of the patch ran, and its own marker says that data is still in the new form."""

    kind = "still-new"


class ConsoleFault(AnswerIsNo):
    """The guest's kernel reported an oops, WARN, lockup or RCU stall."""

    kind = "console"


class NotConverted(LppackError):
    """Patched, but phase 2 is still to be done."""

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
        """True if there is no such file or folder. Any other error says nothing about that."""
        # ENODEV: sysfs and kernfs, for a file that is being removed.
        return self.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENODEV)


class LostHost(LppackError):
    """The host is gone or no longer answers; what state it is in is not known."""

    exit_code = 8
    kind = "lost-host"
