# SPDX-License-Identifier: MIT
"""Small values that many tests start from."""

import copy
from pathlib import Path
from typing import Any

from lppack.consistency import EngineName, Leave, ModeName, Needs, Switch, mode_named
from lppack.document import Document
from lppack.model import (
    Bundle,
    Effective,
    Fix,
    FunctionPatch,
    Kernel,
    Manifest,
    ObjectPatch,
    Plan,
    State,
    TestSpec,
)
from lppack.rules.data import authors_functions

RELEASE = "6.1.0-56-amd64"
VERSION = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)"

#: A manifest with every part, in which nothing is wrong.
FULL: dict[str, Any] = {
    "lppack": 1,
    "name": "conn-limit",
    "version": 2,
    "description": "Bound the number of half-open connections",
    "license": "GPL-2.0-only",
    "author": "Jo Doe <jo@example.org>",
    "fixes": [
        {
            "cve": "CVE-2026-0001",
            "commit": "1f2e3d4c5b6a",
            "functions": ["conn_open"],
            "effective": "converted",
        }
    ],
    "kernels": ["6.1.0-*-amd64"],
    "needs": ["LEAVE_PATCHED_SET", "SWITCH_THREAD", "TRANSFORM_ON_ACCESS"],
    "mode": "hybrid",
    "sources": ["conn.c"],
    "headers": ["ext.h"],
    "objects": [
        {
            "name": "conn",
            "functions": [
                {"old": "conn_open", "new": "lp_conn_open"},
                {"old": "s_show", "new": "lp_s_show", "sympos": 2},
            ],
        }
    ],
    "transforms": [
        {
            "name": "conn",
            "object": "conn",
            "type": "struct conn",
            "marker": "lp_conn_is_new",
            "lock": {"take": "lp_conn_lock", "release": "lp_conn_unlock"},
            "context": "process",
            "forward": "lp_conn_upgrade",
            "reverse": "lp_conn_downgrade",
        }
    ],
    "shadow_variables": [
        {
            "name": "conn_ext",
            "version": 2,
            "type": "struct conn_ext",
            "attached_to": "struct conn",
            "transform": "conn",
            "constructor": "lp_conn_ext_init",
        }
    ],
    "test": {
        "targets": ["conn"],
        "programs": ["load/opener.c"],
        "boot": ["quiet"],
        "checks": [
            {
                "run": "cat /proc/conn_limit",
                "limit": 5,
                "expect": {"before": "off", "converted": r"/^limit \d+$/", "reverted": "off"},
            }
        ],
    },
}


#: Plain C that has all that FULL names, and in which nothing is wrong.
CONN_C = """\
#include "lppack.h"

bool lp_conn_is_new(const struct conn *c)
{
	return c->word & 1;
}

void lp_conn_lock(struct conn *c)
{
	mutex_lock(&c->lock);
}

void lp_conn_unlock(struct conn *c)
{
	mutex_unlock(&c->lock);
}

int lp_conn_ext_init(struct conn *c, struct conn_ext *ext)
{
	ext->limit = 8;
	return 0;
}

int lp_conn_upgrade(struct conn *c)
{
	if (!conn_ext_get_or_alloc(c))
		return -ENOMEM;
	c->word |= 1;
	return 0;
}

void lp_conn_downgrade(struct conn *c)
{
	c->word &= ~1;
}

int lp_conn_open(struct conn *c)
{
	int err = 0;

	lp_convert_conn(c);
	mutex_lock(&c->lock);
	if (lp_conn_is_new(c) && conn_ext_get(c)->limit < c->count)
		err = -EBUSY;
	mutex_unlock(&c->lock);
	return err;
}

int lp_s_show(struct seq_file *m, void *v)
{
	struct conn *c = v;

	lp_forget_conn(c);
	kfree(c);
	return 0;
}
"""
EXT_H = """\
/* limit of a connection */
struct conn_ext {
	unsigned long limit;
};
"""


def full(**changes: Any) -> dict[str, Any]:
    """A copy of FULL with other values under some of its keys; None takes a key away."""
    made = {**copy.deepcopy(FULL), **changes}
    return {key: value for key, value in made.items() if value is not None}


def document(data: object, folder: Path = Path("/nowhere")) -> Document:
    """``data`` as if it had been read; every place is line 1, column 1."""
    path = folder / "manifest.yaml"
    return Document(path=path, shown=str(path), data=data, values={}, keys={})


def patch_folder(folder: Path) -> Path:
    """``folder`` with the files that FULL names."""
    for name in ("conn.c", "ext.h", "target/Kbuild", "target/conn.c", "load/opener.c"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"/* {name} */\n")
    (folder / "conn.c").write_text(CONN_C)
    (folder / "ext.h").write_text(EXT_H)
    return folder


def stubs(data: object) -> str:
    """C that defines every function that a manifest names, and uses its transforms."""
    made = document(data)
    names = dict.fromkeys(name for _, name in authors_functions(made))
    text = '#include "lppack.h"\n'
    text += "".join(f"void {name}(void)\n{{\n}}\n" for name in names if name.isidentifier())
    for _, entry in made.mappings("transforms"):
        verbs = (f"lp_{verb}_{entry.get('name')}(p);" for verb in ("convert", "forget"))
        text += f"static void use_{entry.get('name')}(void *p)\n{{\n{' '.join(verbs)}\n}}\n"
    return text


def kernel(root: Path = Path("/nowhere"), *, release: str = RELEASE) -> Kernel:
    return Kernel(
        release=release,
        version=VERSION,
        suite="bookworm",
        root=root,
        image=root / f"boot/vmlinuz-{release}",
        config=root / f"boot/config-{release}",
        modules=root / f"lib/modules/{release}",
        headers=root / f"usr/src/linux-headers-{release}",
        package="6.1.192-2",
    )


NO_TEST = TestSpec(targets=(), programs=(), boot=(), checks=())


def manifest(folder: Path = Path("/nowhere"), **changes: Any) -> Manifest:
    """A manifest that changes one function of vmlinux and no data."""
    values: dict[str, Any] = {
        "path": folder / "manifest.yaml",
        "name": "proc-cmdline",
        "version": 1,
        "description": "Show a fixed text",
        "license": "GPL-2.0-only",
        "author": "Jo Doe",
        "fixes": (),
        "kernels": ("6.1.0-*-amd64",),
        "needs": Needs(leave=Leave.LEAVE_PATCHED_SET, switch=Switch.SWITCH_THREAD),
        "mode": None,
        "sources": ("cmdline.c",),
        "headers": (),
        "objects": (VMLINUX,),
        "transforms": (),
        "shadow_variables": (),
        "test": NO_TEST,
    }
    return Manifest(**{**values, **changes})


VMLINUX = ObjectPatch(
    name=None, functions=(FunctionPatch(old="cmdline_proc_show", new="lp_show", sympos=0),)
)


def plan(of: Manifest, **changes: Any) -> Plan:
    values: dict[str, Any] = {
        "manifest": of,
        "kernel": kernel(),
        "engine": EngineName.LIVEPATCH,
        "mode": mode_named(ModeName.HYBRID),
        "compiler": "gcc-12",
        "anchor": VMLINUX,
        "modules": (),
        "series_state": 17,
        "states": (State(id=17, version=1, what="the series"),),
        "transform_states": (),
        "shadows": (),
        "info": "{}",
        "decisions": (),
    }
    return Plan(**{**values, **changes})


def bundle(**changes: Any) -> Bundle:
    """A bundle of conn-limit 2, for the kernel that FakeKernel runs."""
    values: dict[str, Any] = {
        "path": Path("conn-limit-2_6.1.0-56-amd64.lpp"),
        "series": "conn-limit",
        "version": 2,
        "module": "lppack_conn_limit_2",
        "release": RELEASE,
        "kernel_version": VERSION,
        "engine": EngineName.LIVEPATCH,
        "mode": ModeName.HYBRID,
        "converts": True,
        "module_sha256": "0" * 64,
        "provenance": (),
        "functions": (("conn", "conn_syn"),),
        "fixes": (
            Fix(cve=None, commit=None, functions=("conn_open",), effective=Effective.CONVERTED),
        ),
        "test": NO_TEST,
    }
    return Bundle(**{**values, **changes})
