# SPDX-License-Identifier: MIT
"""``python -m lppack`` is the ``lppack`` command."""

import gc
import sys


def main() -> int:
    """Run the CLI. Ctrl-C while modules are still being imported also exits without a traceback."""
    # Imports create nothing but what stays: to search it for garbage costs a fifth of the start.
    gc.set_threshold(50_000)
    try:
        from lppack.cli.main import main as run

        return run()
    except KeyboardInterrupt:
        sys.stderr.write("lppack: interrupted: no target was touched\n")
        return 130
    finally:
        gc.freeze()  # nor is it searched at exit


if __name__ == "__main__":
    sys.exit(main())
