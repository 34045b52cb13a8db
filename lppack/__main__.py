# SPDX-License-Identifier: MIT
"""``python -m lppack`` is the ``lppack`` command."""

import sys

from lppack.cli.main import main

sys.exit(main())
