# SPDX-License-Identifier: MIT
"""``python -m lppack`` is the ``lppack`` command."""

import gc
import sys


def main() -> int:
    """Run the CLI. Ctrl-C while modules are still being imported also exits without a traceback."""
    # Imports create only objects that stay: a search for garbage costs a fifth of the start-up
    # time.
    gc.set_threshold(50_000)
    try:
        from lppack.cli.main import main as run

        return run()
    except KeyboardInterrupt:
        sys.stderr.write("lppack: interrupted: no target was touched\n")
        return 130
    finally:
        gc.freeze()  # do not search these objects at exit either


if __name__ == "__main__":
    sys.exit(main())
