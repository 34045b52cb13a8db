# SPDX-License-Identifier: MIT
"""Explain a failed build with the names of the author's files and manifest."""

import errno
import os
import re
from collections.abc import Sequence
from pathlib import Path

from lppack import store
from lppack.csource.tokens import read_c
from lppack.errors import BuildFailed, EnvironmentMissing
from lppack.kernel.facts import Facts, open_facts
from lppack.model import Manifest, Plan
from lppack.rules.elsewhere import homes
from lppack.rules.replaced import copies_of
from lppack.rules.runner import nearest
from lppack.stages.generate import generate
from lppack.stages.test_sources import MODULE, PROGRAMS, TARGET

#: How the programs of a build report a full disk: most of them; kbuild's fixdep; dash.
_FULL = re.compile(
    rf"{os.strerror(errno.ENOSPC)}|^fixdep: not all data was written|\b(echo|printf): I/O error$",
    re.M,
)
# gcc: FILE:LINE:COLUMN: error: TEXT
_UNDECLARED = re.compile(
    r"implicit declaration of function '(\w+)'|'(\w+)' undeclared|unknown type name '(\w+)'"
    r"|(?:undefined|incomplete) type '(?:const )?((?:struct|union) \w+)"
)
_ERROR = re.compile(r"^(?P<file>[^:\s]+):(?P<line>\d+)(?::\d+)?: (?:fatal )?error: (?P<text>.*)")


def failure(
    out: str, summary: str, plan: Plan, work: Path, site_work: str
) -> BuildFailed | EnvironmentMissing:
    """Return the compiler's first error, at the author's own line; or else the end of the log."""
    if lacking := _of_the_machine(out, work):
        return lacking
    (work / "build.log").write_text(f"{out}\n{summary}\n")
    lines = out.splitlines()
    for index, line in enumerate(lines):
        found = _ERROR.match(line.strip())
        if not found:
            continue
        name = found["file"].removeprefix(f"{site_work}/")
        part, _, rest = name.partition("/")
        manifest = plan.manifest
        if part == MODULE and rest in (*manifest.sources, *manifest.headers):
            file = str(manifest.folder / rest)
        elif part in (TARGET, PROGRAMS):
            file = str(manifest.folder / (name if part == TARGET else rest))
        else:
            file = name
        if reason := _named_type(found["text"], part, manifest):
            return BuildFailed(f"{manifest.path}: {reason}", file=str(manifest.path))
        context = [shown.rstrip() for shown in lines[index + 1 : index + 3]]
        return BuildFailed(
            "\n".join([f"{file}:{found['line']}: {found['text']}", *context]),
            file=file,
            line=int(found["line"]),
            hint="; ".join(
                filter(
                    None,
                    (
                        _way_out(found["text"], plan),
                        f"build.log, and the sources as kbuild saw them, are in {kept_name(plan)}",
                    ),
                )
            ),
            report={
                "compiler": True,
                "undeclared": sorted({"".join(names) for names in _UNDECLARED.findall(out)}),
            },
        )
    undefined = re.findall(r'modpost: "(\w+)" \[\S+\] undefined!', out)
    if undefined:
        return _undefined(undefined, plan)
    return BuildFailed(summary, hint=f"the whole log: {kept_name(plan)}/build.log")


def _of_the_machine(out: str, work: Path) -> EnvironmentMissing | None:
    """Return the error if the machine or the container lacks something; None: the sources are
    wrong."""
    if _FULL.search(out):
        # The disk has no room for the log and the sources either.
        return EnvironmentMissing(
            f"{os.strerror(errno.ENOSPC)} in {work}, or in /tmp of the container (512 MB)",
            hint=store.ROOM,
        )
    if re.search(r"\b(Cannot fork|fork: |vfork: )", out):
        return EnvironmentMissing(
            "the build could not start another process: too many processes of this user, "
            "or in the container (512)",
            hint="build fewer pairs at a time: --jobs; see ulimit -u",
        )
    if re.search(
        r"\b(cc1|gcc|ld)\S*: (fatal error|internal compiler error): Killed\b|"
        r"virtual memory exhausted|out of memory allocating",
        out,
    ):
        return EnvironmentMissing(
            "the compiler was killed, because the machine is out of memory",
            hint="build fewer pairs at a time: --jobs",
        )
    return None


def _way_out(text: str, plan: Plan) -> str | None:
    """Return a hint for a compiler message; None if the message needs no explanation."""
    if header := re.match(r"(\S+\.h): No such file or directory", text):
        folder = header[1].rpartition("/")[0] or "FOLDER"
        return (
            f"for a private header of the kernel: kernel_headers: [{folder}]; for your own "
            "header: list it under `headers`"
        )
    called = re.match(r"implicit declaration of function '(\w+)'", text)
    declared = "\n".join(text for name, text in generate(plan).files if name == "lppack.h")
    if called and re.search(rf"\b{called[1]}\(", declared):
        return 'add #include "lppack.h", which declares it'
    return None


def _named_type(text: str, part: str, manifest: Manifest) -> str | None:
    """Return a hint for a type that the manifest names and no header defines.

    Only generated code fails to compile then.
    """
    found = re.search(r"incomplete type '(?:const )?((?:struct|union) \w+)'", text)
    for shadow in manifest.shadow_variables if found and part == MODULE else ():
        if found and shadow.type == found[1]:
            return (
                f"none of the headers defines {shadow.type}, the type of the shadow "
                f"variable {shadow.name}{_meant(shadow.type, manifest)}"
            )
    return None


def _meant(type_: str, manifest: Manifest) -> str:
    own = {
        name
        for header in manifest.headers
        for name in read_c((manifest.folder / header).read_text(errors="replace"), header).layouts
    }
    meant = nearest(type_, own)
    return "" if meant is None else f'; did you mean "{meant}"?'


def _not_linked(name: str, plan: Plan, facts: Facts) -> str:
    """Return where the kernel has a symbol that modules may not link to, or a similar name."""
    release = plan.kernel.release
    objects = [entry.name or "vmlinux" for entry in plan.patched]
    home = next((one for one in objects if copies_of(facts, one, name)), None)
    home = home or next(iter(homes(facts, objects[-1], name, variables=True)), None)
    if home is not None:
        return (
            f'"{name}" is used, but {release} does not export it: list it under `symbols` of {home}'
        )
    similar = facts.similar(name)
    meant = f'; did you mean "{similar[0]}"?' if similar else "; no source defines it either"
    return f'"{name}" is used, but no object of {release} has it{meant}'


def _undefined(names: Sequence[str], plan: Plan) -> BuildFailed:
    """Return the error for symbols that modpost reports as undefined."""
    replacements = {fn.new for entry in plan.patched for fn in entry.functions}
    manifest = plan.manifest
    for transform in manifest.transforms:
        replacements |= {transform.marker, transform.take, transform.release}
        replacements |= {name for name in (transform.forward, transform.reverse) if name}
    for world in manifest.world:
        replacements |= {world.marker, world.for_each, world.forward, world.reverse}
        replacements |= {name for name in (world.prepare, world.check, world.finish) if name}
    replacements |= {var.constructor for var in manifest.shadow_variables if var.constructor}
    with open_facts(plan.kernel) as facts:
        lines = [
            f'no source defines "{name}", which the manifest names: it may be misspelt, or static'
            if name in replacements
            else _not_linked(name, plan, facts)
            for name in dict.fromkeys(names)
        ]
    return BuildFailed(
        "\n".join(f"{manifest.path}: {line}" for line in lines),
        file=str(manifest.path),
        hint=f"build.log, and the sources as kbuild saw them, are in {kept_name(plan)}",
        report={"undefined": sorted({*names} - replacements)},
    )


def kept_name(plan: Plan) -> Path:
    return store.cache_dir() / "failed" / f"{plan.name}-{plan.version}_{plan.kernel.release}"
