# SPDX-License-Identifier: MIT
"""What the image says of functions, against the debug package of the same kernel."""

import json
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from lppack.debian.supported import releases_of
from lppack.kernel.debug import read_inlining
from lppack.kernel.facts import Facts, SymbolVerdict, open_facts
from lppack.kernel.image import read_image
from lppack.kernel.query import Answer, query
from lppack.model import InliningCheck, Kernel
from lppack.stages.provenance import facts_of
from tests.guest.stable import FIXED
from tests.kit.command import EXAMPLES, check_shape, lppack

pytestmark = pytest.mark.guest

DEBIAN_12 = releases_of()


@pytest.fixture(scope="module")
def deep(kernel: Kernel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Facts]:
    """Facts whose debug package was fetched and read for this test, whatever the cache has."""
    path = tmp_path_factory.mktemp("deep") / "inlining.sqlite"
    with open_facts(kernel) as facts:
        facts.inlining = read_inlining(
            path, kernel, facts.symbols, read_image(kernel.image), lambda _line: None
        )
        yield facts


@pytest.fixture
def shallow(kernel: Kernel) -> Iterator[Facts]:
    with open_facts(kernel) as facts:
        if facts.inlining:
            facts.inlining.close()
        facts.inlining = None
        yield facts


def answers(facts: Facts, *names: str) -> dict[str, Answer]:
    return {answer.name: answer for answer in query(facts, names)}


def test_no_silent_hole(deep: Facts, shallow: Facts, capfd: pytest.CaptureFixture[str]) -> None:
    """Of each function that a stable fix changed: it can be patched and has no copies, or the
    copies are named; and without the debug package it is said that they are not known."""
    names = [fixed.function for fixed in FIXED]
    told, known = answers(shallow, *names), answers(deep, *names)
    rows = []
    for fixed in FIXED:
        before, after = told[fixed.function], known[fixed.function]
        holders = sorted({holder.name for holder in after.inlined_into})
        rows.append((fixed.function, before.verdict, after.verdict, ", ".join(holders) or "-"))
        assert before.inlining is InliningCheck.UNCHECKED, fixed
        assert after.inlining is InliningCheck.CHECKED, fixed
        if after.verdict is SymbolVerdict.INLINED:
            assert before.verdict is SymbolVerdict.MISSING, fixed
            assert holders, fixed
        else:
            assert before.verdict is after.verdict, fixed
            assert set(after.files) <= {fixed.file}, fixed
        assert all(holder in (after.hint or "") for holder in holders[:8]), fixed
        if after.verdict is not SymbolVerdict.PATCHABLE:
            assert after.hint, fixed
            assert before.hint, fixed
    with capfd.disabled():
        shown = [("function", "image alone", "debug package", "inlined into"), *rows]
        widths = [max(len(row[i]) for row in shown) for i in range(3)]
        for row in shown:
            cells = [cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)]
            sys.stderr.write("\n  " + "  ".join(cells))
    assert len(FIXED) >= 30
    kinds = {(row[2], row[3] != "-") for row in rows}
    assert {
        (SymbolVerdict.PATCHABLE, False),
        (SymbolVerdict.PATCHABLE, True),
        (SymbolVerdict.INLINED, True),
    } <= kinds


@pytest.mark.parametrize(
    ("function", "holders"),
    [
        # Found by hand, with gdb and in the sources, when real fixes were looked at.
        ("show_val_kb", {"meminfo_proc_show"}),
        ("ipc_idr_alloc", {"ipc_addid"}),
        ("addrconf_disable_ipv6", {"addrconf_sysctl_disable"}),
        ("cmdline_proc_show", set()),
    ],
)
def test_what_is_known_by_hand(deep: Facts, function: str, holders: set[str]) -> None:
    assert deep.inlining
    assert {holder.name for holder in deep.inlining.holders(function)} == holders


def test_the_file_of_each_of_several(deep: Facts) -> None:
    assert answers(deep, "s_show")["s_show"].files == (
        "arch/x86/kernel/cpu/mce/severity.c",
        "kernel/kallsyms.c",
        "kernel/trace/trace.c",
        "mm/vmalloc.c",
    )


def test_traceable_functions_are_in_the_debug_information(deep: Facts) -> None:
    """Nearly all: aliases and what the compiler folded into one have no entry of their own."""
    assert deep.inlining
    some = [s for s in deep.symbols() if s.traceable and not s.init and "." not in s.name][::20]
    files = [deep.inlining.file_of(symbol) for symbol in some]
    assert files.count(None) < len(some) / 50


def patch(folder: Path, *, replaced: str, fixed: str) -> Path:
    """A patch of one function that claims to fix another."""
    made = yaml.safe_load((EXAMPLES / "proc-cmdline/manifest.yaml").read_text())
    made["objects"] = [{"name": "vmlinux", "functions": [{"old": replaced, "new": "lp_new"}]}]
    made["fixes"] = [{"commit": "0123456789ab", "functions": [fixed]}]
    made["sources"] = ["new.c"]
    folder.mkdir()
    (folder / "manifest.yaml").write_text(yaml.safe_dump(made))
    (folder / "new.c").write_text("void lp_new(void);\nvoid lp_new(void)\n{\n}\n")
    return folder


def test_commands_with_deep(tmp_path: Path) -> None:
    """The first fetches the debug package if it never was; the others have it."""
    on = ("--kernel", DEBIAN_12)
    ran = lppack("facts", "show_val_kb", "s_show", *on, "--deep", "--format", "json")
    assert ran.rc == 9, ran.err
    check_shape("facts", ran.json)
    inlined, several = ran.json["functions"]
    assert (inlined["verdict"], inlined["inlining"]) == ("inlined", "checked")
    assert inlined["inlined_into"] == ["meminfo_proc_show"]
    assert [copy["file"] for copy in several["copies"]][-1] == "mm/vmalloc.c"
    module = lppack("facts", "lo_ioctl", "--object", "loop", *on, "--deep", "--format", "json")
    assert module.json["functions"][0]["inlining"] == "unchecked"

    hole = patch(tmp_path / "hole", replaced="fib_sync_mtu", fixed="fib_nhc_update_mtu")
    ran = lppack("validate", hole, *on, "--deep")
    assert ran.rc == 3
    assert '"fib_nhc_update_mtu" is in vmlinux, and is not replaced' in ran.out
    hole = patch(tmp_path / "half", replaced="fib_nhc_update_mtu", fixed="fib_nhc_update_mtu")
    ran = lppack("validate", hole, *on, "--deep")
    assert ran.rc == 3
    assert '"fib_nhc_update_mtu" is also inlined into fib_sync_mtu' in ran.out
    whole = patch(tmp_path / "whole", replaced="meminfo_proc_show", fixed="show_val_kb")
    ran = lppack("plan", whole, *on, "--deep", "--format", "json")
    assert ran.rc == 0, ran.err
    [said] = [item for item in ran.json["decisions"] if item["what"] == "inlining"]
    assert said["value"] == "checked"


def test_a_release_says_what_was_checked(tmp_path: Path) -> None:
    def provenance(name: str, *words: str) -> dict[str, str]:
        ran = lppack("build", EXAMPLES / name, "--release", *words, "-o", tmp_path)
        assert ran.rc == 0, ran.err
        with zipfile.ZipFile(ran.out.split()[-1]) as bundle:
            return facts_of(json.loads(bundle.read("provenance.json")))

    checked = provenance("proc-cmdline", "--deep", "--unproved")
    assert (checked["inlining"], checked["complete"]) == ("checked", "not checked")
    refused = lppack("build", EXAMPLES / "conn-limit", "--release", "-o", tmp_path)
    assert refused.rc == 9
    assert "is not proved to be complete: the manifest names no change" in refused.err
    refused = lppack("build", EXAMPLES / "conn-limit", "--release", "--unproved", "-o", tmp_path)
    assert refused.rc == 9
    assert "inlining was not checked: debug files of modules are not read" in refused.err
    assert not list(tmp_path.glob("conn-limit*"))
    unchecked = provenance("conn-limit", "--unproved", "--inlining-unchecked")
    assert unchecked["inlining"] == "unchecked"
    assert "--inlining-unchecked" in unchecked["release"]
