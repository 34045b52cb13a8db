# SPDX-License-Identifier: MIT
"""What a command must not import: `invoke bench startup` measures what it costs."""

import subprocess
import sys
from pathlib import Path

import pytest

from lppack.stages.trust import sign
from tests.kit.bundles import made
from tests.kit.command import ROOT
from tests.kit.keys import allow, make_key

#: A tenth of a second and more for all of them.
HEAVY = {"capstone", "docker", "elftools", "jinja2", "jsonschema", "numpy", "requests", "rich"}
HEAVY |= {"tree_sitter", "unidiff"}
_ASK = """
import sys
sys.argv = ["lppack", *sys.argv[1:]]
from lppack.__main__ import main
code = main()
sys.stderr.write("\\n" + " ".join(sys.modules))
sys.exit(code)
"""


def modules_of(*words: str, cwd: Path = ROOT) -> set[str]:
    """All modules that a command has imported at its end."""
    done = subprocess.run(
        [sys.executable, "-c", _ASK, *words], capture_output=True, text=True, cwd=cwd, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize(
    "words",
    [
        "--version",
        "--help",
        "validate examples/proc-cmdline",
        "validate examples/conn-limit",
        "explain hybrid",
        "schema",
        "ids list examples/conn-limit",
        "completion bash",
    ],
)
def test_nothing_heavy_is_imported(words: str) -> None:
    assert modules_of(*words.split()) & HEAVY == set()


def test_simulate_counts_with_numpy_and_needs_no_more() -> None:
    assert modules_of("simulate", "examples/conn-limit") & HEAVY == {"numpy"}


def test_the_version_needs_no_command() -> None:
    loaded = modules_of("--version")
    assert {name for name in loaded if name.startswith("lppack.")} == {
        "lppack.__main__",
        "lppack.cli",
        "lppack.cli.log",
        "lppack.cli.lossy",
        "lppack.cli.main",
        "lppack.cli.output",
        "lppack.errors",
    }
    assert not loaded & {"json", "yaml", "subprocess"}


def test_apply_reads_no_manifest_and_logs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before a patch is live, each of them costs as much as all checks of the host."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    path, key = made(tmp_path / "in", tmp_path), make_key(tmp_path, "key")
    sign(path, path.read_bytes(), key)
    signers = str(allow(tmp_path, key))
    words = ["apply", str(path), "--engine", "simulated", "--signers", signers]
    loaded = modules_of(*words)
    assert "lppack.stages.apply" in loaded
    slow = {"yaml", "logging", "socket", "lppack.stages.validate", "lppack.model.manifest"}
    assert loaded & (slow | HEAVY) == set()
    assert "yaml" in modules_of(*words[:4]), "unsigned: all is compared"


def test_validate_needs_the_rules_of_the_folder_alone() -> None:
    loaded = modules_of("validate", "examples/proc-cmdline")
    assert "lppack.rules.folder" in loaded
    assert not loaded & {
        "lppack.model",
        "lppack.kernel.facts",
        "lppack.proc",
    }
    assert not loaded & {"subprocess", "tempfile", "hashlib", "difflib"}


def test_what_does_not_fit_is_explained_by_jsonschema(tmp_path: Path) -> None:
    (tmp_path / "manifest.yaml").write_text("lppack: 1\n")
    done = subprocess.run(
        [sys.executable, "-c", _ASK, "validate", str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 3
    assert 'the manifest has no "name"' in done.stdout
    assert "jsonschema" in done.stderr.splitlines()[-1].split()
