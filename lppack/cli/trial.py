# SPDX-License-Identifier: MIT
"""test: take a patch or a bundle through every step in a private guest."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lppack import pipeline
from lppack.cli.options import BUILDER, ENGINE, KERNEL, MODE, PATCH, TIMEOUT
from lppack.cli.output import FORMAT, note, problem_json, progress, result, warn
from lppack.errors import AnswerIsNo, LppackError

if TYPE_CHECKING:
    from lppack.stages.test import StepResult


@click.command()
@PATCH
@KERNEL
@click.option(
    "--from",
    "old",
    metavar="OLD",
    type=click.Path(path_type=Path),
    help="A patch or bundle of an earlier version: apply it first, then replace it.",
)
@ENGINE
@MODE
@BUILDER
@TIMEOUT
@FORMAT
def test(
    patch: Path,
    kernel: str | None,
    old: Path | None,
    engine: str,
    mode: str | None,
    builder: str,
    timeout: float,
    format_: str,
) -> None:
    """Take a patch or a bundle through every step in a private guest.

    The steps are before, patched, converted, reverted and unloaded. At each step, the output of the
    manifest's checks is compared with the expected output. The step `again` repeats all steps on
    the data that the first round has left, and watches for bug reports of the kernel. With --from,
    the steps older and taken-over replace patched and converted: the earlier version is live, then
    this version replaces it. Finally, the guest's behaviour is compared with the simulator's
    prediction.

    \b
    Example:
      lppack test examples/proc-cmdline
    """
    run = pipeline.Trial(
        patch,
        kernel=kernel,
        engine=engine,
        mode=mode,
        builder=builder,
        timeout=timeout,
        old=old,
    )
    try:
        with progress(f"testing {patch}") as tell:
            for step in run.steps(tell):
                tell("\n".join(step_lines(step)))
        if not run.ok:
            raise AnswerIsNo(
                f"{run.title}: failed checks: {run.failed_checks}",
                hint=f"the guest's console: {run.console}",
            )
    except LppackError as error:
        if run.bundle is not None:
            error.report = test_json(run)
        for line in simulator_lines(run) if format_ != "json" else ():
            warn(line)
        raise
    if format_ == "json":
        result(test_json(run))
    else:
        click.echo(f"ok: {run.title}, {run.compared} checks")
        for line in simulator_lines(run):
            click.echo(line)
        if not run.compared:
            note(
                "  hint: the patch loads and unloads; to test what it does, add `test: "
                "checks:` (docs/authors.md)"
            )


def step_lines(step: "StepResult") -> list[str]:
    """Return a step and its failed checks, as text."""
    if step.skipped:
        return [f"  {step.step:<10} skipped: {step.skipped}"]
    converted = f"  {step.converted} converted" if step.converted else ""
    lines = [f"  {step.step:<10} {'ok' if step.ok else 'FAILED'}  {step.seconds:.1f} s{converted}"]
    for check in step.checks:
        if not check.ok:
            lines.append(f"    $ {check.run.strip()}")
            lines.append(f"    expected: {check.expect.strip()}")
            lines.append(f"    got:      {check.got}")
    return lines


def simulator_lines(run: "pipeline.Trial") -> list[str]:
    """Return the simulator's verdict and how the guest differed, as text."""
    if run.predicted is None:
        return []
    said = f"simulator: {run.predicted.verdict} in mode {run.predicted.simulation.mode.name}"
    if not run.differences:
        return [f"{said}; the guest behaved as predicted, in {len(run.steps_done)} steps"]
    return [f"{said}; the guest behaved differently:", *(f"  {text}" for text in run.differences)]


def test_json(run: "pipeline.Trial") -> dict[str, Any]:
    """Return the JSON result of ``lppack test``, also for a run that failed half-way."""
    bundle = run.bundle
    return {
        "ok": run.ok,
        "kernel": bundle.release if bundle else None,
        "engine": bundle.engine.value if bundle else None,
        "mode": bundle.mode.value if bundle else None,
        "console": str(run.console) if run.console else None,
        "simulator": run.predicted
        and {"verdict": run.predicted.verdict.value, "differences": list(run.differences)},
        "warnings": [problem_json(warning) for warning in run.warnings],
        "steps": [
            {
                "step": step.step.value,
                "ok": step.ok,
                "skipped": step.skipped,
                "seconds": round(step.seconds, 2),
                "converted": step.converted,
                "checks": [
                    {"run": c.run, "expect": c.expect, "got": c.got, "ok": c.ok}
                    for c in step.checks
                ],
            }
            for step in run.steps_done
        ],
    }
