# SPDX-License-Identifier: MIT
"""The files that include another are found, by way of others too."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from lppack import proc
from lppack.errors import EnvironmentMissing
from lppack.proof.includes import Includes

FILES = {
    "include/linux/list.h": "",
    "include/net/list.h": "",
    "include/linux/sched.h": "#include <linux/list.h>\n",
    "kernel/fork.c": '#include "sched.h"\n\t# include  <linux/sched.h>  /* tasks */\n',
    "kernel/sched/sched.h": '#include "../smp.h"\n',
    "kernel/sched/core.c": 'int a;\n#include "sched.h"\n',
    "kernel/smp.h": "",
    "kernel/time.c": '#include "sched/../smp.h"\n#include <linux/kernel.h>\n',
    "lib/list.c": "/* #include <linux/list.h> */\nint list;\n",
    "include/linux/kernel.h": "",
    "include/trace/events/tcp.h": "",
    "include/asm-generic/io.h": "",
    "net/core.c": "#include <net/list.h>\n#include <part/of.h>\n#include <asm/io.h>\n"
    "#include <trace/events/tcp.h>\n",
    "net/own.c": '#include "tcp.h"\n',
    "net/deep/part/of.h": "",
    "tools/include/linux/kernel.h": "",
    "tools/objtool/check.c": "#include <linux/kernel.h>\n",
    "net/ring.h": '#include "loop.h"\n',
    "net/loop.h": '#include "ring.h"\n',
    "net/asm.S": '#include "loop.h"\n',
    "README": "#include <linux/list.h>\n",
}


def write(tree: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    return tree


@pytest.fixture
def includes(tmp_path: Path) -> Includes:
    return Includes(write(tmp_path / "linux", FILES), tmp_path)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("include/linux/list.h", {"include/linux/sched.h"}),
        ("include/net/list.h", {"net/core.c"}),
        # Beside core.c stands the "sched.h" that it means; beside fork.c there is none.
        ("include/linux/sched.h", {"kernel/fork.c"}),
        ("kernel/sched/sched.h", {"kernel/sched/core.c", "kernel/fork.c"}),
        # A program's own kernel.h is no header of the kernel, and it includes none.
        ("include/linux/kernel.h", {"kernel/time.c"}),
        ("tools/include/linux/kernel.h", {"tools/objtool/check.c", "kernel/time.c"}),
        # Every file finds include/trace/events/tcp.h by its whole name alone.
        ("include/trace/events/tcp.h", {"net/core.c"}),
        ("include/asm-generic/io.h", {"net/core.c"}),
        # Where the Makefile has -I, <part/of.h> may be any file of that name.
        ("net/deep/part/of.h", {"net/core.c"}),
        ("kernel/smp.h", {"kernel/sched/sched.h", "kernel/time.c"}),
        ("net/ring.h", {"net/loop.h"}),
        ("net/core.c", set()),
        ("nothing.h", set()),
    ],
)
def test_direct(includes: Includes, path: str, found: set[str]) -> None:
    assert set(includes.direct(path)) == found


def test_users_are_found_through_others(includes: Includes) -> None:
    sched = {"include/linux/sched.h", "kernel/fork.c"}
    assert includes.users("include/linux/list.h") == sched
    smp = {"kernel/sched/sched.h", "kernel/time.c", "kernel/fork.c", "kernel/sched/core.c"}
    assert includes.users("kernel/smp.h") == smp


def test_headers_that_include_each_other(includes: Includes) -> None:
    assert includes.users("net/ring.h") == {"net/loop.h", "net/asm.S"}


def test_the_tree_is_read_once(includes: Includes, tmp_path: Path) -> None:
    found = includes.users("include/linux/list.h")
    shutil.rmtree(tmp_path / "linux")
    assert Includes(tmp_path / "linux", tmp_path).users("include/linux/list.h") == found


@pytest.mark.parametrize("cut", [0, 100, 4096, -10])
def test_a_damaged_index_is_read_anew(includes: Includes, tmp_path: Path, cut: int) -> None:
    found = includes.users("include/linux/list.h")
    [index] = tmp_path.glob("*.sqlite")
    index.write_bytes(index.read_bytes()[:cut])
    assert Includes(tmp_path / "linux", tmp_path).users("include/linux/list.h") == found


def test_sources_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentMissing, match="cannot be read"):
        Includes(tmp_path / "nothing", tmp_path).users("a.h")


def test_headers_that_name_a_word(tmp_path: Path) -> None:
    files = {"fs/a.h": "LIMIT\n", "fs/b.h": "LIMITS\n", "fs/c.c": "LIMIT\n", "tools/d.h": "LIMIT"}
    includes = Includes(write(tmp_path / "linux", files), tmp_path)
    assert includes.naming(["LIMIT", "other"]) == ("fs/a.h",)
    assert includes.naming([f"name_{n}" for n in range(200_000)]) == ()  # no list of arguments
    assert includes.naming([]) == ()


@pytest.mark.parametrize("how", [{"rc": 2}, {"rc": 1, "timed_out": True}, {"rc": -9}])
def test_a_search_that_fails_is_no_answer(
    includes: Includes, monkeypatch: pytest.MonkeyPatch, how: dict[str, Any]
) -> None:
    done = proc.Done(argv=(), out="", err="", seconds=1, **how)
    monkeypatch.setattr(proc, "run", lambda *args, **options: done)
    with pytest.raises(EnvironmentMissing, match="cannot be searched"):
        includes.naming(["LIMIT"])
