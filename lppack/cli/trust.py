# SPDX-License-Identifier: MIT
"""sign and verify: the signatures of a bundle."""

from pathlib import Path

import click

from lppack import pipeline
from lppack.cli.options import SIGNERS
from lppack.cli.output import FORMAT, result
from lppack.errors import AnswerIsNo

_BUNDLES = click.argument("bundles", nargs=-1, required=True, type=click.Path(path_type=Path))


@click.command()
@_BUNDLES
@click.option(
    "--key",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Private SSH key; or the public key, if an SSH agent has the private one.",
)
@click.option("--force", is_flag=True, help="Replace a signature that was made with another key.")
@FORMAT
def sign(bundles: tuple[Path, ...], key: Path, force: bool, format_: str) -> None:
    """Sign bundles with an SSH key: write BUNDLE.sig beside each bundle.

    The signature covers every byte. To sign the kernel module itself, use build --sign-key. Can
    also check and sign an index.yaml, which agents read.

    \b
    Example:
      lppack sign proc-cmdline-1_*.lpp --key key
    """
    made = [(bundle, pipeline.sign_bundle(bundle, key, force=force)) for bundle in bundles]
    if format_ == "json":
        rows = [{"bundle": str(bundle), "signature": str(file)} for bundle, file in made]
        result({"ok": True, "bundles": rows})
        return
    for _, file in made:
        click.echo(file)


@click.command()
@_BUNDLES
@SIGNERS
@FORMAT
def verify(bundles: tuple[Path, ...], signers: Path | None, format_: str) -> None:
    """Print the signer of each bundle; exit code 9 unless every signer is allowed.

    \b
    Example:
      lppack verify proc-cmdline-1_*.lpp --signers allowed_signers
    """
    rows: list[dict[str, str | None]] = []
    worst: AnswerIsNo | None = None
    for bundle in bundles:
        try:
            signer = pipeline.verify_bundle(bundle, signers)
            rows.append({"bundle": str(bundle), "signer": signer})
        except AnswerIsNo as error:
            rows.append({"bundle": str(bundle), "signer": None, "reason": error.reason})
            worst = worst or error
        if format_ == "text" and rows[-1]["signer"]:
            click.echo(f"{bundle}: signed by {signer}")
        elif format_ == "text" and len(bundles) > 1:
            click.echo(f"{bundle}: {rows[-1]['reason']}")
    if worst is not None:
        worst.report = {"bundles": rows}
        raise worst
    if format_ == "json":
        result({"ok": True, "bundles": rows})
