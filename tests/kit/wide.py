# SPDX-License-Identifier: MIT
"""A patch of many functions."""

from pathlib import Path


def wide(folder: Path, functions: int) -> Path:
    """A patch of many functions, and its target: a read of /proc/wide sleeps in the first."""
    names = [f"wide_{n}" for n in range(functions)]
    head = "#include <linux/seq_file.h>\n\n"
    every = [f"int {{0}}{name}(struct seq_file *m, void *v);\n" for name in names]
    bodies = [
        f"int {{0}}{name}(struct seq_file *m, void *v)\n{{{{\n\treturn {{1}};\n}}}}\n"
        for name in names
    ]
    sleeps = "schedule_timeout_killable(600 * HZ)"
    (folder / "target").mkdir(parents=True)
    (folder / "lp_wide.c").write_text(
        head + "".join(t.format("lp_", "1") for t in (*every, "\n", *bodies))
    )
    (folder / "target/Kbuild").write_text("obj-m := wide.o\n")
    (folder / "target/wide.c").write_text(
        "#include <linux/module.h>\n#include <linux/proc_fs.h>\n#include <linux/sched.h>\n"
        + head
        + "".join(t.format("", "0") for t in every)
        + bodies[0].format("", sleeps)
        + "".join(t.format("", "0") for t in bodies[1:])
        + "static int __init wide_init(void)\n{\n"
        + '\treturn proc_create_single("wide", 0444, NULL, wide_0) ? 0 : -ENOMEM;\n}\n'
        + 'static void __exit wide_exit(void)\n{\n\tremove_proc_entry("wide", NULL);\n}\n'
        + 'module_init(wide_init);\nmodule_exit(wide_exit);\nMODULE_LICENSE("GPL v2");\n'
    )
    lines = "".join(f"      - {{old: {name}, new: lp_{name}}}\n" for name in names)
    (folder / "manifest.yaml").write_text(
        "lppack: 1\nname: wide\nversion: 1\ndescription: Many functions\nlicense: GPL-2.0-only\n"
        "author: The lppack authors\nkernels: ['6.1.0-*-amd64']\n"
        "needs: [LEAVE_PATCHED_SET, SWITCH_THREAD]\nsources: [lp_wide.c]\n"
        f"objects:\n  - name: wide\n    functions:\n{lines}test:\n  targets: [wide]\n"
    )
    return folder / "manifest.yaml"
