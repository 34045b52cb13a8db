# SPDX-License-Identifier: MIT
"""Generated C and the examples' C, as the kernel's own tools see them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lppack import resources
from lppack.builders.container import ContainerBuilder
from lppack.builders.protocol import kbuild_argv
from lppack.debian.kernels import resolve
from lppack.debian.supported import releases_of
from lppack.model import Plan
from tests.docker.kernel_scripts import kernel_scripts
from tests.docker.style import CASES, sources
from tests.kit.one_way import one_way

pytestmark = pytest.mark.docker

# Neither is about our sources: no vmlinux is in the headers package.
_QUIET = re.compile(r"^(make|\s+(CC|LD|CHECK|MODPOST|BTF) )|Skipping BTF generation")


def complaints(plan: Plan, work: Path) -> list[str]:
    """What W=1 and sparse say."""
    with ContainerBuilder().open(work, plan.kernel) as site:
        if plan.by_engine:  # whose checksums it needs
            assert site.run(
                [*kbuild_argv(site, plan.kernel, "m/engine"), "modules"], limit=300.0
            ).ok
        argv = [*kbuild_argv(site, plan.kernel, "m"), "W=1", "C=2", "modules"]
        done = site.run(argv, limit=300.0)
    assert done.ok, done.summary(tail=30)
    assert "CHECK" in done.out, "sparse ran"
    return [line for line in done.out.splitlines() if not _QUIET.search(line)]


#: Text of the kernel that is older than checkpatch, copied as it stands so that it can be compared.
COPIED = {
    f"fixes/{name}"
    for name in (
        *("all", "all-2", "attach-filter", "binfmt-misc"),
        *("disable-ipv6", "ipc-next-id", "loop-block-size", "raw-header"),
    )
}
#: ipc_addid() returns with a lock held where it succeeds, in the kernel too (ipc/util.c, v6.1).
_LOCKED = "context imbalance in 'lp_ipc_addid'"


@pytest.mark.parametrize(("name", "test_points"), CASES)
def test_no_warning_of_gcc_or_sparse(name: str, test_points: bool, tmp_path: Path) -> None:
    plan = sources(name, test_points, tmp_path / "m")
    assert [line for line in complaints(plan, tmp_path) if _LOCKED not in line] == []


@pytest.mark.parametrize("name", ["conn-limit", "../tests/guest/patches/edges"])
def test_what_is_made_for_the_engine_alone(name: str, tmp_path: Path) -> None:
    plan = sources(name, False, tmp_path / "m", mode="refcount")
    assert complaints(plan, tmp_path) == []
    folders = {tmp_path / "m": "lp_*.[ch]", plan.manifest.folder: "**/*.[ch]"}
    files = [path for folder, wanted in folders.items() for path in folder.glob(wanted)]
    assert checkpatch(*files) == []


def test_what_is_made_without_a_way_back(tmp_path: Path) -> None:
    plan = sources(str(one_way(tmp_path)), True, tmp_path / "m")
    assert complaints(plan, tmp_path) == []
    assert checkpatch(*(tmp_path / "m").glob("lp_*.[ch]"), tmp_path / "m/lppack.h") == []


def test_a_fault_is_seen_by_both(tmp_path: Path) -> None:
    plan = sources("proc-cmdline", False, tmp_path / "m")
    source = tmp_path / "m/cmdline.c"
    source.write_text(
        f"{source.read_text()}\nint stray(void);\nvoid *lp_p = 0;\nint lp_q(void) {{ return 0; }}\n"
    )
    text = "\n".join(complaints(plan, tmp_path))
    assert "Using plain integer as NULL pointer" in text
    assert "no previous prototype" in text


def checkpatch(*files: Path) -> list[str]:
    """What checkpatch --strict says, but for lines that are one string and nothing else."""
    folder = kernel_scripts()
    argv = ["perl", folder / "checkpatch.pl", "--no-tree", "--strict", "--terse", "--show-types"]
    done = subprocess.run(
        [*map(str, argv), "-f", *map(str, files)],
        cwd=folder,  # it leaves a cache where it runs
        capture_output=True,
        text=True,
        timeout=120,
    )
    rows = [line for line in done.stdout.splitlines() if re.match(r"\S+:\d+: ", line)]
    assert done.returncode in (0, 1), done.stderr
    return [row for row in rows if not ("LONG_LINE" in row and _is_string(row) or _is_entry(row))]


def _is_entry(row: str) -> bool:
    """What a system call's result is before there is one (arch/x86/entry/entry_64.S, v6.1)."""
    return "WARNING:ENOSYS" in row and "victim.c" in row


def _is_string(row: str) -> bool:
    path, number, _ = row.split(":", 2)
    return Path(path).read_text().splitlines()[int(number) - 1].strip().startswith('"')


CHECKED = [case for case in CASES if case[0] not in COPIED]


@pytest.mark.parametrize(("name", "test_points"), CHECKED)
def test_checkpatch_is_content(name: str, test_points: bool, tmp_path: Path) -> None:
    folder = sources(name, test_points, tmp_path).manifest.folder
    files = [path for path in (tmp_path, folder) for path in path.rglob("*.[ch]")]
    ours = [path for path in files if not {"kernel_headers", "engine"} & {*path.parts}]
    assert checkpatch(*ours) == []


def test_checkpatch_sees_a_fault(tmp_path: Path) -> None:
    bad = tmp_path / "bad.c"
    bad.write_text("// SPDX-License-Identifier: GPL-2.0-only\nint f(void) {\n    return(0);\n}\n")
    assert checkpatch(bad)


ENGINE = resources.kmod_dir() / "engine"
#: The engine is for several kernels; and its loops are macros, as those of list.h.
_OF_THE_ENGINE = ("LINUX_VERSION_CODE", "CONSTANT_COMPARISON", "MACRO_ARG_REUSE")


@pytest.mark.parametrize("pattern", [releases_of(), releases_of("6.12")])
def test_the_engine_has_no_warning_of_gcc_or_sparse(pattern: str, tmp_path: Path) -> None:
    shutil.copytree(ENGINE, tmp_path / "m")
    kernel = resolve(None, (pattern,))
    with ContainerBuilder().open(tmp_path, kernel) as site:
        argv = [*kbuild_argv(site, kernel, "m"), "W=1", "C=2", "modules"]
        done = site.run(argv, limit=300.0)
    assert done.ok, done.summary(tail=30)
    assert "CHECK" in done.out, "sparse ran"
    assert [line for line in done.out.splitlines() if not _QUIET.search(line)] == []


def test_checkpatch_is_content_with_the_engine() -> None:
    rows = checkpatch(*ENGINE.glob("*.[ch]"))
    assert [row for row in rows if not any(word in row for word in _OF_THE_ENGINE)] == []
