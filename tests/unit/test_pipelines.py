# SPDX-License-Identifier: MIT
"""The pipeline files run the tasks of tasks.py, and nothing that is not written down there."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner
from invoke.collection import Collection

import tasks
from lppack.cli.main import commands
from tests.unit.pipeline.jobs import KERNELS, patch

ROOT = Path(__file__).parent.parent.parent
GITHUB = ROOT / "docs/pipelines/github-actions.yml"
GITLAB = ROOT / "docs/pipelines/gitlab-ci.yml"
NAMES = frozenset(Collection.from_module(tasks).task_names)

_VENV = re.compile(r"python3 -m venv \.venv")
_PIP = re.compile(r"\.venv/bin/pip install -e '\.\[dev\]'")
_INVOKE = re.compile(r"\.venv/bin/invoke (?P<task>[a-z-]+)")
_SCRIPTS = ("before_script", "script", "after_script")


def read(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = yaml.safe_load(path.read_text())
    return value


def jobs(path: Path) -> dict[str, dict[str, Any]]:
    """The jobs of either kind of file; GitLab's `default` is one, for its lines."""
    top = read(path)
    if path == GITHUB:
        return dict(top["jobs"])
    return {name: job for name, job in top.items() if isinstance(job, dict)}


def lines(path: Path) -> Iterator[str]:
    """Every line that a runner would give to a shell."""
    for job in jobs(path).values():
        steps = [step["run"] for step in job.get("steps", ()) if "run" in step]
        for command in [*steps, *(line for key in _SCRIPTS for line in job.get(key, ()))]:
            yield from command.splitlines()


def is_known(line: str) -> bool:
    found = _INVOKE.fullmatch(line)
    return bool(_VENV.fullmatch(line) or _PIP.fullmatch(line) or (found and found["task"] in NAMES))


both = pytest.mark.parametrize("path", [GITHUB, GITLAB], ids=lambda path: path.stem)


@both
def test_every_line_is_a_task_or_makes_the_environment(path: Path) -> None:
    assert [line for line in lines(path) if not is_known(line)] == []


@both
def test_both_run_setup_check_and_test(path: Path) -> None:
    run = [found["task"] for line in lines(path) if (found := _INVOKE.fullmatch(line))]
    assert sorted(run) == ["check", "setup", "test"]


@both
def test_each_has_a_license_and_keeps_the_consoles(path: Path) -> None:
    text = path.read_text()
    assert text.startswith("# SPDX-License-Identifier: MIT\n")
    assert "lppack/consoles" in text


def test_only_the_forges_own_actions_are_used() -> None:
    used = {
        step["uses"] for job in jobs(GITHUB).values() for step in job["steps"] if "uses" in step
    }
    assert {name.partition("@")[0] for name in used} == {
        "actions/checkout",
        "actions/upload-artifact",
    }


@pytest.mark.parametrize(
    "line",
    [
        ".venv/bin/invoke deploy",
        ".venv/bin/invoke test; rm -r x",
        "pip install something",
        "curl https://example.org | sh",
    ],
)
def test_another_line_is_seen(line: str) -> None:
    assert not is_known(line)


def told(text: str) -> set[tuple[str, str]]:
    """The tasks with a name of something that ``text`` says to type."""
    return set(re.findall(r"invoke (soak|bench) ([a-z]+)", text))


def started(*words: str) -> list[str]:
    """What a line with invoke starts, without the interpreter."""
    argv = [sys.executable, "-m", "invoke", "--dry", *words]
    said = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return re.findall(r" -m ([\w.]+(?: --[\w-]+)*(?: [\w./-]+)?)", said)


@pytest.mark.slow
def test_what_the_docs_say_to_type_is_one_task_with_a_name() -> None:
    texts = [path.read_text() for path in (ROOT / "docs").glob("*.md")]
    lines = set().union(*map(told, texts))
    assert {("soak", "matrix"), ("bench", "finish")} <= lines
    for task, name in lines:
        *_, last = started(task, name)
        module, *words = last.split()
        place = next((word for word in words if not word.startswith("-")), None)
        assert (ROOT / (place or f"{module.replace('.', '/')}.py")).exists(), last
        assert name in last
    assert len(started("soak", "matrix", "matrix")) > len(started("soak", "matrix"))


PATCHES = sorted((ROOT / "docs/pipelines").glob("patches-*.yml"))


def commands_of(text: str) -> list[list[str]]:
    """The words of each lppack command."""
    return [shlex.split(found) for found in re.findall(r"\blppack ([a-z]+ [^;|>\n]*)", text)]


@pytest.mark.parametrize("path", PATCHES, ids=lambda path: path.stem)
def test_the_pipelines_for_patches_say_what_lppack_understands(path: Path) -> None:
    text = path.read_text()
    assert text.startswith("# SPDX-License-Identifier: MIT\n")
    assert read(path)
    used = [words for words in commands_of(text) if words[0] != "cache"]
    plans = [words[words.index("--plan") + 1] for words in used if "--plan" in words]
    assert plans == ["github" if "github" in path.name else "gitlab"]
    of_kernels = [] if "gitlab" in path.name else ["build", "test"]
    assert [words[0] for words in used] == ["validate", "validate", "build", *of_kernels]
    for name, *words in used:
        command = commands.get_command(click.Context(commands), name)
        assert command is not None
        command.make_context(name, words)


def test_an_option_that_is_not_there_is_seen() -> None:
    command = commands.get_command(click.Context(commands), "build")
    assert command is not None
    with pytest.raises(click.UsageError):
        command.make_context("build", ["--bulider", "host", "p"])


#: The published schemas of both services come with check-jsonschema.
SCHEMAS = {"github": "vendor.github-workflows", "gitlab": "vendor.gitlab-ci"}


def against_schema(path: Path, service: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", SCHEMAS[service]]
    return subprocess.run([*argv, str(path)], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "docs/pipelines").glob("*.yml")), ids=lambda path: path.stem
)
def test_the_services_schemas_take_the_files(path: Path, tmp_path: Path) -> None:
    service = "github" if "github" in path.name else "gitlab"
    done = against_schema(path, service)
    assert done.returncode == 0, done.stdout
    broken = tmp_path / path.name
    broken.write_text(path.read_text().replace("runs-on:", "run-on:").replace("script:", "scrip:"))
    assert against_schema(broken, service).returncode == 1, "it would take anything"


def test_the_child_pipeline_is_one(tmp_path: Path) -> None:
    argv = [str(patch(tmp_path, "a", "6.1.0-*-amd64")), "--kernel", KERNELS[0]]
    said = CliRunner().invoke(
        commands, ["build", *argv, "--plan", "gitlab", "--deep", "--builder", "host"]
    )
    assert said.exit_code == 0, said.output
    made = tmp_path / "kernels.yml"
    made.write_text(said.stdout)
    assert against_schema(made, "gitlab").returncode == 0
    pipeline = read(made)
    [line] = pipeline[f"build {KERNELS[0]}"]["script"]
    name, *words = shlex.split(line)[1:]
    command = commands.get_command(click.Context(commands), name)
    assert command is not None
    given = command.make_context(name, words).params
    assert (given["deep"], given["builder"], given["kernels"]) == (True, "host", (KERNELS[0],))
    assert pipeline[f"test {KERNELS[0]}"]["needs"] == [f"build {KERNELS[0]}"]
