# SPDX-License-Identifier: MIT
"""build: one bundle for each patch and each kernel."""

import os
import shlex
from pathlib import Path

import click
from click.core import ParameterSource

from lppack import pipeline
from lppack.cli import matrix
from lppack.cli.author import show_warnings
from lppack.cli.options import BUILDER, DEEP, ENGINE, MODE, PATCHES, WHICH
from lppack.cli.output import FORMAT, build_log, note, result
from lppack.pipeline.junit import write_junit
from lppack.pipeline.matrix import build_all, pairs_of, worst
from lppack.pipeline.pairs import Options, Outcome, Pair, PairState


@click.command()
@PATCHES
@click.option(
    "--kernel", "kernels", metavar="REL", multiple=True, help=f"{WHICH}. Can be repeated."
)
@click.option(
    "-o",
    "--output",
    default=".",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the bundles.  [default: the current one]",
)
@BUILDER
@ENGINE
@MODE
@DEEP
@click.option(
    "--prove",
    is_flag=True,
    help="Compare object code, to prove that the patch carries the whole change that it "
    "follows. The bundle records the result.",
)
@click.option(
    "--release",
    is_flag=True,
    help="Refuse a patch that is not proved to be complete, or for which a rule has a "
    "warning. Implies --prove.",
)
@click.option(
    "--unproved",
    is_flag=True,
    help="With --release: build a patch that is not proved to be complete. The bundle "
    "records this.",
)
@click.option(
    "--inlining-unchecked",
    is_flag=True,
    help="With --release: build a patch whose inlining was not checked. The bundle records this.",
)
@click.option(
    "--accept",
    "accepted",
    metavar="RULE",
    multiple=True,
    help="With --release: accept the warnings of this rule. The bundle records this. Can "
    "be repeated.",
)
@click.option(
    "--sign-key",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Sign the module with this private key (PEM). The passphrase is read from "
    "KBUILD_SIGN_PIN. The key is not copied into the container.",
)
@click.option(
    "--sign-cert",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Certificate of the --sign-key, which the kernels must trust.",
)
@click.option(
    "--check",
    is_flag=True,
    help="Build twice, the second time with another directory, user, host name, locale, "
    "time zone and umask. Fail if a byte differs (exit code 9).",
)
@click.option(
    "--plan",
    "service",
    type=click.Choice(["github", "gitlab"]),
    help="Build nothing. Print jobs for this CI service: for each kernel, with its patches. "
    "github: the value of strategy.matrix; gitlab: a child pipeline.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of pairs to build at the same time.  [default: the number of processors]",
)
@click.option(
    "--farm",
    metavar="ADDRESS",
    help="Build on the workers of this dask scheduler (tcp://HOST:8786), not on this machine.",
)
@click.option(
    "--farm-sample",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    metavar="N",
    help="With --farm: also build N of the pairs on this machine, and compare the bytes.",
)
@click.option(
    "--junit",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write the result of each pair of patch and kernel to this file, as JUnit XML.",
)
@FORMAT
@click.pass_context
def build(
    ctx: click.Context,
    patches: tuple[Path, ...],
    kernels: tuple[str, ...],
    output: Path,
    builder: str,
    engine: str,
    mode: str | None,
    deep: bool,
    prove: bool,
    release: bool,
    unproved: bool,
    inlining_unchecked: bool,
    accepted: tuple[str, ...],
    sign_key: Path | None,
    sign_cert: Path | None,
    check: bool,
    service: str | None,
    jobs: int | None,
    farm: str | None,
    farm_sample: int,
    junit: Path | None,
    format_: str,
) -> None:
    """Build one bundle for each patch and each kernel.

    Several pairs are built at the same time. If one fails, the others go on. The exit code is the
    worst of all pairs. It is not a failure if a patch is not meant for one of the kernels.

    \b
    Example:
      lppack build examples/proc-cmdline
      lppack build patches/* --kernel 6.1.0-57-amd64 --kernel 6.1.0-57-rt-amd64 -o out
    """
    if (inlining_unchecked or unproved or accepted) and not release:
        name = "--unproved" if unproved else "--accept" if accepted else "--inlining-unchecked"
        raise click.UsageError(f"{name} requires --release")
    if (sign_key is None) is not (sign_cert is None):
        raise click.UsageError("--sign-key and --sign-cert require each other")
    if service:
        from lppack.pipeline.ci import plan

        click.echo(plan(service, patches, kernels, _words(ctx)).rstrip())
        return
    if farm and sign_key:
        raise click.UsageError("--sign-key excludes --farm: the key never leaves this machine")
    pipeline.check_output(output)
    options = Options(
        output=output,
        builder=builder,
        engine=engine,
        mode=mode,
        deep=deep,
        prove=prove,
        release=release,
        unproved=unproved,
        inlining_unchecked=inlining_unchecked,
        accepted=accepted,
        sign_key=sign_key,
        sign_cert=sign_cert,
        check=check,
    )
    pairs = pairs_of(patches, kernels)
    if len(pairs) == 1 and junit is None and farm is None:
        _one(pairs[0], options, format_)
        return
    with matrix.progress(pairs, quiet=format_ == "json") as on_change:
        outcomes = build_all(
            pairs,
            options,
            jobs=jobs or os.cpu_count() or 1,
            on_change=on_change,
            farm=farm,
            sample=farm_sample,
        )
    if junit:
        write_junit(outcomes, junit)
    code = worst(outcomes)
    if format_ == "json":
        result(matrix.report(outcomes, code))
    else:
        matrix.summary(outcomes)
    if code:
        ctx.exit(code)


def _words(ctx: click.Context) -> str:
    """Return the command-line options to pass to the jobs of a CI service, unchanged."""
    here = {"kernels", "patches", "output", "service", "junit", "format_"}
    given = []
    for option in ctx.command.params:
        name, value = str(option.name), ctx.params.get(str(option.name))
        source = ctx.get_parameter_source(name)
        if (
            name in here
            or source is ParameterSource.DEFAULT
            or not isinstance(option, click.Option)
        ):
            continue
        values = value if isinstance(value, tuple) else (value,)
        for one in () if option.is_flag and not value else values:
            given += [option.opts[0]] if option.is_flag else [option.opts[0], shlex.quote(str(one))]
    return " ".join(given)


def _one(pair: Pair, options: Options, format_: str) -> None:
    """Build one pair: show the compiler's lines as they come, and let its error end the command."""
    made = pipeline.make_plan(
        pair.patch,
        kernel=pair.kernel,
        engine=options.engine,
        mode=options.mode,
        deep=note if options.deep else None,
        prove=note if options.prove or options.release else None,
        builder=options.builder,
    )
    if format_ != "json" and not options.release:
        show_warnings(made)
    words = (
        pipeline.check_release(
            made,
            unproved=options.unproved,
            inlining_unchecked=options.inlining_unchecked,
            accepted=options.accepted,
        )
        if options.release
        else ()
    )
    with build_log(f"building {made.name} for {made.kernel.release}") as on_line:
        built = pipeline.make_bundle(
            made,
            options.output,
            builder=options.builder,
            on_line=on_line,
            released=words,
            sign_key=options.sign_key,
            sign_cert=options.sign_cert,
            options=options.recorded(),
            check=options.check,
        )
    if format_ == "json":
        outcome = Outcome(
            pair=pair,
            state=PairState.CACHED if built.cached else PairState.BUILT,
            kernel=made.kernel.release,
            seconds=built.seconds,
            bundle=built.bundle,
            complete=made.complete.value,
            doubts=made.doubts,
            warnings=made.warnings,
        )
        result(matrix.report([outcome], 0))
        return
    how = "from the cache" if built.cached else f"{built.seconds:.1f} s"
    note(f"built {made.name} {made.version} for {made.kernel.release}: {how}")
    note(f"complete: {made.complete}")
    for doubt in made.doubts:
        note(f"  {doubt}")
    click.echo(str(built.path))
