# SPDX-License-Identifier: MIT
"""doctor and demo: what this machine has, and the main job shown on it."""

import time

import click

from lppack import doctor as doctor_
from lppack import pipeline, resources
from lppack.cli.options import BUILDER
from lppack.cli.output import FORMAT, note, progress, result, warn
from lppack.cli.trial import step_lines
from lppack.errors import AnswerIsNo, EnvironmentMissing


@click.command()
@click.option("--fix", is_flag=True, help="Print what is missing, then install and start it.")
@click.option("--yes", is_flag=True, help="With --fix: do not ask.")
@click.option("--undo", is_flag=True, help="Stop what --fix has started.")
@click.option("--host-builder", is_flag=True, help="Also check what --builder host needs.")
@click.option(
    "--kernel",
    metavar="REL",
    help="Instead of this machine: try everything that lppack assumes of a kernel.",
)
@FORMAT
def doctor(
    fix: bool, yes: bool, undo: bool, host_builder: bool, kernel: str | None, format_: str
) -> int:
    """Check what this machine needs, with the fix for what is missing; or what a kernel offers.

    With --kernel nothing is run or changed: each assumption is tried on the files of the kernel's
    package. Exit code 9 if one does not hold that all of lppack needs; those that only lppack's own
    engine needs are notes.

    \b
    Example:
      lppack doctor
    """
    if kernel is not None:
        if fix or yes or undo or host_builder:
            raise click.UsageError("--kernel checks a kernel, not this machine")
        return _assumptions(kernel, format_)
    if undo:
        doctor_.undo(note)
        return 0
    findings = doctor_.examine(host_builder=host_builder)
    missing = [finding for finding in findings if finding.needed and not finding.ok]
    if fix and missing:
        for finding in missing:
            warn(f"{finding.name}: {finding.missing}; to be done: {finding.fix or 'by hand'}")
        if not yes and not click.confirm("go on?", err=True):
            raise EnvironmentMissing("nothing done", hint="run: lppack doctor --fix --yes")
        doctor_.fix(findings, note)
        findings = doctor_.examine(host_builder=host_builder)
        missing = [finding for finding in findings if finding.needed and not finding.ok]
    if format_ == "json":
        result(
            {
                "ok": not missing,
                "findings": [
                    {
                        "name": f.name,
                        "ok": f.ok,
                        "needed": f.needed,
                        "text": f.found if f.ok else f.missing,
                        "fix": f.fix,
                        "command": f.command,
                    }
                    for f in findings
                ],
            }
        )
    else:
        for finding in findings:
            word = "ok  " if finding.ok else "LACK" if finding.needed else "note"
            click.echo(
                f"{word}  {finding.name}: {finding.found if finding.ok else finding.missing}"
            )
            if not finding.ok and finding.command:
                click.echo(f"      by hand: {finding.command}")
        if missing:
            note("to fix all of it: lppack doctor --fix")
    return EnvironmentMissing.exit_code if missing else 0


def _assumptions(kernel: str, format_: str) -> int:
    chosen, tried = pipeline.try_kernel(kernel)
    broken = [one for one in tried if not one.holds and one.assumption.engine is None]
    if format_ == "json":
        result(
            {
                "ok": not broken,
                "kernel": chosen.release,
                "version": chosen.version,
                "assumptions": [
                    {
                        "name": one.assumption.name,
                        "holds": one.holds,
                        "text": one.text,
                        "assumed": one.assumption.text,
                        "source": one.assumption.source,
                        "engine": one.assumption.engine,
                    }
                    for one in tried
                ],
            }
        )
        return AnswerIsNo.exit_code if broken else 0
    click.echo(f"{chosen.release} {chosen.version}")
    for one in tried:
        word = "ok  " if one.holds else "note" if one.assumption.engine else "NO  "
        click.echo(f"{word}  {one.assumption.name}: {one.assumption.text}: {one.text}")
        if not one.holds:
            needs = "lppack_engine.ko needs it" if one.assumption.engine else "lppack needs it"
            click.echo(f"      {needs}; {one.assumption.source}")
    if broken:
        names = ", ".join(one.assumption.name for one in broken)
        note(f"not as lppack assumes: {names}; such a kernel is refused")
    return AnswerIsNo.exit_code if broken else 0


_STORY = {
    "before": "the kernel as it was booted, with the test targets loaded",
    "patched": "phase 1: every thread has switched to the new functions; data is as it was",
    "converted": "phase 2: new code converts what it touches",
    "older": "the version before is live, and has converted what the checks touch",
    "taken-over": "this version has replaced it, and converts",
    "reverted": "back: converted data was reversed, every thread runs the old functions",
    "unloaded": "the module is gone",
    "again": "all of it a second time, on what the first round has left",
}


@click.command()
@BUILDER
def demo(builder: str) -> None:
    """Take both examples from manifest to live kernel and back, in a guest. Install nothing.

    \b
    Example:
      lppack demo
    """
    start = time.monotonic()
    for name in ("proc-cmdline", "conn-limit"):
        folder = resources.examples() / name
        click.echo(f"\n== {name}: manifest to live kernel and back, in a private guest")
        run = pipeline.Trial(folder, builder=builder)
        with progress(f"demo: {name}") as tell:
            for step in run.steps(tell):
                click.echo(f"{step.step:<10} {_STORY[step.step]}")
                for check in step.checks:
                    click.echo(f"           $ {check.run.strip().splitlines()[-1]}")
                    for line in check.got.splitlines():
                        click.echo(f"             {line}")
                if not step.ok or step.skipped:
                    click.echo("\n".join(step_lines(step)))
        if not run.ok:
            raise AnswerIsNo(f"{run.title}: {run.failed_checks} checks failed")
        click.echo(f"ok: {run.title}")
    click.echo(f"\ndone in {time.monotonic() - start:.0f} s")
