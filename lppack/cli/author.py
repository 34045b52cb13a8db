# SPDX-License-Identifier: MIT
"""Verbs of those who write patches: plan, generate, build, inspect."""

from pathlib import Path
from typing import Any

import click

from lppack import pipeline
from lppack.cli.options import (
    BUILDER,
    CHECKED_KERNEL,
    DEEP,
    ENGINE,
    FORCE,
    KERNEL,
    MODE,
    PATCH,
    PATCHES,
    WHICH,
)
from lppack.cli.output import FORMAT, build_log, note, problem_json, result, table, warn
from lppack.errors import AnswerIsNo
from lppack.model import Plan
from lppack.stages.sign import Signer


def show_warnings(made: Plan) -> None:
    """Print what validate would warn about, for those who did not run it."""
    for warning in made.warnings:
        warn(str(warning))


@click.command()
@PATCH
@KERNEL
@ENGINE
@MODE
@DEEP
@FORMAT
def plan(
    patch: Path, kernel: str | None, engine: str, mode: str | None, deep: bool, format_: str
) -> None:
    """Print every decision for a patch and a kernel, each with its reason.

    \b
    Example:
      lppack plan examples/conn-limit
    """
    made = pipeline.make_plan(
        patch, kernel=kernel, engine=engine, mode=mode, deep=note if deep else None
    )
    if format_ == "json":
        result(plan_json(made))
        return
    show_warnings(made)
    table([(item.what, item.value, item.why) for item in made.decisions])


def plan_json(made: Plan) -> dict[str, Any]:
    needs, mode = made.manifest.needs, made.mode
    return {
        "ok": True,
        "name": made.name,
        "version": made.version,
        "module": made.module,
        "kernel": made.kernel.release,
        "mode": mode.name.value,
        "method": mode.method,
        "engine": made.engine.value,
        "needs": {
            "leave": needs.leave.name,
            "switch": needs.switch.name,
            "transform": needs.transform.name,
        },
        "provides": {
            "user": f"{mode.leave.name} {mode.switch.name}",
            "kthread": f"{mode.kthread.name} {mode.switch.name}",
        },
        "irreversible": bool(made.manifest.irreversible),
        "decisions": [
            {"what": item.what, "value": item.value, "why": item.why} for item in made.decisions
        ],
        "warnings": [problem_json(warning) for warning in made.warnings],
    }


@click.command()
@PATCH
@KERNEL
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the sources; created if it is missing.",
)
@FORCE
def generate(patch: Path, kernel: str | None, output: Path, force: bool) -> None:
    """Write the sources that kbuild will see.

    In the folder, only files that lppack wrote and nobody has changed are overwritten.

    \b
    Example:
      lppack generate examples/proc-cmdline -o sources
    """
    tree = pipeline.make_tree(pipeline.make_plan(patch, kernel=kernel))
    pipeline.write_tree(tree, output, force=force)
    for name in sorted([name for name, _ in tree.files] + [name for name, _ in tree.copies]):
        click.echo(str(output / name))


@click.command()
@PATCHES
@click.option(
    "--kernel", "kernels", metavar="REL", multiple=True, help=f"{WHICH}. May be given again."
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
    help="Compare object code: does the patch carry all of the change that it follows? The bundle "
    "records the answer.",
)
@click.option(
    "--release",
    is_flag=True,
    help="Refuse a patch that is not proved to be complete, or that a rule warns about. Implies "
    "--prove.",
)
@click.option(
    "--unproved",
    is_flag=True,
    help="With --release: build although it is not proved to be complete; the bundle records it.",
)
@click.option(
    "--inlining-unchecked",
    is_flag=True,
    help="With --release: build although inlining was not checked; the bundle records it.",
)
@click.option(
    "--accept",
    "accepted",
    metavar="RULE",
    multiple=True,
    help="With --release: build although this rule warns; the bundle records it. May be given "
    "again.",
)
@click.option(
    "--sign-key",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Sign with this private key (PEM); its passphrase is read from KBUILD_SIGN_PIN. The key "
    "does not go into the container.",
)
@click.option(
    "--sign-cert",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The certificate of the key, which the kernels trust.",
)
@FORMAT
def build(
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
    format_: str,
) -> None:
    """Build one bundle for each patch and each kernel.

    \b
    Example:
      lppack build examples/proc-cmdline
    """
    if (inlining_unchecked or unproved or accepted) and not release:
        name = "--unproved" if unproved else "--accept" if accepted else "--inlining-unchecked"
        raise click.UsageError(f"{name} goes with --release")
    if (sign_key is None) is not (sign_cert is None):
        raise click.UsageError("--sign-key and --sign-cert go together")
    pipeline.check_output(output)
    signer = Signer(key=sign_key, certificate=sign_cert) if sign_key and sign_cert else None
    plans = [
        pipeline.make_plan(
            patch,
            kernel=kernel,
            engine=engine,
            mode=mode,
            deep=note if deep else None,
            prove=note if prove or release else None,
            builder=builder,
        )
        for patch in patches
        for kernel in (kernels or (None,))
    ]
    if format_ != "json":
        for made in () if release else plans:
            show_warnings(made)
    released = [
        pipeline.check_release(
            made,
            unproved=unproved,
            inlining_unchecked=inlining_unchecked,
            accepted=accepted,
        )
        if release
        else ()
        for made in plans
    ]
    bundles = []
    for made, words in zip(plans, released, strict=True):
        with build_log(f"building {made.name} for {made.kernel.release}") as on_line:
            built = pipeline.make_bundle(
                made, output, builder=builder, on_line=on_line, released=words, signer=signer
            )
        bundles.append(built)
        if format_ != "json":
            how = "from the cache" if built.cached else f"{built.seconds:.1f} s"
            note(f"built {made.name} {made.version} for {made.kernel.release}: {how}")
            note(f"complete: {made.complete}")
            for doubt in made.doubts:
                note(f"  {doubt}")
            click.echo(str(built.path))
    if format_ == "json":
        result(
            {
                "ok": True,
                "bundles": [
                    {
                        "path": str(built.path),
                        "patch": built.bundle.series,
                        "version": built.bundle.version,
                        "kernel": built.bundle.release,
                        "module_sha256": built.bundle.module_sha256,
                        "complete": made.complete.value,
                        "not_proved": list(made.doubts),
                        "warnings": [problem_json(warning) for warning in made.warnings],
                        "cached": built.cached,
                        "seconds": round(built.seconds, 2),
                    }
                    for made, built in zip(plans, bundles, strict=True)
                ],
            }
        )


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@CHECKED_KERNEL
@FORMAT
def inspect(file: Path, kernel: str | None, format_: str) -> None:
    """Show what is in a bundle or a module, and what is wrong with it (exit code 9).

    It reads any module, also one that another tool built. With --kernel, the module is compared
    with what that kernel exports, and with where its livepatch symbols are.

    \b
    Example:
      lppack inspect proc-cmdline-1_*.lpp
      lppack inspect livepatch-fix.ko --kernel 6.1.0-56-amd64
    """
    found = pipeline.inspect_file(file, kernel)
    report = {
        "ok": not found.faults,
        "path": str(file),
        "facts": dict(found.facts),
        "files": [{"name": name, "size": size} for name, size in found.files],
        "faults": list(found.faults),
    }
    if format_ == "json" and not found.faults:
        result(report)
    elif format_ != "json":
        table([*found.facts, *((name, f"{size} bytes") for name, size in found.files)])
    if found.faults:
        raise AnswerIsNo("\n".join(f"{file}: {fault}" for fault in found.faults), report=report)
