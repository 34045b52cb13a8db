# SPDX-License-Identifier: MIT
"""Bundles whose files do not agree."""

import json
from collections.abc import Callable
from typing import Any

from lppack.model.plan import info_json
from tests.kit import tiny_elf
from tests.kit.bundles import KO, MANIFEST, OF, put
from tests.kit.samples import manifest, plan

NAME = "lppack_conn_limit_2.ko"
INFO: dict[str, Any] = json.loads(info_json(plan(manifest(**OF))))
FUNCTIONS = {"vmlinux": ["cmdline_proc_show"]}


def module(**changes: Any) -> bytes:
    return tiny_elf.patch(json.dumps({**INFO, **changes}), FUNCTIONS)


def text(old: bytes, new: bytes) -> bytes:
    assert MANIFEST.count(old) == 1
    return MANIFEST.replace(old, new)


def planned(**changes: Any) -> Callable[[dict[str, bytes]], None]:
    def change(files: dict[str, bytes]) -> None:
        files["plan.json"] = json.dumps({**json.loads(files["plan.json"]), **changes}).encode()

    return change


def provenance(files: dict[str, bytes]) -> None:
    said = json.loads(files["provenance.json"])
    said["predicate"]["buildDefinition"]["internalParameters"]["inlining"] = "checked"
    files["provenance.json"] = json.dumps(said).encode()


FORGED: dict[str, tuple[Callable[[dict[str, bytes]], None], str]] = {
    "the module of another patch": (
        put(
            NAME, tiny_elf.patch(json.dumps({**INFO, "series": "x"}), FUNCTIONS, name="lppack_x_1")
        ),
        "the name of the module is lppack_x_1, but lppack_conn_limit_2 in the plan",
    ),
    "a module whose modinfo alone has the name": (
        put(NAME, tiny_elf.patch(json.dumps(INFO), FUNCTIONS, name="evil")),
        "the name of the module is evil",
    ),
    "a module that lppack did not make": (
        put(NAME, tiny_elf.module(parts=tiny_elf.this_module("lppack_conn_limit_2"))),
        "has no description of its patch",
    ),
    "a module that is none": (put(NAME, b"ELF"), "cannot be read as ELF"),
    "a module of another release": (
        put(
            NAME,
            tiny_elf.patch(
                json.dumps(INFO),
                FUNCTIONS,
                modinfo=[*tiny_elf.MODINFO[:-1], "vermagic=6.1.0-5-amd64 SMP"],
            ),
        ),
        'vermagic "6.1.0-5-amd64 SMP" is not of 6.1.0-56-amd64',
    ),
    "another series": (put(NAME, module(series="x")), "series: the plan says 'conn-limit'"),
    "another version": (put(NAME, module(version=3)), "version: the plan says 2, the module 3"),
    "another engine": (put(NAME, module(engine="consistency")), "engine: the plan says"),
    "another mode": (put(NAME, module(mode="kgraft")), "mode: the plan says 'hybrid'"),
    "other fixes": (put(NAME, module(fixes=[])), "fixes: the plan says"),
    "another kernel": (put(NAME, module(kernel="#1 x")), "kernel: the plan says"),
    "data that the plan does not convert": (
        put(NAME, module(transforms=["conn"])),
        "transforms: the plan says False",
    ),
    "data that the plan does not flip": (put(NAME, module(world=["conn"])), "world: the plan"),
    "data without a way back": (
        put(NAME, module(irreversible=True)),
        "irreversible: the plan says False, the module True",
    ),
    "what it replaces": (put(NAME, module(replaces=["all"])), "replaces: the plan says []"),
    "one more function": (
        put(NAME, tiny_elf.patch(json.dumps(INFO), {**FUNCTIONS, "conn": ["conn_syn"]})),
        "the module replaces conn_syn of conn, and the plan does not",
    ),
    "a plan without functions": (
        planned(functions=[]),
        "the module replaces cmdline_proc_show of vmlinux, and the plan does not",
    ),
    "a plan with a function more": (
        planned(functions=[["vmlinux", "cmdline_proc_show"], ["vmlinux", "x"]]),
        "the plan replaces x of vmlinux, and the module does not",
    ),
    "a plan of another version": (planned(version=1), "version: the plan says 1, the module 2"),
    "a plan of another series": (planned(name="other"), "series: the plan says 'other'"),
    "a plan in another mode": (planned(mode="kgraft"), "mode: the plan says 'kgraft'"),
    "a plan that replaces all": (planned(replaces=["all"]), "replaces: the plan says ['all']"),
    "a plan that fixes nothing": (planned(fixes=[]), "fixes: the plan says []"),
    "a plan for another kernel": (planned(kernel="#1 other"), "kernel: the plan says '#1 other'"),
    "a plan that converts": (planned(converts=True), "transforms: the plan says True"),
    "a plan with other tests": (
        planned(test={"checks": []}),
        "test: the manifest says",
    ),
    "provenance that checked what was not": (provenance, "inlining: the plan says 'checked'"),
    "a manifest of another version": (
        put("manifest.yaml", text(b"version: 2", b"version: 3")),
        "version: the manifest says 3, the plan 2",
    ),
    "a manifest with another function": (
        put("manifest.yaml", text(b"old: cmdline_proc_show", b"old: meminfo_proc_show")),
        "the manifest replaces meminfo_proc_show of vmlinux, and the plan does not",
    ),
    "a manifest with another CVE": (
        put("manifest.yaml", text(b"CVE-2026-0001", b"CVE-2026-0002")),
        "fixes: the manifest says",
    ),
    "a manifest with another test": (
        put("manifest.yaml", text(b"run: cat /x", b"run: rm -rf /")),
        "test: the manifest says",
    ),
    "a manifest that is none": (put("manifest.yaml", b"\xff"), "its manifest cannot be read"),
    "an empty manifest": (put("manifest.yaml", b""), "its manifest cannot be read"),
    "one more file": (put("run.sh", b"#!/bin/sh\n"), "it contains run.sh, which is not part"),
    "one more module": (put("test/x/conn.ko", b""), "it contains test/x/conn.ko"),
    "an engine that is not needed": (put("lppack_engine.ko", KO), "it contains lppack_engine.ko"),
}
