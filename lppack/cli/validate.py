# SPDX-License-Identifier: MIT
"""validate: report all problems of manifests at once."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from lppack import pipeline
from lppack.cli.options import BUILDER, DEEP, PATCHES, WHICH
from lppack.cli.output import note, problem_json, result
from lppack.errors import AnswerIsNo, Level, ManifestError, Problem


def _url(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"https?://[^\s/?#]+[^\s?#]*", value):
        raise click.BadParameter(f'"{value}" is not a URL like https://HOST/PATH')
    return value


@click.command()
@PATCHES
@click.option(
    "--kernel",
    "kernels",
    metavar="REL",
    multiple=True,
    help=f"{WHICH}; without it, no kernel is checked. Can be repeated.",
)
@click.option(
    "--from",
    "old",
    metavar="OLD",
    type=click.Path(path_type=Path),
    help="Earlier patch or bundle: also report what this version drops, or what needs a new id.",
)
@DEEP
@click.option(
    "--changed",
    is_flag=True,
    help="PATCHES are changed files of any kind: check the patches that they belong to.",
)
@click.option("--strict", is_flag=True, help="Treat warnings as errors (exit code 3).")
@click.option(
    "--prove",
    is_flag=True,
    help="With --kernel: compare object code, and report which part of the change the "
    "patch lacks, or what is not proved (exit code 9).",
)
@BUILDER
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json", "sarif"]),
    default="text",
    help="json: one object on stdout. sarif: SARIF 2.1.0, for code-scanning services.",
)
@click.option(
    "--docs",
    metavar="URL",
    callback=_url,
    help="With --format sarif: URL of the published documentation, to which each rule links.",
)
def validate(
    patches: tuple[Path, ...],
    kernels: tuple[str, ...],
    old: Path | None,
    deep: bool,
    changed: bool,
    strict: bool,
    prove: bool,
    builder: str,
    format_: str,
    docs: str | None,
) -> int:
    """Report all problems of manifests at once; with --kernel, also those on that kernel.

    The last line names the checked kernels, and counts the problems.

    \b
    Example:
      lppack validate examples/proc-cmdline
    """
    if changed:
        patches = pipeline.patches_of(patches)
    if old is not None and len(patches) > 1:
        raise click.UsageError("--from requires one patch")
    if deep and not kernels:
        raise click.UsageError("--deep requires --kernel")
    if prove and not kernels:
        raise click.UsageError("--prove requires --kernel")
    if docs and format_ != "sarif":
        raise click.UsageError("--docs requires --format sarif")
    checked = [
        pipeline.check_patch(path, kernels, old=old, deep=note if deep else None)
        for path in patches
    ]
    problems = [problem for one in checked for problem in one.problems]
    asked = tuple(dict.fromkeys(kernel for one in checked for kernel in one.kernels))
    unchecked = tuple(dict.fromkeys(k for one in checked for k in one.inlining_unchecked))
    failed = any(strict or problem.level is Level.ERROR for problem in problems)
    proofs = {
        (path, kernel): pipeline.prove_patch(path, kernel=kernel, builder=builder, say=note)
        for path in (patches if prove and not failed else ())
        for kernel in kernels
    }
    if any(not proof.proved for proof in proofs.values()):
        raise AnswerIsNo(
            "\n".join(
                f"{path}: {reason}"
                for (path, _), proof in proofs.items()
                for reason in proof.reasons
            ),
            hint=_way_to_a_proof(proofs.values()),
            report={
                "kernels": list(asked),
                "problems": [problem_json(p) for p in problems],
                "proofs": _proofs(proofs),
            },
        )
    if format_ == "json":
        report = {
            "ok": not failed,
            "kernels": list(asked),
            "inlining_unchecked": list(unchecked),
            "problems": [problem_json(problem) for problem in problems],
        }
        result(report | ({"proofs": _proofs(proofs)} if proofs else {}))
    elif format_ == "sarif":
        result(pipeline.sarif_of(problems, docs=docs))
    else:
        for problem in problems:
            click.echo(str(problem))
        against = f" on {', '.join(asked)}" if asked else ""
        if not kernels:
            against = "; no kernel was checked (--kernel)"
        note(_summary(patches, against, problems, strict=strict))
        if unchecked:
            note(
                f"inlining was not checked on {', '.join(unchecked)}: callers may contain "
                "inlined copies of the old code; for vmlinux, --deep checks it"
            )
        for (path, _), proof in proofs.items():
            click.echo(f"{path}: complete: {proof.complete}")
            for reason in proof.reasons:
                click.echo(f"  {reason}")
    return ManifestError.exit_code if failed else 0


def _summary(
    patches: Sequence[Path], against: str, problems: Sequence[Problem], *, strict: bool
) -> str:
    """Return the last line: the patches, the kernels, and the number of problems."""
    what = str(patches[0]) if len(patches) == 1 else f"{len(patches)} manifests"
    levels = Counter(problem.level for problem in problems)
    found = " and ".join(
        f"{levels[level]} {level.value}{'s' if levels[level] > 1 else ''}"
        for level in Level
        if levels[level]
    )
    if levels[Level.ERROR] or (found and strict):
        return f"{found}: {what}{against}"
    return f"ok with {found}: {what}{against}" if found else f"ok: {what}{against}"


def _way_to_a_proof(proofs: "Collection[pipeline.Proof]") -> str:
    if all(proof.follows_nothing for proof in proofs):
        return "put the diff into the folder, and name it in the manifest: follows: change.diff"
    return "replace the functions that differ, or remove them from the change that is followed"


def _proofs(proofs: Mapping[tuple[Path, str], "pipeline.Proof"]) -> list[dict[str, Any]]:
    return [
        {"path": str(path), "complete": proof.complete.value, "reasons": list(proof.reasons)}
        for (path, _), proof in proofs.items()
    ]
