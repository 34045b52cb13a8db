# SPDX-License-Identifier: MIT
"""lppack's own package: who answers for it, and its man pages. tests/guest/test_wheel.py installs
it."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from lppack.errors import BuildFailed, EnvironmentMissing
from lppack.resources import render
from tests.kit.command import ROOT
from tests.kit.packages import MAINTAINER
from tools import host_package
from tools.host_package import HostPackage, maintainer_of


@pytest.mark.parametrize("given", [None, "", "Jo Doe", "Jo Doe <jo>", "Jo\n <a@b>"])
@pytest.mark.parametrize("name", [None, "Jo Doe"])
def test_it_needs_who_answers_for_it(
    given: str | None, name: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DEBEMAIL", raising=False)
    monkeypatch.delenv("DEBFULLNAME", raising=False)
    if name:
        monkeypatch.setenv("DEBFULLNAME", name)
    why = "not a name and a mail" if given is not None else "needs who answers for it"
    with pytest.raises(EnvironmentMissing, match=why) as caught:
        maintainer_of(given)
    assert "None" not in caught.value.message
    assert "--maintainer" in str(caught.value.hint)


def test_it_asks_where_debians_own_tools_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEBFULLNAME", "Jo Doe")
    monkeypatch.setenv("DEBEMAIL", "jo@example.org")
    assert maintainer_of(None) == "Jo Doe <jo@example.org>"
    assert maintainer_of("An <an@example.org>") == "An <an@example.org>"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "7")
    assert host_package.date_of() == 7


@pytest.mark.parametrize("given", ["x", "", "-1", "1e9", "1.5", "99999999999", "nan"])
def test_a_date_that_is_none_is_refused(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", given)
    with pytest.raises(EnvironmentMissing, match="not a number of seconds") as caught:
        host_package.date_of()
    assert "unset it" in str(caught.value.hint)


@pytest.mark.parametrize("git", [True, False])
def test_where_there_is_no_clone_the_date_is_asked_for(
    git: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    monkeypatch.setattr(host_package, "ROOT", tmp_path)
    if not git:
        monkeypatch.setenv("PATH", str(tmp_path))
    why = "not a git repository" if git else "'git' was not found"
    with pytest.raises(EnvironmentMissing, match=why) as caught:
        host_package.date_of()
    assert "set SOURCE_DATE_EPOCH" in str(caught.value.hint)


def test_a_wheel_that_cannot_be_built_is_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is no pyproject.toml."""
    monkeypatch.setattr(host_package, "ROOT", tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "7")
    monkeypatch.setattr("sys.argv", ["host_package", "deb", "--maintainer", MAINTAINER])
    assert host_package.main() == BuildFailed.exit_code
    said = capsys.readouterr().err
    assert " -m build --wheel" in said and "exit code 1" in said
    assert "hint: the wheel needs build" in said


_SYSTEMCTL = """#!/bin/sh
echo "$*" >> "${0%/*}/asked"
exit 1
"""


class Removed:
    """The scripts of a removal, on a file tree whose systemctl always fails."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs = folder / "programs"
        self.programs.mkdir()
        for name, text in (("systemctl", _SYSTEMCTL), ("py3clean", "#!/bin/sh\n")):
            (self.programs / name).write_text(text)
            (self.programs / name).chmod(0o755)
        (folder / "run/systemd/system").mkdir(parents=True)
        self.metrics = folder / "var/lib/prometheus/node-exporter"
        self.metrics.mkdir(parents=True)
        for name in ("lppack.prom", "lppack-agent.prom"):
            (self.metrics / name).write_text("")

    def enable(self, target: str, unit: str) -> None:
        wants = self.folder / f"etc/systemd/system/{target}.wants"
        wants.mkdir(parents=True, exist_ok=True)
        (wants / unit).symlink_to(f"/usr/lib/systemd/system/{unit}")

    def run(self, script: str, word: str) -> list[str]:
        """Return what systemctl was asked."""
        asked = self.programs / "asked"
        asked.write_text("")
        script = re.sub("/(etc|run|var|usr/share)/", rf"{self.folder}\g<0>", script)
        env = {"PATH": f"{self.programs}:{os.environ['PATH']}"}
        subprocess.run(["sh", "-s", word], input=script, text=True, check=True, env=env)
        return asked.read_text().splitlines()


def _scripts(format_: str) -> tuple[str, str, str]:
    """Return those before and after a removal, and the word that both are given."""
    host = HostPackage(maintainer=MAINTAINER, date=0)
    if format_ == "deb":
        before, after = (render(f"host/{name}.j2", host=host) for name in ("prerm", "postrm"))
        return before, after, "remove"
    spec = render("host/spec.j2", host=host, tree="/tree", files=[])
    before, _, after = spec.partition("%preun\n")[2].partition("%postun\n")
    return before, after, "0"


@pytest.mark.parametrize("format_", ["deb", "rpm"])
def test_a_removal_takes_its_units_and_metrics_and_nothing_stops_it(
    format_: str, tmp_path: Path
) -> None:
    removed = Removed(tmp_path)
    for unit in ("lppack-agent.timer", "lppack-metrics.timer", "lppack-alerts.timer"):
        removed.enable("timers.target", unit)
    removed.enable("multi-user.target", "lppack-adopt@kpatch-fix.service")
    before, after, word = _scripts(format_)
    assert removed.run(before, word) == [
        "stop lppack-agent.timer lppack-metrics.timer lppack-metrics.service",
        "disable --quiet lppack-agent.timer",
        "disable --quiet lppack-metrics.timer",
        "disable --quiet lppack-adopt@kpatch-fix.service",
    ]
    assert removed.run(after, word) == ["daemon-reload"]
    assert [file.name for file in removed.metrics.iterdir()] == ["lppack-agent.prom"]


@pytest.mark.parametrize(("format_", "word"), [("deb", "upgrade"), ("rpm", "1")])
def test_an_upgrade_leaves_both(format_: str, word: str, tmp_path: Path) -> None:
    removed = Removed(tmp_path)
    removed.enable("timers.target", "lppack-agent.timer")
    before, after, _ = _scripts(format_)
    assert removed.run(before, word) + removed.run(after, word) == []
    assert len(list(removed.metrics.iterdir())) == 2


def test_the_metrics_that_are_removed_are_those_of_the_unit() -> None:
    unit = (ROOT / "fleet/systemd/lppack-metrics.service").read_text()
    assert f" -o {HostPackage(maintainer=MAINTAINER, date=0).metrics}\n" in unit


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


def test_it_has_all_that_systemd_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_package, "_made", lambda *_: None)  # the pages
    with zipfile.ZipFile(tmp_path / "x.whl", "w"):
        (tmp_path / "man").mkdir()
    package = HostPackage(maintainer=MAINTAINER, date=0)
    contents = dict(host_package._contents(package, tmp_path / "x.whl", tmp_path / "man"))
    for name, folder in (("systemd", "systemd/system"), ("tmpfiles", "tmpfiles.d")):
        files = list((ROOT / "fleet" / name).iterdir())
        assert files
        for file in files:
            assert contents[f"usr/lib/{folder}/{file.name}"] == (0o644, file.read_bytes())
