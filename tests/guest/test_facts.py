# SPDX-License-Identifier: MIT
"""The facts of a kernel, against the same kernel running: Debian 12's, Debian 13's, and that of its
backports."""

import hashlib
import re
from pathlib import Path

import pytest

from lppack import pipeline
from lppack.debian.kernels import resolve
from lppack.debian.supported import releases_of
from lppack.hosts.guest import GuestHost, boot
from lppack.kernel.facts import Facts, open_facts
from lppack.kernel.image import read_image
from lppack.model import Kernel
from tests.kit.command import check_shape, lppack

pytestmark = pytest.mark.guest

#: The newest kernel of Debian 13, whatever suite this machine is of.
TRIXIE = releases_of("6.12")
#: The image is with the modules, the tables are of another form, and threads are preempted.
BACKPORTS = releases_of("7.2")


def test_the_facts_are_those_of_the_running_kernel(guest: GuestHost, kernel: Kernel) -> None:
    compare(guest, kernel)


@pytest.mark.parametrize("pattern", (TRIXIE, BACKPORTS))
def test_the_same_for_the_next_debian(pattern: str, tmp_path: Path) -> None:
    kernel = resolve(pattern, ())
    assert kernel.suite == "trixie"
    initramfs = pipeline.initramfs_for(kernel, "docker")
    with boot(kernel, work=tmp_path, initramfs=initramfs) as guest:
        compare(guest, kernel)
        assert guest.faults() == ()


@pytest.mark.parametrize("pattern", [TRIXIE, BACKPORTS])
def test_what_lppack_assumes_of_a_kernel(pattern: str) -> None:
    ran = lppack("doctor", "--kernel", pattern, "--format", "json")
    assert ran.rc == 0, ran.out + ran.err
    check_shape("doctor-kernel", ran.json)
    assert [one["name"] for one in ran.json["assumptions"] if not one["holds"]] == []


def compare(guest: GuestHost, kernel: Kernel) -> None:
    """Names, types and order as in /proc/kallsyms; traceable as in available_filter_functions."""
    with open_facts(kernel) as facts:
        shown = _kallsyms(guest)
        symbols = facts.symbols()
        assert [(symbol.name, symbol.type) for symbol in symbols] == [row[1:] for row in shown]
        # KASLR moves the code, and per-CPU offsets stay.
        (text,) = facts.copies("_text")
        moved = next(address for address, name, _ in shown if name == "_text") - text.address
        code = [(s.address + moved, a) for s, (a, *_) in zip(symbols, shown, strict=True)]
        assert all(ours == theirs for ours, theirs in code if theirs >= text.address)
        _compare_sites(guest, facts)
        _compare_exports(facts)
    vmlinux = read_image(kernel.image).vmlinux()
    btf = hashlib.sha256(vmlinux.content(vmlinux.section(".BTF"))).hexdigest()
    ran = guest.run(["sha256sum", "/sys/kernel/btf/vmlinux"], limit=60.0)
    assert ran.out.split()[0] == btf


def _kallsyms(guest: GuestHost) -> list[tuple[int, str, str]]:
    rows = [line.split() for line in guest.read("/proc/kallsyms").splitlines()]
    return [(int(row[0], 16), row[2], row[1]) for row in rows if len(row) == 3]


def _compare_sites(guest: GuestHost, facts: Facts) -> None:
    path = f"{_tracefs(guest)}/available_filter_functions"
    listed = {line.split()[0] for line in guest.read(path).splitlines() if "[" not in line}
    # Several symbols may stand at one address; ftrace lists one name for each site.
    traceable: dict[int, set[str]] = {}
    for symbol in facts.symbols():
        if symbol.traceable and not symbol.init:
            traceable.setdefault(symbol.address, set()).add(symbol.name)
    assert not [names for names in traceable.values() if not names & listed]
    known = set().union(*traceable.values())
    # Sites behind another function's code, of weak functions that were overridden.
    assert not {name for name in listed - known if not name.startswith("__ftrace_invalid_address")}
    assert len(traceable) > 30_000


def _compare_exports(facts: Facts) -> None:
    """The image's own tables say what Module.symvers of the headers says."""
    with (facts.kernel.headers / "Module.symvers").open() as lines:
        rows = [line.rstrip("\n").split("\t") for line in lines]
    for _, name, module, kind, namespace in rows:
        if module == "vmlinux":
            export = facts.exported(name)
            assert export, name
            assert (export.gpl, export.namespace or "") == (kind.endswith("_GPL"), namespace), name
            assert export.module is None
    other = facts.exported("usb_stor_probe1")
    assert other
    assert (other.module, other.gpl, other.namespace) == ("usb_storage", True, "USB_STORAGE")
    assert facts.exported("cmdline_proc_show") is None


def _tracefs(guest: GuestHost) -> str:
    rows = (line.split() for line in guest.read("/proc/mounts").splitlines())
    return next(row[1] for row in rows if row[2] == "tracefs")


@pytest.mark.parametrize("pattern", (releases_of(), TRIXIE, BACKPORTS))
def test_lppack_facts(pattern: str) -> None:
    good = lppack("facts", "cmdline_proc_show", "--kernel", pattern, "--format", "json")
    assert good.rc == 0, good.err
    check_shape("facts", good.json)
    [shown] = good.json["functions"]
    assert shown["prototype"] == "int cmdline_proc_show(struct seq_file *m, void *v)"
    assert (shown["verdict"], len(shown["copies"])) == ("patchable", 1)
    names = ("s_show", "nft_flow_rule_create", "cmdline_proc_shw", "start_kernel", "exc_int3")
    mixed = lppack("facts", *names, "--kernel", pattern, "--format", "json")
    assert mixed.rc == 9
    check_shape("facts", mixed.json)
    answers = {answer["name"]: answer for answer in mixed.json["functions"]}
    assert [answers[name]["verdict"] for name in names] == [
        "ambiguous",
        "missing",
        "missing",
        "init",
        "untraceable",
    ]
    # With neighbours, or with files where the debug package was read.
    assert re.search("sympos 2 (stands between|is of)", answers["s_show"]["hint"])
    assert "nf_tables" in answers["nft_flow_rule_create"]["hint"]
    assert "did you mean cmdline_proc_show" in answers["cmdline_proc_shw"]["hint"]
    text = lppack("facts", "lo_ioctl", "--object", "loop", "--kernel", pattern)
    assert text.rc == 0, text.err
    assert text.out.startswith("lo_ioctl in loop: patchable\n  int lo_ioctl(")
