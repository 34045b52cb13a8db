# SPDX-License-Identifier: MIT
"""Bundles: a small one that is whole, and the same with something else in it."""

import hashlib
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lppack.model import Check, Effective, Fix, Module, SourceTree, StepName
from lppack.model import TestSpec as Spec  # pytest would collect Test*
from lppack.model.plan import info_json
from lppack.stages.bundling import bundle
from tests.kit import tiny_elf
from tests.kit.samples import manifest, plan

SPEC = Spec(
    targets=("conn",),
    programs=("load/opener.c",),
    boot=("quiet",),
    checks=(
        Check(
            run="cat /x", limit=2.5, expect=((StepName.BEFORE, "off"), (StepName.REVERTED, "off"))
        ),
    ),
)
FIXES = (
    Fix(cve="CVE-2026-0001", commit=None, functions=("f",), effective=Effective.CONVERTED),
    Fix(cve=None, commit="1f2e3d4c5b6a", functions=(), effective=Effective.PATCHED),
)
OF: dict[str, Any] = {
    "name": "conn-limit",
    "version": 2,
    "sources": ("a.c",),
    "fixes": FIXES,
    "test": SPEC,
}
SRCVERSION = "D02E08A0401C393FB9E9ECF"
#: What a cumulative version 3 says otherwise.
UPGRADE: dict[str, Any] = {"version": 3, "replaces": ("conn-limit",)}


def _ko(of: dict[str, Any]) -> bytes:
    name = f"lppack_conn_limit_{of['version']}"
    modinfo = [line.replace("lppack_conn_limit_2", name) for line in tiny_elf.MODINFO]
    return tiny_elf.patch(
        info_json(plan(manifest(**of))),
        {"vmlinux": ["cmdline_proc_show"]},
        name=name,
        modinfo=(*modinfo, f"srcversion={SRCVERSION}"),
    )


KO = _ko(OF)
MANIFEST = b"""\
lppack: 1
name: conn-limit
version: 2
description: Show a fixed text
license: GPL-2.0-only
author: Jo Doe
kernels: ["6.1.0-*-amd64"]
needs: [LEAVE_PATCHED_SET, SWITCH_THREAD]
sources: [a.c]
objects:
  - {name: vmlinux, functions: [{old: cmdline_proc_show, new: lp_show}]}
fixes:
  - {cve: CVE-2026-0001, functions: [f], effective: converted}
  - {commit: 1f2e3d4c5b6a}
test:
  targets: [conn]
  programs: [load/opener.c]
  boot: [quiet]
  checks: [{run: cat /x, limit: 2.5, expect: {before: "off", reverted: "off"}}]
"""


def made(folder: Path, out: Path, *, when: int = 1_000_000_000, of: dict[str, Any] = OF) -> Path:
    """A bundle of conn-limit 2, from files that were written at ``when``."""
    text = MANIFEST.replace(b"version: 2", b"version: %d" % of["version"])
    for series in of.get("replaces", ()):
        text += f"replaces: [{series}]\n".encode()
    ko = f"lppack_conn_limit_{of['version']}.ko"
    files = {
        "patch/manifest.yaml": text,
        "patch/a.c": b"int a;\n",
        "patch/load/opener.c": b"int main(void) { return 0; }\n",
        "patch/target/conn.c": b"int conn;\n",
        f"work/{ko}": _ko(of),
        "work/conn.ko": b"target",
        "work/opener": b"program",
    }
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
        os.utime(folder / name, (when, when))
    planned = plan(manifest(folder / "patch", **of))
    work = folder / "work"
    module = Module(
        plan=planned,
        ko=work / ko,
        engine=None,
        targets=(work / "conn.ko",),
        programs=(work / "opener",),
        provenance=(("compiler", "gcc-12"), ("built_by", "host")),
        seconds=1.5,
        cached=False,
        work=work,
    )
    tree = SourceTree(
        plan=planned, files=(("lp_glue.c", "glue\n"),), copies=(("a.c", folder / "patch/a.c"),)
    )
    return bundle(module, tree, out, released=(("release", "yes"),))


def repacked(
    path: Path,
    change: Callable[[dict[str, bytes]], None],
    *,
    sums: bool = True,
    extra: tuple[tuple[str, bytes], ...] = (),
) -> Path:
    """The bundle with other files; with ``sums`` as a forger would, who makes them right."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    if sums:
        del files["SHA256SUMS"]
        lines = [f"{hashlib.sha256(data).hexdigest()}  {n}\n" for n, data in files.items()]
        files["SHA256SUMS"] = "".join(lines).encode()
    out = path.with_name(f"changed-{path.name}")
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in (*files.items(), *extra):
            archive.writestr(zipfile.ZipInfo(name), data)
    return out


def put(name: str, data: bytes) -> Callable[[dict[str, bytes]], None]:
    return lambda files: files.update({name: data})


def take(name: str) -> Callable[[dict[str, bytes]], None]:
    def change(files: dict[str, bytes]) -> None:
        del files[name]

    return change
