# SPDX-License-Identifier: MIT
"""Kill lppack at each step of apply, convert and revert; print what is left, and the recovery."""

import argparse
import tempfile
from pathlib import Path

from tests.kit.fault_points import COMMANDS, ENGINES, Operator, built, check, started


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--after", action="store_true", help="kill after each step, too")
    asked = parser.parse_args()
    print("engine       command  killed                     status          next: ... at rest")
    with tempfile.TemporaryDirectory() as folder, started():
        for engine in ENGINES:
            operator = Operator(built(engine, Path(folder)), engine)
            for command in COMMANDS:
                for row in operator.walk(command, after=asked.after):
                    print(row, flush=True)
                    check(row)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
