# SPDX-License-Identifier: MIT
"""What hurt users of other tools, replayed: what lppack says of it, and how early. In brackets the
threads that told of it."""

import re
import shutil
import zipfile
from pathlib import Path

import pytest

from lppack.debian.supported import releases_of
from lppack.elf.module import read_module
from lppack.rules.module import faults
from lppack.rules.view import Against
from tests.kit.command import EXAMPLES, lppack

pytestmark = pytest.mark.docker

KERNEL = ("--kernel", releases_of())


class Author:
    """Somebody with a patch in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(shutil.copytree(EXAMPLES / "proc-cmdline", folder / "mine"))
        self.manifest = self.folder / "manifest.yaml"
        self.source = self.folder / "cmdline.c"

    def changes(self, file: Path, old: str, new: str) -> None:
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))

    def is_told(self, *words: str) -> str:
        """What validate says, with the kernel, before anything is built."""
        return lppack("validate", self.folder, *words).out


@pytest.fixture
def author(tmp_path: Path) -> Author:
    return Author(tmp_path)


def test_a_function_that_cannot_be_patched_was_learnt_at_the_end_of_the_build(
    author: Author,
) -> None:
    """[kpatch 983, 1171; elivepatch-server 18] Here: before the build, with the reason."""
    author.changes(author.manifest, "old: cmdline_proc_show", "old: native_sched_clock")
    said = author.is_told(*KERNEL)
    assert "error[function-is-traceable]" in said
    assert "native_sched_clock" in said


def test_init_code_and_what_may_be_changed(author: Author) -> None:
    """[kpatch 724, 103, 738] Here: a function that is gone after boot is refused by name."""
    author.changes(author.manifest, "old: cmdline_proc_show", "old: proc_cmdline_init")
    assert "error[function-outlives-boot]" in author.is_told(*KERNEL)


def test_a_module_named_with_its_suffix_was_loaded_and_patched_nothing(author: Author) -> None:
    """[kpatch 918; libpulp 58] Here: refused by the manifest alone, without any kernel."""
    author.changes(author.manifest, "name: vmlinux", "name: zfs.ko")
    said = author.is_told()
    assert "error[object-name-is-a-module]" in said
    assert "zfs" in said.partition("hint:")[2]


def test_a_transition_that_stalls_for_a_reason_that_nobody_tells(author: Author) -> None:
    """[kpatch 982, 1409, 309] Here: a function in which threads sleep all day is warned of while
    the author types; who blocks a transition is told by apply and status."""
    author.changes(author.manifest, "old: cmdline_proc_show", "old: do_nanosleep")
    assert "warning[function-is-left-now-and-then]" in author.is_told(*KERNEL)


def test_a_pointer_to_a_new_function_survived_the_unload(author: Author) -> None:
    """[kpatch PR 755] Here: the line that stores it is shown, and what to write."""
    author.changes(
        author.source,
        '\tseq_puts(m, "this',
        '\tcall_rcu(&lp_head, lp_later);\n\tseq_puts(m, "this',
    )
    author.changes(
        author.source,
        "#include <linux/seq_file.h>",
        "#include <linux/seq_file.h>\n#include <linux/rcupdate.h>\n\n"
        "static struct rcu_head lp_head;\n\n"
        "static void lp_later(struct rcu_head *head)\n{\n}\n",
    )
    said = author.is_told()
    assert re.search(r"cmdline\.c:\d+:\d+: warning\[stored-address-has-a-barrier\]", said)


def test_a_module_of_another_kernel_was_found_at_insmod(author: Author, tmp_path: Path) -> None:
    """[kpatch 587, 567, 376] A stray plus in vermagic. Here: each module is read again as soon as
    it is built, before there is a bundle."""
    built = Path(lppack("build", author.folder, "-o", tmp_path, *KERNEL).out.strip())
    with zipfile.ZipFile(built) as bundle:
        module = bundle.read("lppack_proc_cmdline_1.ko")
    against = Against(release=built.stem.rpartition("_")[2])
    assert faults(read_module(module), against) == []
    [fault] = faults(read_module(module.replace(b"-amd64 SMP", b"-amd64+SMP")), against)
    assert "vermagic" in fault


def test_a_shadow_variable_outlived_its_patch(author: Author) -> None:
    """[kpatch 468, PR 934] Crash at unload, warnings of a second allocation. Here: they are
    declared, made and freed by generated code, and made by hand they are refused."""
    author.changes(
        author.source,
        '\tseq_puts(m, "this',
        '\tklp_shadow_alloc(m, 1, 8, GFP_KERNEL, NULL, NULL);\n\tseq_puts(m, "this',
    )
    assert "error[shadow-variables-are-made-by-lppack]" in author.is_told()


def test_a_function_that_was_inlined_too(author: Author) -> None:
    """[kpatch 1171; klp-build 6.19 finds it by building twice] Here: `facts` and `plan` say that it
    was not looked at, or where the copies are."""
    ran = lppack("facts", "cmdline_proc_show", *KERNEL)
    assert re.search(r"inlining into callers: (un)?checked", ran.out)
    assert "inlining" in lppack("plan", author.folder, *KERNEL).out
