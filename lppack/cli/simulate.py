# SPDX-License-Identifier: MIT
"""simulate: predict what a patch will do, without a kernel."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lppack import pipeline
from lppack.cli import sweep as swept
from lppack.cli.cost import of_calls
from lppack.cli.options import PATCH, Finite
from lppack.cli.output import FORMAT, note, result, table
from lppack.cli.simulation import run_json, run_lines, simulation_json, simulation_lines
from lppack.consistency import EngineName, ModeName, mode_named
from lppack.errors import AnswerIsNo

if TYPE_CHECKING:
    from lppack.analyse.sample import Sampled
    from lppack.analyse.simulate import Simulation


@click.command()
@PATCH
@click.option(
    "--mode",
    type=click.Choice([mode.value for mode in ModeName]),
    help="Simulate this mode, even if it does not cover the needs.  [default: the mode "
    "that apply uses]",
)
@click.option(
    "--compare", is_flag=True, help="Explore every mode, and name the weakest that is safe."
)
@click.option(
    "--preempted",
    is_flag=True,
    help="Simulate a kernel that preempts kernel code (preempt=full or lazy; the default "
    "of 7.x): the ftrace call of each replaced function becomes several steps.",
)
@click.option(
    "--engine",
    type=click.Choice(["livepatch", "consistency"]),
    help="With --preempted: the engine to simulate.  [default: livepatch if it gives the mode]",
)
@click.option(
    "--replay",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Replay a run from FILE, which is an output of --format json.",
)
@click.option(
    "--report",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write an HTML report.",
)
@click.option(
    "--sample",
    is_flag=True,
    help="Estimate when the transition finishes on a real machine, and which threads block "
    "it, from many random transitions under the manifest's workload.",
)
@click.option(
    "--stacks",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With --sample: folded stacks of the machine, sampled by wall-clock time, with "
    "thread ids.",
)
@click.option(
    "--visits",
    metavar="FUNCTION=FILE",
    multiple=True,
    help="With --sample: the output of `funclatency FUNCTION`. Can be repeated.",
)
@click.option(
    "--watched",
    metavar="S",
    type=Finite(min=0, min_open=True),
    help="With --sample: seconds during which stacks and visits were recorded.",
)
@click.option(
    "--timeout",
    metavar="S",
    type=Finite(min=0.1),
    help="With --sample: seconds that a transition may take.  [default: 60]",
)
@click.option(
    "--hook",
    type=click.Choice(["exit", "tick"]),
    help="With --sample: simulate an engine that has no gate, and checks whether a thread "
    "may switch at the end of each visit (exit) or periodically (tick).  [default: "
    "lppack's own engine]",
)
@click.option(
    "--seed", type=click.IntRange(min=0), help="With --sample: random seed.  [default: 0]"
)
@of_calls
@swept.of_sweep
@FORMAT
def simulate(
    patch: Path,
    mode: str | None,
    compare: bool,
    preempted: bool,
    engine: str | None,
    replay: Path | None,
    report: Path | None,
    sample: bool,
    stacks: Path | None,
    visits: tuple[str, ...],
    watched: float | None,
    timeout: float | None,
    hook: str | None,
    seed: int | None,
    calls: tuple[Path, ...],
    seconds: float | None,
    cpi: float | None,
    ghz: float | None,
    sweep: tuple[str, ...],
    jobs: int | None,
    farm: str | None,
    format_: str,
) -> None:
    """Explore the transition of a patch: check that the mode is safe for it, and that it ends.

    Tries every interleaving of up to eight threads, and by abstraction of any number of threads.
    Exit code 9: the mode is not safe, or the transition never ends. Needs neither a kernel nor
    root.

    \b
    Example:
      lppack simulate examples/conn-limit --compare --report conn-limit.html
      lppack simulate my-patch --sample --stacks web.folded --visits conn_wait=conn_wait.txt
      lppack simulate examples/conn-limit --sweep threads=1..8 --sweep kthreads=0..2
    """
    of_sample = {"stacks": stacks, "visits": visits, "watched": watched, "hook": hook}
    asked = [name for name, value in {**of_sample, "timeout": timeout}.items() if value]
    if not sample and (asked or seed is not None):
        raise click.UsageError(f"--{(asked or ['seed'])[0]} requires --sample")
    if replay is not None and (sample or report is not None):
        raise click.UsageError(f"--{'sample' if sample else 'report'} excludes --replay")
    host = pipeline.HostCalls(calls=calls, seconds=seconds, cpi=cpi, ghz=ghz)
    if host != pipeline.HostCalls() and report is None:
        raise click.UsageError(
            "call costs are shown only in the HTML report: give --report, or run: lppack cost"
        )
    if engine and not preempted:
        raise click.UsageError(
            "--engine requires --preempted: without it, both engines behave the same"
        )
    if preempted and (sample or replay is not None):
        raise click.UsageError(f"--preempted excludes --{'sample' if sample else 'replay'}")
    if engine and mode and EngineName(engine) not in mode_named(ModeName(mode)).engines:
        raise click.UsageError(f"the {engine} engine does not give mode {mode}")
    under = EngineName(engine or EngineName.LIVEPATCH) if preempted else None
    if compare and mode:
        raise click.UsageError("--compare excludes --mode: it simulates all modes")
    if (jobs or farm) and not sweep:
        raise click.UsageError(f"--{'jobs' if jobs else 'farm'} requires --sweep")
    if sweep:
        excluded = {"mode": mode, "compare": compare, "preempted": preempted, "report": report}
        for name in (name for name, value in {**excluded, "replay": replay}.items() if value):
            raise click.UsageError(f"--sweep excludes --{name}")
        swept.run(
            patch,
            swept.axes_of(sweep, {"timeout": timeout, "hook": hook, "seed": seed}, sample=sample),
            sample=sample,
            where=swept.where(jobs, farm),
            format_=format_,
            stacks=stacks,
            watched=watched,
            histograms=[_function_file(word) for word in visits],
        )
        return
    if replay is not None:
        if compare or mode:
            raise click.UsageError("--replay excludes --mode and --compare")
        _replay(patch, replay, format_)
        return
    every_mode = [name.value for name in ModeName]

    def draw(modes: list[str]) -> "tuple[Sampled, ...]":
        return pipeline.sample_patch(
            patch,
            modes,
            stacks=stacks,
            watched=watched,
            histograms=[_function_file(word) for word in visits],
            limit=timeout or 60.0,
            seed=seed or 0,
            hook=hook,
        )

    if report is not None:
        pipeline.report_place(report)
    compared = (
        pipeline.compare_modes(patch, mode, preempted=under)
        if report or (compare and not sample)
        else None
    )
    if report is not None and compared is not None:
        prices = pipeline.price_manifest(compared.manifest, host)
        pipeline.write_report(compared, report, draw(every_mode) if sample else (), prices)
        note(f"written: {report}")
    if sample:
        from lppack.cli import sample as sampled

        drawn = draw(every_mode if compare else [mode] if mode else [])
        sampled.show(patch, drawn, compare=compare, format_=format_)
    elif compared is None:
        _one(patch, pipeline.simulate_patch(patch, mode, preempted=under), format_)
    elif compare:
        _compare(patch, compared, format_)
    else:
        _one(patch, compared.chosen, format_)


def _one(patch: Path, made: "Simulation", format_: str) -> None:
    if format_ == "json" and made.ok:
        result({"ok": True, **simulation_json(made)})
    elif format_ != "json":
        click.echo("\n".join(simulation_lines(made)))
    if not made.ok:
        raise AnswerIsNo(
            f"{patch} in mode {made.mode.name}: {made.verdict}",
            hint=f"see every mode: lppack simulate {patch}{_how(made)} --compare",
            report=simulation_json(made),
        )


def _how(made: "Simulation") -> str:
    return " --preempted" if made.preempted else ""


def _function_file(word: str) -> tuple[str, Path]:
    function, equals, file = word.partition("=")
    if not (function and equals and file):
        raise click.UsageError(f"--visits requires FUNCTION=FILE, not {word!r}")
    return function, Path(file)


def _compare(patch: Path, compared: pipeline.Compared, format_: str) -> None:
    every, best = compared.every, compared.best
    usable = any(made.ok and made.covers for made in every)
    told = {
        "modes": [simulation_json(made) for made in every],
        "recommended": best.value if best else None,
    }
    if format_ == "json":
        if usable:
            result({"ok": True, **told})
    else:
        _compared(compared)
    if not usable:
        raise AnswerIsNo(
            f"{patch}: no mode that covers the needs is safe and finishes",
            hint=f"to see a run that fails: lppack simulate {patch}{_how(every[0])}",
            report=told,
        )


def _compared(compared: pipeline.Compared) -> None:
    every, best = compared.every, compared.best
    for line in dict.fromkeys(line for made in every for line in made.assumptions):
        click.echo(f"assumed: {line}")
    click.echo()
    rows: list[tuple[str, ...]] = [("mode", "flags", "verdict", "why")]
    rows += [
        (
            made.mode.name.value,
            f"{made.mode.leave.name} {made.mode.switch.name}",
            made.verdict,
            _why(made) + ("" if made.covers else "; weaker than the needs"),
        )
        for made in every
    ]
    table(rows)
    click.echo()
    if every[0].empty:
        click.echo(f"no mode is recommended: {every[0].empty}")
    elif best is None:
        click.echo("no mode is recommended: none that covers the needs is safe and ends")
    elif next(made for made in every if made.mode.name is best).blockers:
        click.echo(f"no mode that covers the needs always ends; the weakest safe mode: {best}")
    else:
        click.echo(f"the weakest mode that is safe under the declared needs: {best}")


def _why(made: "Simulation") -> str:
    for reached, what, _ in made.findings:
        if reached:
            return what
    if made.blockers:
        return made.blockers[0].reason
    never = "is reached" if made.whole else "was seen, as far as was explored"
    return f"nothing forbidden {never}, and it ends"


def _replay(patch: Path, file: Path, format_: str) -> None:
    mode, made = pipeline.replay_runs(patch, file)
    if format_ == "json":
        result({"ok": True, "mode": mode.value, "violations": [run_json(run) for run in made]})
        return
    for run in made:
        click.echo("\n".join(run_lines(run)))
    note("the run is possible for this patch in this mode")
