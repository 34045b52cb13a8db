# SPDX-License-Identifier: MIT
"""lppack's own package: who answers for it, and its man pages. tests/guest/test_wheel.py installs
it."""

import subprocess
import sys
from pathlib import Path

import pytest

from lppack.errors import EnvironmentMissing
from lppack.resources import render
from tests.kit.command import ROOT
from tools import host_package
from tools.host_package import HostPackage, maintainer_of


@pytest.mark.parametrize("given", [None, "Jo Doe", "Jo Doe <jo>", "Jo\n <a@b>"])
def test_it_needs_who_answers_for_it(given: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEBEMAIL", raising=False)
    with pytest.raises(EnvironmentMissing, match="not a name and a mail") as caught:
        maintainer_of(given)
    assert "--maintainer" in str(caught.value.hint)


def test_it_asks_where_debians_own_tools_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEBFULLNAME", "Jo Doe")
    monkeypatch.setenv("DEBEMAIL", "jo@example.org")
    assert maintainer_of(None) == "Jo Doe <jo@example.org>"
    assert maintainer_of("An <an@example.org>") == "An <an@example.org>"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "7")
    assert host_package.date_of() == 7


def test_its_scripts_are_shell_and_its_depends_are_ours() -> None:
    package = HostPackage(maintainer="Jo Doe <jo@example.org>", date=0)
    for script in ("postinst", "prerm", "postrm"):
        text = render(f"host/{script}.j2", host=package)
        subprocess.run(["sh", "-n"], input=text, text=True, check=True)
    control = render("host/control.j2", host=package, size_kb=1)
    project = (ROOT / "pyproject.toml").read_text()
    for theirs, ours in (("click", "click"), ("pyelftools", "pyelftools"), ("pyyaml", "yaml")):
        [version] = [
            line.split(">=")[1].strip('",')
            for line in project.splitlines()
            if line.startswith(f'    "{theirs}>=') and "types" not in line
        ]
        assert f"python3-{ours} (>= {version})" in control


def test_examples_in_a_man_page_stand_as_they_were_written(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "tools.man", str(tmp_path)]  # it changes the table of commands
    subprocess.run(argv, check=True, cwd=ROOT, capture_output=True)
    text = (tmp_path / "lppack-apply.1").read_text()
    assert ".nf\nExample:\n  lppack apply proc\\-cmdline\\-1_*.lpp" in text
    assert all("\x08" not in page.read_text() for page in tmp_path.iterdir())
