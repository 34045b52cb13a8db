# SPDX-License-Identifier: MIT
"""What holds for every file."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
#: Text that has no place for a comment, or is the licence itself.
BARE = {"LICENSES/MIT.txt", "LICENSES/GPL-2.0-only.txt"}


def files() -> list[str]:
    words = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(words, capture_output=True, text=True, check=True, timeout=30).stdout
    return [name for name in listed.splitlines() if (ROOT / name).is_file()]


def test_every_file_has_a_licence() -> None:
    def bare(name: str) -> bool:
        text = (ROOT / name).read_bytes()[:600]
        return b"SPDX-License-Identifier: " not in text

    # The broken manifests and what is expected of them are data of a test.
    kept = (name for name in files() if not name.startswith(("tests/broken/", "tests/cases/")))
    assert [name for name in kept if bare(name) and name not in BARE] == []


@pytest.mark.parametrize("folder", ["templates/module", "kmod", "examples"])
def test_what_the_kernel_links_is_gpl(folder: str) -> None:
    sources = [ROOT / name for name in files() if name.startswith(f"{folder}/")]
    code = [path for path in sources if path.suffix in (".c", ".h", ".j2")]
    assert [path for path in code if "GPL-2.0-only" not in path.read_text()[:200]] == []


def test_each_example_is_whole() -> None:
    folders = {folder for folder in (ROOT / "examples").iterdir() if folder.name != "fixes"}
    folders |= set((ROOT / "examples/fixes").iterdir())
    for folder in folders:
        assert (folder / "manifest.yaml").is_file(), folder
        words = f"lppack test {folder.relative_to(ROOT)}"
        assert words in (folder / "README.md").read_text()


def test_links_between_pages_lead_somewhere() -> None:
    lost = [
        f"{name}: {to}"
        for name in files()
        if name.endswith(".md")
        for to in re.findall(r"\]\(([^)\s]+)\)", (ROOT / name).read_text())
        if not re.match(r"[a-z]+:|#", to)
        and not (ROOT / name).parent.joinpath(to.partition("#")[0]).exists()
    ]
    assert lost == []


#: The words of docs/style.md that a program can find.
NOT_USED = re.compile(
    r"held against|turn(?:ed)? round|strangers?\b|foresee|whoever|\bprodd(?:ed)?\b(?!`)",
    re.IGNORECASE,
)
#: Generated of names of tests, or the list of the words itself.
SPARED = {"docs/style.md", "docs/claims.md", "docs/module-functions.md"}


def messages(path: Path) -> Iterator[str]:
    """Every string of a module that is no docstring."""
    tree = ast.parse(path.read_text())
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docs = {
        id(n.body[0].value)
        for n in ast.walk(tree)
        if isinstance(n, documented) and n.body and isinstance(n.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value


def test_texts_for_users_keep_to_the_word_list() -> None:
    pages = [n for n in files() if n.endswith(".md") and n not in SPARED]
    found = [
        f"{name}: {m[0]}"
        for name in pages
        for m in NOT_USED.finditer(re.sub(r"\btest_\w+", "", (ROOT / name).read_text()))
    ]
    for name in files():
        if re.match(r"lppack/.*\.py$", name):
            found += [f"{name}: {text}" for text in messages(ROOT / name) if NOT_USED.search(text)]
    assert found == []


def test_a_word_that_is_not_used_is_found() -> None:
    assert NOT_USED.search("What a stranger's patch is held against")
    assert not NOT_USED.search("`prodded` is a name; a foreign patch is checked against it")


#: Negative controls run the very tests that watch a guard.
RUNS_TESTS = {"tests/guest/controls.py", "tests/guest/test_controls.py"}


def imports_of_tests(source: str) -> Iterator[str]:
    """What a module imports of tests that it may not: a test, or all names of a module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            module, names = node.module or "", [alias.name for alias in node.names]
            if "*" in names or any(part.startswith("test_") for part in module.split(".")):
                yield module
            if module.startswith("tests"):
                yield from (f"{module}.{name}" for name in names if name.startswith("test_"))
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if ".test_" in alias.name)


def test_what_tests_share_is_in_no_test() -> None:
    python = [n for n in files() if re.match(r"(tests|tools|benchmarks)/.*\.py$", n)]
    found = [
        f"{name}: {module}"
        for name in python
        if name not in RUNS_TESTS
        for module in imports_of_tests((ROOT / name).read_text())
    ]
    assert found == [], "move it to tests/kit"


@pytest.mark.parametrize(
    "line",
    [
        "from tests.guest.test_crowd import *",
        "from tests.kit.samples import *",
        "from tests.guest import test_crowd",
        "import tests.guest.test_crowd as crowd",
        "from tests.guest.test_crowd import made",
    ],
)
def test_an_import_of_a_test_is_seen(line: str) -> None:
    assert list(imports_of_tests(line))
    assert not list(
        imports_of_tests("from tests.kit.samples import plan\nfrom lppack import names")
    )


def names_of_tests(module: str) -> set[str]:
    """What a test of a module is called; rules of a topic have their cases, which one test runs."""
    *_, room, name = module.removesuffix(".py").split("/")
    cases = {f"{name}_cases.py"} if room == "rules" else set()
    return {f"test_{name}.py", f"test_{room}_{name}.py"} | cases


def untested(modules: list[str], tests: list[str]) -> list[str]:
    names = {name.rpartition("/")[2] for name in tests}
    return [module for module in modules if not names & names_of_tests(module)]


def test_each_module_has_a_test_of_its_name() -> None:
    every = files()
    modules = [n for n in every if re.match(r"lppack/.*(?<!__)\.py$", n)]
    assert untested(modules, [n for n in every if n.startswith("tests/")]) == [], (
        "write tests/unit/ROOM/test_MODULE.py, or test_ROOM_MODULE.py where two have that name"
    )


def test_a_module_without_a_test_is_seen() -> None:
    tests = ["tests/unit/hosts/test_lock.py", "tests/unit/rules/data_cases.py"]
    modules = ["lppack/hosts/lock.py", "lppack/hosts/ssh.py", "lppack/checker/data.py"]
    assert untested([*modules, "lppack/rules/data.py"], tests) == modules[1:]
    assert untested(modules, [*tests, "tests/fleet/test_hosts_ssh.py"]) == modules[2:]
