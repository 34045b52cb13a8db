# SPDX-License-Identifier: MIT
"""A kernel of which one assumption does not hold: that one is named, and the others are tried."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from lppack import abi, resources
from lppack.cli.setup import doctor
from lppack.kernel.kallsyms import KallsymsEntry
from lppack.model import Kernel
from lppack.stages import assumptions
from lppack.stages.assumptions import ASSUMPTIONS, try_all
from lppack.stages.ways_out import ways
from tests.kit import fake_btf
from tests.kit import fake_image as fake
from tests.kit.command import check_shape
from tests.kit.kernel_tree import make_kernel

_EXPORTED = assumptions._EXPORTED
_ENGINE = (
    "kallsyms_lookup_name",
    *assumptions._NEEDED.findall((resources.kmod_dir() / "engine/symbols.c").read_text()),
)
_CALLED = dict.fromkeys(
    (*_EXPORTED, *_ENGINE, *(name for way in ways() for name in (way.starts[0], way.ends[0])))
)
_OPTIONS = (
    *(*abi.LIVEPATCH_CONFIG, *abi.LIVEPATCH_FTRACE),
    *(*abi.RELIABLE_STACKS, "PREEMPTION"),
)


def _symbols(without: str = "") -> tuple[KallsymsEntry, ...]:
    more = [KallsymsEntry(fake.TEXT + 0x400 + 16 * n, "T", name) for n, name in enumerate(_CALLED)]
    at = next(n for n, one in enumerate(fake.SYMBOLS) if one.name == "__init_begin")
    every = (*fake.SYMBOLS[:at], *more, *fake.SYMBOLS[at:])
    return tuple(one for one in every if one.name != without)


def _calls(without: str = "") -> list[tuple[str, str]]:
    return [(way.starts[0], way.ends[0]) for way in ways() if way.what != without]


def _types(leave_out: str = "", more: str = "") -> bytes:
    writer = fake_btf.of_the_fake()
    for name, members in assumptions._LAYOUTS.items():
        kept = [one for one in members if one != leave_out]
        writer.struct(name, 8 * len(kept), [(one, 1, 64 * at) for at, one in enumerate(kept)])
    if more:
        writer.function(more, 1, [("x", 1)])
    return writer.bytes()


@dataclass
class Parts:
    """What a kernel is made of, all of it as lppack assumes; a case changes one."""

    symbols: Sequence[KallsymsEntry] = field(default_factory=_symbols)
    sites: Sequence[int] = fake.SITES
    calls: Sequence[tuple[str, str]] = field(default_factory=_calls)
    types: bytes = field(default_factory=_types)
    exported: Sequence[str] = _EXPORTED
    moved: int = 0  # bytes between an export and its symbol
    listed: Sequence[str] = _EXPORTED  # in Module.symvers
    options: Sequence[str] = _OPTIONS
    compiler: str = "gcc-12"
    banner: str = fake.VERSION
    packed: bytes | None = None
    tables: bytes | None = None
    headers_of: str = fake.RELEASE
    vermagic: str = fake.RELEASE


def kernel(folder: Path, parts: Parts) -> Kernel:
    made = make_kernel(folder, compiler=parts.compiler)
    where = {one.name: one.address for one in parts.symbols}
    tables = fake.encode(fake.with_sites(parts.symbols, len(parts.sites)))
    if parts.tables is not None:
        tables.data[:] = parts.tables
    vmlinux = fake.vmlinux(
        tables,
        parts.sites,
        [(name, where[name] + parts.moved) for name in parts.exported],
        parts.types,
        [(where[one], where[other]) for one, other in parts.calls if {one, other} <= {*where}],
    )
    banner = f"{fake.RELEASE} (debian-kernel@lists.debian.org) {parts.banner}"
    image = folder / "boot/vmlinuz"
    image.write_bytes(fake.bzimage(parts.packed or fake.pack(vmlinux), banner=banner))
    with made.config.open("a") as file:
        file.writelines(f"CONFIG_{name}=y\n" for name in parts.options)
    (made.headers / "Module.symvers").write_text(
        "".join(f"0x00000001\t{name}\tvmlinux\tEXPORT_SYMBOL\t\n" for name in parts.listed)
    )
    generated = made.headers / "include/generated"
    generated.mkdir(parents=True)
    (generated / "utsrelease.h").write_text(f'#define UTS_RELEASE "{parts.headers_of}"\n')
    modules = folder / "lib/modules/kernel"
    modules.mkdir(parents=True)
    info = f"vermagic={parts.vermagic} SMP preempt mod_unload\0".encode()
    (modules / "one.ko").write_bytes(fake.module(modinfo=info))
    return replace(
        made,
        release=fake.RELEASE,
        version=fake.VERSION,
        image=image,
        modules=modules.parent,
    )


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def broken(folder: Path, parts: Parts) -> list[str]:
    return [one.assumption.name for one in try_all(kernel(folder, parts)) if not one.holds]


def test_a_kernel_as_lppack_assumes(tmp_path: Path) -> None:
    assert broken(tmp_path, Parts()) == []


#: What is broken, and which assumptions cannot hold then.
CASES: dict[str, tuple[Callable[[], Parts], list[str]]] = {
    "image": (lambda: Parts(banner="#1 SMP Debian 6.1.998-1"), ["image", "livepatch-types"]),
    "kallsyms": (
        lambda: Parts(tables=bytes(0x4000)),
        [
            *("kallsyms", "ftrace-sites", "exports", "symvers", "prototypes", "livepatch-types"),
            *("livepatch-calls", "border", "engine-symbols"),
        ],
    ),
    "ftrace-sites": (
        lambda: Parts(symbols=_symbols("__start_mcount_loc")),
        ["ftrace-sites", "livepatch-types"],
    ),
    "sites-before-the-code": (
        lambda: Parts(sites=(fake.TEXT - 8, *fake.SITES)),
        ["ftrace-sites", "livepatch-types"],
    ),
    "exports": (
        lambda: Parts(moved=4),
        ["exports", "symvers", "livepatch-types", "livepatch-calls"],
    ),
    "symvers": (lambda: Parts(listed=(*_EXPORTED, "another")), ["symvers"]),
    "btf": (lambda: Parts(types=b"\0" * 64), ["btf", "prototypes", "livepatch-types"]),
    "prototypes": (
        lambda: Parts(types=_types(more="nowhere")),
        ["prototypes", "livepatch-types"],
    ),
    "livepatch-types": (lambda: Parts(types=_types(leave_out="replace")), ["livepatch-types"]),
    "livepatch-config": (lambda: Parts(options=_OPTIONS[1:]), ["livepatch-config"]),
    "trimmed": (lambda: Parts(options=(*_OPTIONS, "TRIM_UNUSED_KSYMS")), ["livepatch-config"]),
    "livepatch-calls": (
        lambda: Parts(exported=_EXPORTED[1:], listed=_EXPORTED[1:]),
        ["livepatch-calls"],
    ),
    "headers": (lambda: Parts(headers_of="6.1.0-98-amd64"), ["headers"]),
    "compiler": (lambda: Parts(compiler="clang-19"), ["compiler"]),
    "modules": (lambda: Parts(vermagic="6.1.0-98-amd64"), ["modules"]),
    "border": (lambda: Parts(symbols=_symbols("irqentry_exit_to_user_mode")), ["border"]),
    "inlined": (lambda: Parts(calls=_calls(without="a debugger's stop")), ["border"]),
    "spinlocks": (lambda: Parts(options=(*_OPTIONS, "PREEMPT_RT")), ["spinlocks"]),
    "preemption": (
        lambda: Parts(options=[one for one in _OPTIONS if one != "PREEMPTION"]),
        ["preemption"],
    ),
    "engine-symbols": (lambda: Parts(symbols=_symbols("idle_task")), ["engine-symbols"]),
    "vmlinux": (
        lambda: Parts(packed=b"\xfd7zXZ\0" + bytes(200)),
        [
            *("vmlinux", "kallsyms", "ftrace-sites", "exports", "symvers", "btf", "prototypes"),
            *("livepatch-types", "livepatch-calls", "border", "engine-symbols"),
        ],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_does_not_hold_is_named(tmp_path: Path, case: str) -> None:
    parts, names = CASES[case]
    assert broken(tmp_path, parts()) == names


def test_each_assumption_is_broken_by_a_case() -> None:
    first = {names[0] for _, names in CASES.values()}
    assert first == {one.name for one in ASSUMPTIONS}


@pytest.mark.parametrize(
    ("case", "rc", "said"),
    [
        ("", 0, "engine-symbols: what the engine calls is there: all 12 functions"),
        ("border", 0, "note  border: "),
        ("symvers", 9, "NO    symvers: "),
    ],
)
def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str, rc: int, said: str
) -> None:
    made = kernel(tmp_path, CASES[case][0]() if case else Parts())
    monkeypatch.setattr("lppack.debian.kernels.resolve", lambda *_: made)
    words = ["--kernel", fake.RELEASE]
    ran = CliRunner().invoke(doctor, words, standalone_mode=False)
    assert ran.return_value == rc
    assert re.search(rf"^(ok +)?{said}", ran.output, re.M), ran.output
    ran = CliRunner().invoke(doctor, [*words, "--format", "json"], standalone_mode=False)
    shown = json.loads(ran.output)
    check_shape("doctor-kernel", shown)
    assert shown["ok"] == (rc == 0)
    assert [one["name"] for one in shown["assumptions"] if not one["holds"]] == [case][: bool(case)]
    assert all(one["source"] for one in shown["assumptions"])


def test_a_kernel_is_not_this_machine() -> None:
    ran = CliRunner().invoke(doctor, ["--kernel", fake.RELEASE, "--fix"])
    assert ran.exit_code == 2
    assert "not this machine" in ran.output
