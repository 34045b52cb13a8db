# SPDX-License-Identifier: MIT
"""Run each engine in each of its modes under each load, and print the matrix of results."""

import argparse
import sys
from dataclasses import replace

from lppack.debian.kernels import resolve
from lppack.debian.supported import releases_of
from lppack.errors import LppackError
from tests.loads.driver import LOADS
from tests.loads.matrix import DEBUG, MODES_BY_NAME, PLAIN, loads_of, run
from tests.loads.verdict import by_mode, table
from tools import debug_kernel


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kernel", help="as for lppack; default: the newest 6.1 of Debian 12")
    parser.add_argument("--flips", type=int, default=4, help="flips for each cell; default: 4")
    parser.add_argument("--load", action="append", choices=list(LOADS), help="default: all")
    parser.add_argument("--mode", action="append", choices=list(MODES_BY_NAME), help="default: all")
    parser.add_argument("--boot", default="", help="kernel parameters for the guest")
    parser.add_argument("--debug", action="store_true", help="on the debug kernel")
    asked = parser.parse_args()
    try:
        wanted = str(debug_kernel.ensure()) if asked.debug else asked.kernel
        kernel = resolve(wanted, (releases_of(),))
        setup = DEBUG if asked.debug else PLAIN
        rows, found = run(
            kernel,
            flips=asked.flips,
            loads=asked.load or loads_of(kernel),
            modes=asked.mode or list(MODES_BY_NAME),
            setup=replace(setup, words=(*setup.words, *asked.boot.split())),
            say=lambda line: print(line, file=sys.stderr, flush=True),
        )
    except LppackError as error:
        parser.exit(error.exit_code, f"{error.message}\n{error.hint or ''}\n")
    print(table(rows))
    print(by_mode(rows), end="")
    for fault in found:
        print(f"fault: {fault}")
    return 9 if found else 0


if __name__ == "__main__":
    sys.exit(main())
