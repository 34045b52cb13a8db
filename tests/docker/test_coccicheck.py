# SPDX-License-Identifier: MIT
"""Generated C and the examples' C, as the kernel's semantic patches see them (make coccicheck)."""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from lppack import doctor
from lppack.builders.this_machine import ThisMachine
from tests.docker.kernel_scripts import kernel_scripts
from tests.docker.style import CASES, sources

pytestmark = pytest.mark.docker

#: They need an OCaml compiler: one is about the tables of one driver, the other compares pointers
#: with 0, which sparse sees.
_OCAML = ("check_bq27xxx_data.cocci", "badzero.cocci")


@pytest.fixture(scope="module", autouse=True)
def spatch() -> None:
    machine = ThisMachine()
    if not machine.which("spatch"):
        lacking = doctor.Finding(name="spatch", ok=False, packages=("coccinelle",))
        doctor.fix([lacking], lambda _line: None, machine)


def semantic_patches() -> list[Path]:
    found = sorted((kernel_scripts() / "coccinelle").rglob("*.cocci"))
    return [path for path in found if path.name not in _OCAML]


def coccicheck(folder: Path, patches: Sequence[Path]) -> list[str]:
    """What each semantic patch reports of all C below a folder, with the options that it names."""
    said = []
    for path in patches:
        options = re.search(r"Options:(.*)", path.read_text())
        words = options[1].split() if options else []
        argv = ["spatch", "-D", "report", "--no-show-diff", "--very-quiet", "--cocci-file"]
        done = subprocess.run(
            [*argv, str(path), *words, "--dir", str(folder)],
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, f"{path.name}: {done.stderr[-500:]}"
        said += [f"{path.name}: {line}" for line in done.stdout.splitlines() if line.strip()]
    return said


def test_no_semantic_patch_reports_anything(tmp_path: Path) -> None:
    patches = semantic_patches()
    assert len(patches) > 50
    for number, (name, test_points) in enumerate(CASES):
        sources(name, test_points, tmp_path / str(number))
    assert len(list(tmp_path.rglob("lp_glue.c"))) == len(CASES)
    assert coccicheck(tmp_path, patches) == []


def test_faults_are_seen(tmp_path: Path) -> None:
    """A lock that is kept, NULL that is used, memory that is used after it was freed."""
    (tmp_path / "bad.c").write_text(
        "int f(struct s *p)\n{\n\tmutex_lock(&p->lock);\n\tif (p->x)\n\t\treturn 1;\n"
        "\tmutex_unlock(&p->lock);\n\treturn 0;\n}\n"
        "int g(struct s *p)\n{\n\tif (!p)\n\t\treturn p->x;\n\treturn 0;\n}\n"
        "int h(struct s *p)\n{\n\tkfree(p);\n\treturn p->x;\n}\n"
    )
    names = ("mini_lock.cocci", "deref_null.cocci", "kfree.cocci")
    said = coccicheck(tmp_path, [path for path in semantic_patches() if path.name in names])
    assert {line.partition(":")[0] for line in said} == set(names)
