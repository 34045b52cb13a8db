# SPDX-License-Identifier: MIT
"""Run the command line in this process: as tests.kit.command does, in a fraction of the time."""

import sys
from pathlib import Path
from unittest import mock

from click.testing import CliRunner

from lppack.cli.main import _run
from tests.kit.command import Ran


def cli(*words: str | Path, stdin: str = "") -> Ran:
    """Return what it printed, and its exit code."""
    argv = ["lppack", *map(str, words)]
    with CliRunner().isolation(input=stdin) as streams, mock.patch.object(sys, "argv", argv):
        rc = _run()
        sys.stdout.flush()
        sys.stderr.flush()
        out, err = (stream.getvalue().decode() for stream in streams[:2])
    return Ran(rc=rc, out=out, err=err)
