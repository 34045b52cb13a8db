# SPDX-License-Identifier: MIT
"""From a change of the kernel to the folder of a patch."""

import functools
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lppack import store
from lppack.errors import BuildFailed, EnvironmentMissing, ManifestError
from lppack.pipeline.build import make_bundle
from lppack.pipeline.check import make_plan
from lppack.proc import Say

if TYPE_CHECKING:
    from lppack.drafting.edit import Edit
    from lppack.stages.draft import Draft


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafted:
    draft: "Draft"
    folder: Path
    built: bool
    why: str | None  # it was not built; None: it was


@dataclass(frozen=True, slots=True, kw_only=True)
class Between:
    """Two versions of the kernel's package, and what is taken from the later."""

    old: str
    new: str
    path: str
    functions: tuple[str, ...]


def make_draft(
    change: Path | Between,
    *,
    kernel: str,
    folder: Path | None,
    builder: str,
    say: Say,
    on_line: Say,
) -> Drafted:
    """draft; then the compiler is asked what other symbols it needs, and whether it builds."""
    from lppack.drafting.edit import between, borrow, of_diff
    from lppack.kernel.config import read_config
    from lppack.kernel.facts import open_facts
    from lppack.packages.kernels import resolve
    from lppack.packages.linux_source import headers_with, package_at, package_of, source_file
    from lppack.stages.draft import draft

    chosen = resolve(kernel, ())
    package, config = package_of(chosen), read_config(chosen.config)

    def reader(of: str) -> Callable[[str], bytes | None]:
        return functools.cache(lambda path: _source(of, path))

    def _source(of: str, path: str) -> bytes | None:
        say(f"reading {path} of {of}")
        return source_file(of, path)

    read, later = reader(package), None
    if isinstance(change, Between):
        old, later = package_at(change.old), package_at(change.new)
        edit = between(change.path, change.functions, reader(old), reader(later), config)
    else:
        edit = of_diff(_text_of(change), read, config)
    with open_facts(chosen, deep=say) as facts:

        def drafted(edit: "Edit") -> "Draft":
            return draft(
                edit,
                facts,
                config,
                read,
                package=package,
                name=_series(folder) if folder else None,
                folder=str(folder) if folder else None,
            )

        made, sought = drafted(edit), set[str]()
        place = folder or Path(made.name)
        while True:
            for name, data in made.files:
                store.write_atomic(place / name, data)
            if made.unfinished:
                why: str | None = "it has lines that a person must fill in"
                break
            report, why = _missing(place, chosen.release, builder, on_line)
            undefined = set(report.get("undefined", ())) - set(made.symbols)
            undeclared = set(report.get("undeclared", ())) - sought
            if undefined:
                made = made.with_symbols(sorted(undefined), facts)
            elif undeclared and later is not None:
                say(f"looking for {', '.join(sorted(undeclared))} in {later}")
                sought |= undeclared
                here, there = partial(headers_with, package), partial(headers_with, later)
                more, cannot = borrow(edit, undeclared, here, there, config)
                made = replace(drafted(more), cannot=(*made.cannot, *cannot))
                if more == edit:
                    store.write_atomic(place / "README.md", dict(made.files)["README.md"])
                    break
                edit = more
            else:
                told = [no for no in made.cannot if no.what in report.get("undefined", ())]
                why = f"{told[0].what}: {told[0].why}" if told else why
                break
    return Drafted(draft=made, folder=place, built=why is None, why=why)


def _text_of(path: Path) -> str:
    try:
        return path.read_text(errors="surrogateescape")
    except OSError as error:
        raise EnvironmentMissing(f"cannot read {path}: {error.strerror}") from error


def _series(folder: Path) -> str:
    import re

    name = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")
    return name if name[:1].isalpha() else f"fix-{name}"


def _missing(
    folder: Path, release: str, builder: str, on_line: Say
) -> tuple[Mapping[str, Any], str | None]:
    """What the compiler does not find, and why it does not build; None: it does."""
    try:
        plan = make_plan(folder, kernel=release)
        with tempfile.TemporaryDirectory(prefix="lppack-") as out:
            make_bundle(plan, Path(out), builder=builder, on_line=on_line)
    except (BuildFailed, EnvironmentMissing, ManifestError) as error:
        return error.report or {}, error.message
    return {}, None
