# SPDX-License-Identifier: MIT
"""doctor and demo: check this machine, and show the main job on it."""

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
@click.option("--undo", is_flag=True, help="Stop the services that --fix has started.")
@click.option("--host-builder", is_flag=True, help="Also check what --builder host needs.")
@click.option(
    "--kernel",
    metavar="REL",
    help="Instead of this machine, check a kernel: try each assumption that lppack makes.",
)
@FORMAT
def doctor(
    fix: bool, yes: bool, undo: bool, host_builder: bool, kernel: str | None, format_: str
) -> int:
    """Check that this machine has what lppack needs, and print how to fix it; or check a kernel.

    With --kernel nothing is run or changed: each assumption is checked on the files of the kernel's
    package. Exit code 9 if an assumption that all of lppack needs does not hold. An assumption that
    only lppack's own engine needs gives a note.

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
            warn(f"{finding.name}: {finding.missing}; fix: {finding.fix or 'by hand'}")
        if not yes and not click.confirm("go on?", err=True):
            raise EnvironmentMissing(
                "nothing was installed or started", hint="run: lppack doctor --fix --yes"
            )
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
        note(f"these assumptions do not hold: {names}; lppack refuses this kernel")
    return AnswerIsNo.exit_code if broken else 0


_STORY = {
    "before": "the kernel as it was booted, with the test targets loaded",
    "patched": "phase 1: every thread has switched to the new functions; no data is converted",
    "converted": "phase 2: new code converts the data that it touches",
    "older": "the earlier version is live, and has converted the data that the checks touch",
    "taken-over": "this version has replaced the earlier one, and converts",
    "reverted": "converted data is reversed, and every thread runs the old functions",
    "unloaded": "the module is unloaded",
    "again": "all steps a second time, on the data that the first round has left",
}


@click.command()
@BUILDER
def demo(builder: str) -> None:
    """Apply and revert both examples in a guest: from the manifest to a live kernel and back.

    Installs nothing.

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
