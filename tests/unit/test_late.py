# SPDX-License-Identifier: MIT
"""Names of a package that are imported when they are first used."""

import subprocess
import sys

import pytest

from lppack import model
from lppack.late import late


def test_a_name_has_its_home() -> None:
    find = late("lppack.model", {"fix": "Fix Effective", "plan": "Plan"})
    assert find("Fix").__module__ == "lppack.model.fix"
    assert find("Plan").__module__ == "lppack.model.plan"
    with pytest.raises(AttributeError, match="'lppack.model' has no attribute 'Nothing'"):
        find("Nothing")


def test_each_name_of_the_model_is_in_its_home() -> None:
    for home, names in model._NAMES.items():
        for name in names.split():
            assert getattr(model, name).__module__ in (f"lppack.model.{home}", "builtins"), name


def test_no_other_home_is_imported() -> None:
    script = (
        "import sys\nfrom lppack.model import Bundle\nfrom lppack import model\n"
        "assert vars(model)['Bundle'] is Bundle\n"
        "print(*sorted(n for n in sys.modules if n.startswith('lppack.model.')))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.split() == [f"lppack.model.{n}" for n in ("bundle", "checks", "fix")]
