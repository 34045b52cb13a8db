# SPDX-License-Identifier: MIT
"""Imports go one way: from the command line down to errors."""

import ast
import collections
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import lppack
from lppack import pipeline

ROOT = Path(lppack.__file__).parent

#: From the top; a room may import what stands below it, or in the same line.
LAYERS: tuple[frozenset[str], ...] = tuple(
    frozenset(line.split())
    for line in (
        "cli __main__",
        "pipeline doctor",
        "analyse",
        "stages",
        "rules engines drafting",
        "proof",
        "builders",
        "cost",
        "kernel forecast hosts distributions debian elf csource",
        "checker",
        "ids",
        "document model consistency names proc store entries resources clock shape written extras",
        "abi late",
        "errors",
        "__init__",
    )
)


def rank(room: str) -> int:
    return next(i for i, layer in enumerate(LAYERS) if room in layer)


def imports(source: str) -> Iterator[str]:
    """The rooms of lppack that ``source`` imports, anywhere in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            parts = node.module.split(".")
            if parts[0] == "lppack":
                yield from [parts[1]] if len(parts) > 1 else (alias.name for alias in node.names)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                parts = alias.name.split(".")
                if parts[0] == "lppack" and len(parts) > 1:
                    yield parts[1]


def upward(room: str, source: str) -> list[str]:
    rooms = (name for name in imports(source) if name != "__version__")
    return [name for name in rooms if rank(name) < rank(room)]


def test_no_import_goes_up() -> None:
    found = []
    for file in sorted(ROOT.rglob("*.py")):
        relative = file.relative_to(ROOT)
        room = relative.parts[0].removesuffix(".py")
        found += [f"{relative}: {name}" for name in upward(room, file.read_text())]
    assert not found


def test_an_import_that_goes_up_is_seen() -> None:
    assert upward("errors", "from lppack.cli.main import main") == ["cli"]
    assert upward("hosts", "def f():\n    import lppack.engines.livepatch") == ["engines"]
    assert upward("cli", "from lppack import pipeline") == []


#: What commands import when they run: the pipeline, and what is beside it or the same for all
#: of lppack. docs/decisions.md says why the last four are here.
FOR_COMMANDS = frozenset(
    f"lppack{name}"
    for name in (
        *(
            "",
            ".cli",
            ".pipeline",
            ".doctor",
            ".model",
            ".errors",
            ".extras",
            ".consistency",
            ".shape",
        ),
        *(".resources", ".analyse.words", ".cost.words"),
    )
)


def below(source: str) -> list[str]:
    """What a command imports when it runs, and should get from the pipeline.

    Types of what the pipeline returns may come from anywhere, under TYPE_CHECKING.
    """
    tree = ast.parse(source)
    typing = {
        node
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If)
        and ast.unparse(branch.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
        for part in branch.body
        for node in ast.walk(part)
    }
    found = []
    for node in set(ast.walk(tree)) - typing:
        if isinstance(node, ast.ImportFrom) and node.module == "lppack":
            found += [f"lppack.{alias.name}" for alias in node.names if alias.name != "__version__"]
        elif isinstance(node, ast.ImportFrom):
            found += [str(node.module)]
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
    return [
        name
        for name in found
        if name.partition(".")[0] == "lppack"
        and name not in FOR_COMMANDS
        and ".".join(name.split(".")[:2]) not in FOR_COMMANDS
    ]


def test_commands_get_all_from_the_pipeline() -> None:
    files = [*(ROOT / "cli").glob("*.py"), ROOT / "__main__.py"]
    assert {f.name: found for f in files if (found := below(f.read_text()))} == {}


def test_a_command_that_reaches_below_the_pipeline_is_seen() -> None:
    assert below("def f():\n    from lppack.stages.plan import plan") == ["lppack.stages.plan"]
    assert below("import lppack.debian.kernels") == ["lppack.debian.kernels"]
    assert below("from lppack import abi, pipeline") == ["lppack.abi"]
    assert below("from lppack.analyse.sample import sample") == ["lppack.analyse.sample"]
    assert below("from lppack.pipeline.pairs import Pair\nfrom lppack.model import Plan") == []
    assert below("if TYPE_CHECKING:\n    from lppack.stages.status import PatchReport") == []
    assert below("if not TYPE_CHECKING:\n    from lppack.stages import x") == ["lppack.stages"]


def test_only_the_command_line_prints_or_exits() -> None:
    for file in ROOT.rglob("*.py"):
        if file.parent.name != "cli" and file.name != "__main__.py":
            text = file.read_text()
            assert "print(" not in text, file
            assert "sys.exit" not in text, file


def test_kernel_paths_stand_in_abi_alone() -> None:
    holders = [f.name for f in ROOT.rglob("*.py") if "/sys/kernel/livepatch" in f.read_text()]
    assert holders == ["abi.py"]


def test_each_name_of_the_pipeline_is_imported_from_its_home() -> None:
    """The table that is read at run time says what type checkers read."""
    table = {name: home for home, names in pipeline._NAMES.items() for name in names.split()}
    for node in ast.walk(ast.parse((ROOT / "pipeline/__init__.py").read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and "pipeline" in node.module:
            (alias,) = node.names
            assert table.pop(alias.name) == node.module.rpartition(".")[2]
            assert getattr(pipeline, alias.name).__name__ == alias.name
    assert table == {}


def modules() -> dict[str, set[str]]:
    """Each module of lppack -> the modules of lppack that it imports, wherever it does."""
    files = {
        ".".join(("lppack", *f.relative_to(ROOT).with_suffix("").parts)).removesuffix(
            ".__init__"
        ): f
        for f in ROOT.rglob("*.py")
    }
    found: dict[str, set[str]] = {}
    for name, file in files.items():
        imported = set()
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                each = {f"{node.module}.{alias.name}" for alias in node.names}
                imported |= each & files.keys() or {node.module} & files.keys()
            elif isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names} & files.keys()
        found[name] = imported - {"lppack", name}
    return found


def test_no_modules_import_each_other() -> None:
    """Nor in a circle, for the sake of a type, or late in a function."""
    try:
        tuple(graphlib.TopologicalSorter(modules()).static_order())
    except graphlib.CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_the_checker_needs_the_flags_and_the_abi_alone() -> None:
    used = {name for file in (ROOT / "checker").glob("*.py") for name in imports(file.read_text())}
    assert used <= {"checker", "consistency", "abi"}


#: What is Debian's alone: CRIU of Debian 13, and its security tracker.
OF_DEBIAN = {"distributions/__init__.py", "pipeline/migrate.py", "stages/cves.py"}


def test_debian_is_opened_in_one_place() -> None:
    found = {
        str(file.relative_to(ROOT))
        for file in ROOT.rglob("*.py")
        if file.parent.name != "debian" and "debian" in imports(file.read_text())
    }
    assert found == OF_DEBIAN


def test_no_public_class_has_a_name_twice() -> None:
    homes = collections.defaultdict(list)
    for file in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(str(file.relative_to(ROOT)))
    assert {name: places for name, places in homes.items() if len(places) > 1} == {}


def test_no_module_is_longer_than_350_lines() -> None:
    long = [f for f in ROOT.rglob("*.py") if len(f.read_text().splitlines()) > 350]
    assert long == []
