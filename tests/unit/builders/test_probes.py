# SPDX-License-Identifier: MIT
"""What kbuild tries is tried once: with the real make, and a Makefile that tries as kbuild does."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from lppack import resources, store
from lppack.builders.probes import Probes, environment, open_probes
from tests.kit.samples import kernel

KERNEL = kernel()

#: As scripts/Makefile.compiler has it: an attempt, and what it gives in either case.
_TRY = """\
try-run = $(shell if ($(1)) > /dev/null 2>&1; then echo "$(2)"; else echo "$(3)"; fi)
open := (
hash := \\#
FLAGS := -DA='x: 1' $(KCFLAGS)
first := $(call try-run,test -e flag && echo '$(hash)  = %' $(FLAGS) "$$TMP",-Wno-error=a -b,)
second := $(call try-run,test -n "$$TMP" && printf '%s$(open)' "$(FLAGS)",y,n)
$(eval $(call try-run,true,made := 1))
all: ; @echo '[$(first)] [$(second)] [$(made)]'
"""


def run(work: Path, kcflags: str = "-one") -> "subprocess.CompletedProcess[str]":
    argv = environment(str(work), ["make", "-s", "-C", str(work), f"KCFLAGS={kcflags}"])
    return subprocess.run(argv, capture_output=True, text=True, env={**os.environ}, check=False)


def make(work: Path, probes: Probes, kcflags: str = "-one") -> str:
    probes.write(work)
    done = run(work, kcflags)
    assert done.returncode == 0, done.stderr
    probes.keep(work)
    return done.stdout.strip()


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "work").mkdir()
    (tmp_path / "work/Makefile").write_text(_TRY)
    (tmp_path / "work/flag").touch()
    return tmp_path / "work"


def test_what_was_tried_is_not_tried_again(work: Path) -> None:
    probes = open_probes(KERNEL, {"builder": "docker", "compiler": "gcc-12"})
    assert make(work, probes) == "[-Wno-error=a -b] [y] [1]"
    assert len(store.read_json(probes.place)) == 2, "the third gives what no option is"
    (work / "flag").unlink()
    assert make(work, probes) == "[-Wno-error=a -b] [y] [1]"
    assert make(work, probes, "-ffile-prefix-map=/another=/place") == "[-Wno-error=a -b] [y] [1]"


def test_a_refusal_is_tried_again(work: Path) -> None:
    """It may have been the machine that had no room for the attempt."""
    probes = open_probes(KERNEL, {"builder": "docker", "compiler": "gcc-12"})
    (work / "flag").unlink()
    assert make(work, probes) == "[] [y] [1]"
    assert len(store.read_json(probes.place)) == 1, "what succeeded"
    (work / "flag").touch()
    assert make(work, probes) == "[-Wno-error=a -b] [y] [1]"
    assert not list(work.glob("tmp.*")), "no folder of an attempt is left"


def test_without_a_folder_nothing_is_answered_or_kept(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, or no more processes: a build with an option too few is none."""
    programs = work.parent / "programs"
    programs.mkdir()
    (programs / "mktemp").write_text("#!/bin/sh\necho mktemp: no space >&2\nexit 1\n")
    (programs / "mktemp").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    probes = Probes(place=work.parent / "known")
    probes.write(work)
    done = run(work)
    assert done.returncode == 2
    assert "mktemp: no space" in done.stderr
    assert f"*** lppack: no option of the compiler can be tried in {work}/." in done.stderr
    probes.keep(work)
    assert not probes.place.exists()


def test_another_compiler_or_kernel_is_tried_anew(work: Path) -> None:
    one = open_probes(KERNEL, {"builder": "docker", "compiler": "gcc-12"})
    make(work, one)
    (work / "flag").unlink()
    for other in (
        open_probes(KERNEL, {"builder": "docker", "compiler": "gcc-14"}),
        open_probes(replace(KERNEL, release="6.2"), {"builder": "docker", "compiler": "gcc-12"}),
    ):
        assert make(work, other) == "[] [y] [1]"


@pytest.mark.parametrize(
    "line",
    [
        "lppack-probe|a|y|| := $(lppack-empty)$(shell touch /tmp/x)",
        "lppack-probe|a|lppack-probe|b|y|| := $(lppack-empty)y",
        "lppack-probe|a|y|| := y",
        "a := $(lppack-empty)y",
        "lppack-probe|{work}/x|y|| := $(lppack-empty)y",
        "lppack-probe|a|-Wno-x|| := $(lppack-empty)-Wno-y",
        "lppack-probe|a|y| := $(lppack-empty)y",
    ],
)
def test_what_is_no_attempt_is_not_kept(line: str, work: Path) -> None:
    probes = Probes(place=work.parent / "known")
    (work / "probes.new").write_text(f"{line.replace('{work}', str(work))}\n")
    probes.keep(work)
    assert not probes.place.exists()
    (work / "probes.new").write_text(
        "lppack-probe|a|%s-Wno-x%e1,2|| := $(lppack-empty) -Wno-x=1,2\n"
    )
    probes.keep(work)
    assert store.read_json(probes.place) == {"lppack-probe|a|%s-Wno-x%e1,2||": " -Wno-x=1,2"}


@pytest.mark.parametrize(
    "record",
    [
        {"x := $(shell touch ran)\n": ""},
        {"lppack-probe|a|y||": "y\nx := $(shell touch ran)"},
        {"lppack-probe|a|$(shell\ttouch\tran)||": "$(shell\ttouch\tran)"},
        {"lppack-probe|$(shell\ttouch\tran)|y||": "y"},
        {"lppack-probe|a|y||": "$(shell touch ran)"},
        {"lppack-probe|a:;touch$${IFS}ran||y||": "y"},
        {"lppack-probe|a|y||": "-fplugin=/tmp/x.so"},
        {"lppack-probe|a|y||": ["y"]},
        {"lppack-probe|a|||": None},
        ["lppack-probe|a|y||"],
        "y",
    ],
)
def test_a_record_of_somebody_else_answers_an_attempt_and_nothing_more(
    record: object, work: Path
) -> None:
    """A service restores caches: what is in them is read again before make reads it."""
    probes = Probes(place=work.parent / "known")
    store.write_json(probes.place, record)
    probes.write(work)
    template = (resources.template_dir() / "kbuild/probes.mk").read_text()
    assert (work / "probes.mk").read_text() == template
    assert make(work, probes) == "[-Wno-error=a -b] [y] [1]"
    assert not (work / "ran").exists()
    assert len(store.read_json(probes.place)) == 2, "it is not kept beside what is true"


def test_a_damaged_record_is_tried_anew(work: Path) -> None:
    probes = Probes(place=work.parent / "known")
    make(work, probes)
    probes.place.write_bytes(probes.place.read_bytes()[:-9])
    (work / "flag").unlink()
    assert make(work, probes) == "[] [y] [1]"
    assert store.has_json(probes.place)
