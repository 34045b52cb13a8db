# SPDX-License-Identifier: MIT
"""``python -m lppack`` is the ``lppack`` command."""

import sys


def main() -> int:
    """Runs the command line; Ctrl-C before it is there is no traceback either."""
    try:
        from lppack.cli.main import main as run

        return run()
    except KeyboardInterrupt:
        sys.stderr.write("lppack: interrupted: no target was touched\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
