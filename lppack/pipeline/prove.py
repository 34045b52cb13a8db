# SPDX-License-Identifier: MIT
"""Check that a patch carries the whole change that it follows."""

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lppack.errors import AnswerIsNo
from lppack.model import Completeness, Kernel, Manifest
from lppack.proc import Say

if TYPE_CHECKING:
    from lppack.drafting.places import Target
    from lppack.kernel.facts import Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The verdict, with the reasons if the patch is not proved."""

    complete: Completeness
    reasons: tuple[str, ...] = ()
    follows_nothing: bool = False  # the patch names no change to compare it with

    @property
    def proved(self) -> bool:
        return self.complete is Completeness.PROVED


def prove(manifest: Manifest, kernel: Kernel, facts: "Facts", *, builder: str, say: Say) -> Proof:
    """Compare a patch with the change that it follows.

    Compile the kernel's sources before and after the change. The functions that differ must be
    those that the patch replaces, and the patch's C must be that of the change.

    Raise EnvironmentMissing, BuildFailed.
    """
    from lppack.distributions import open_distribution
    from lppack.drafting.assess import assess
    from lppack.drafting.authored import differences
    from lppack.drafting.edit import files_of, makefile_defines
    from lppack.drafting.from_diff import of_diff
    from lppack.drafting.text import built_as
    from lppack.kernel.config import read_config
    from lppack.pipeline.build import open_builder
    from lppack.proof.prover import Prover

    if manifest.follows is None:
        why = "the manifest names no change that the patch follows (`follows`)"
        return Proof(complete=Completeness.NOT_CHECKED, reasons=(why,), follows_nothing=True)
    text = (manifest.folder / manifest.follows).read_text(encoding="latin-1")
    package = open_distribution().sources.package_of(kernel)
    read = functools.cache(functools.partial(open_distribution().sources.source_file, package))
    config = read_config(kernel.config)
    try:
        edit = of_diff(text, read, config)
    except AnswerIsNo as error:
        return Proof(complete=Completeness.INCOMPLETE, reasons=(error.message,))
    prover = Prover(kernel, facts, open_builder(builder, lambda _line: None), say)
    files = files_of(edit, read, config)
    comparison = prover.compare(edit.changes, edit.files, files)
    found = assess(edit, comparison, prover, facts, files)
    replaced = {
        (entry.name or "vmlinux", function.old, function.sympos): function.new
        for entry in manifest.objects
        for function in entry.functions
    }
    pairs = [(target, key) for target in found.targets if (key := _of(target, replaced))]
    missing = [
        f"{target.name} of {target.object} ({target.path}) differs, and is not replaced"
        for target in found.targets
        if _of(target, replaced) is None
    ]
    missing += [one.why for one in found.cannot if one.path == ""]
    by_hand = {
        *found.advice.data,
        *found.advice.counters,
        *(layout.name for layout in found.advice.layouts),
    }
    written = bool(manifest.transforms or manifest.world) or any(
        entry.hooks.of_the_kernel for entry in manifest.objects
    )
    left = [
        f"{line.path}:{line.line}: {line.what} is left out: {line.why}"
        for line in found.left_out
        if not (written and line.what in by_hand)
    ]
    if missing or left:
        return Proof(complete=Completeness.INCOMPLETE, reasons=(*missing, *left))
    doubts = [*found.mismatches]
    extra = replaced.keys() - {key for _, key in pairs}
    doubts += [
        f"{old} of {object_} is replaced as well, which the change does not require"
        for object_, old, _ in sorted(extra, key=str)
    ]
    sources = {
        name: (manifest.folder / name).read_text(errors="replace") for name in manifest.sources
    }
    headers = [path for path in edit.files if path.endswith(".h")]
    headers += [path for path, _ in comparison.affected.standing]
    given = {
        define.partition(" ")[0]
        for target in found.targets
        for define in makefile_defines(target.path, read, config)
    }
    given |= {
        f"#define {text}"
        for unit in comparison.units
        if unit.unit.path in {target.path for target in found.targets}
        for text in built_as(unit.unit.flags)
    }
    told = [(target, replaced[key]) for target, key in pairs]
    aliases = [(one.name, one.c_name) for entry in manifest.objects for one in entry.symbols]
    doubts += dict.fromkeys(differences(sources, told, files, headers, given, aliases))
    modular = [
        target
        for target, new in told
        if target.object == "vmlinux" and not _built_in(new, sources.values())
    ]
    if modular:
        otherwise = prover.otherwise_in_modules(
            [one for one in comparison.units if one.unit.path in {t.path for t in modular}],
            edit.files,
        )
        doubts += [
            f"{target.name} of {target.path} is other code if MODULE is defined, as it is for a "
            "patch: begin its C file with `#undef MODULE`"
            for target in modular
            if target.name in otherwise[target.path]
        ]
    if by_hand:
        doubts.append(f"lppack cannot check how {', '.join(sorted(by_hand))} is converted")
    complete = Completeness.NOT_CHECKED if doubts else Completeness.PROVED
    return Proof(complete=complete, reasons=tuple(doubts))


#: Included before every other header; otherwise headers use the values for modules.
_FIRST = re.compile(r"#\s*include <linux/static_call_types\.h>")


def _built_in(function: str, sources: Iterable[str]) -> bool:
    """Return True if every C file with the function is built into the kernel, without MODULE."""
    return all(
        re.search(r"^#\s*include\b", _FIRST.sub("", found[0]), re.M) is None if found else False
        for text in sources
        if re.search(rf"\b{re.escape(function)}\b", text)
        for found in (re.search(r"\A.*?^#\s*undef\s+MODULE\b", text, re.M | re.S),)
    )


_Key = tuple[str, str, int | None]


def _of(target: "Target", replaced: Mapping[_Key, str]) -> _Key | None:
    """Return the manifest's entry for ``target``; None if it does not replace it."""
    positions = [target.sympos] + ([None] if target.sympos == 1 else [])
    positions += [1] if target.sympos is None else []
    keys = ((target.object, target.name, position) for position in positions)
    return next((key for key in keys if key in replaced), None)
