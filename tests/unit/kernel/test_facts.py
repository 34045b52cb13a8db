# SPDX-License-Identifier: MIT
"""The facts of a kernel: decoded once, and asked for by name."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lppack.errors import EnvironmentMissing
from lppack.kernel.facts import Facts, FactsError, Verdict, open_facts, verdict
from lppack.model import Kernel

from . import fake


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/lppack/facts"


@pytest.fixture
def kernel(tmp_path: Path, cache: Path) -> Kernel:
    root = tmp_path / "root"
    modules = root / "lib/modules" / fake.RELEASE
    (modules / "kernel").mkdir(parents=True)
    (modules / "kernel/victim-mod.ko").write_bytes(fake.module())
    return Kernel(
        release=fake.RELEASE,
        version=fake.VERSION,
        suite="bookworm",
        root=root,
        image=fake.write_image(root / "boot/vmlinuz"),
        config=root / "boot/config",
        modules=modules,
        headers=root / "usr/src/headers",
    )


@pytest.fixture
def facts(kernel: Kernel) -> Iterator[Facts]:
    with open_facts(kernel) as facts:
        yield facts


def test_copies(facts: Facts) -> None:
    (alpha,) = facts.copies("alpha_open")
    assert (alpha.address, alpha.type, alpha.sympos) == (fake.TEXT + 0x100, "t", 1)
    assert (alpha.traceable, alpha.init, alpha.size) == (True, False, 0x40)
    assert [s.sympos for s in facts.copies("s_show")] == [1, 2]
    assert facts.copies("cpu_number")[0].address == 0x1000
    assert facts.copies("nothing") == ()


@pytest.mark.parametrize(
    ("name", "sympos", "expected"),
    [
        ("alpha_open", None, Verdict.PATCHABLE),
        ("alpha_open", 0, Verdict.PATCHABLE),
        ("alpha_open", 1, Verdict.PATCHABLE),
        ("alpha_open", 2, Verdict.MISSING),
        ("s_show", None, Verdict.AMBIGUOUS),
        ("s_show", 0, Verdict.AMBIGUOUS),
        ("s_show", 1, Verdict.PATCHABLE),
        ("s_show", 2, Verdict.UNTRACEABLE),
        ("s_show", 3, Verdict.MISSING),
        ("native_clock", None, Verdict.UNTRACEABLE),
        ("start_here", None, Verdict.INIT),
        ("split_me", None, Verdict.CLONE_ONLY),
        ("with_endbr", None, Verdict.PATCHABLE),
        ("nothing", None, Verdict.MISSING),
        ("nothing", 1, Verdict.MISSING),
    ],
)
def test_verdicts(facts: Facts, name: str, sympos: int | None, expected: Verdict) -> None:
    assert verdict(facts.copies(name), facts.clones(name), sympos) is expected


def test_clones(facts: Facts) -> None:
    assert facts.clones("split_me") == ("split_me.isra.0",)
    assert facts.clones("with_endbr") == ("with_endbr.cold",)  # .12345 is a static variable
    assert facts.clones("split") == ()


def test_similar(facts: Facts) -> None:
    assert facts.similar("alpha_opne") == ("alpha_open",)
    assert facts.similar("name_show") == ("proc_name_show",)
    assert facts.similar("beta_opens", limit=1) == ("beta_open",)
    assert facts.similar("qqqqqqq") == ()
    assert facts.similar("dup_helpr", module="victim_mod") == ("dup_helper",)


def test_neighbours(facts: Facts) -> None:
    first, second = facts.copies("s_show")
    assert facts.neighbours(first) == ("alpha_open", "native_clock")
    assert facts.neighbours(second) == ("beta_open", "split_me.isra.0")
    assert facts.neighbours(facts.copies("_text")[0]) == (None, "_stext")
    assert facts.neighbours(replace(first, sympos=9)) == (None, None)


def test_modules(facts: Facts, tmp_path: Path) -> None:
    assert facts.has_module("victim_mod")
    assert facts.has_module("victim-mod")
    assert not facts.has_module("other")
    first, second = facts.module_copies("victim_mod", "dup_helper")
    assert (first.traceable, second.traceable) == (True, False)
    assert facts.neighbours(first, module="victim_mod") == ("before", "between")
    assert facts.neighbours(second, module="victim_mod") == ("between", "with_endbr")
    assert facts.module_clones("victim_mod", "work") == ("work.isra.0",)
    assert facts.module_copies("victim_mod", "work") == ()
    with pytest.raises(FactsError, match="no module 'other'"):
        facts.module_copies("other", "work")


def test_any_module_file(facts: Facts, tmp_path: Path) -> None:
    path = tmp_path / "own.ko"
    assert not facts.has_module(path)
    path.write_bytes(fake.module())
    assert facts.has_module(path)
    assert facts.module_copies(path, "exported")[0].traceable


def test_decoded_once(kernel: Kernel, cache: Path) -> None:
    open_facts(kernel).close()
    (file,) = cache.iterdir()  # and no draft beside it
    with sqlite3.connect(file) as database:
        database.execute("UPDATE symbol SET name = 'from_the_cache' WHERE name = 'alpha_open'")
    database.close()
    with open_facts(kernel) as facts:
        assert facts.copies("from_the_cache")


@pytest.mark.parametrize("content", (b"", b"rubbish" * 1000))
def test_a_damaged_cache_is_made_again(kernel: Kernel, cache: Path, content: bytes) -> None:
    open_facts(kernel).close()
    (file,) = cache.iterdir()
    file.write_bytes(content)
    with open_facts(kernel) as facts:
        assert facts.copies("alpha_open")


def test_nothing_is_cached_of_a_wrong_decode(kernel: Kernel, cache: Path) -> None:
    tables = fake.encode(fake.with_sites(fake.SYMBOLS, len(fake.SITES)))
    tables.patch("token_index", 300, "<H", 0)
    fake.write_image(kernel.image, fake.vmlinux(tables))
    with pytest.raises(FactsError, match="token index"):
        open_facts(kernel)
    assert not cache.exists()


def test_another_kernel_than_was_said_is_refused(kernel: Kernel) -> None:
    with pytest.raises(FactsError, match="not 6.9"):
        open_facts(replace(kernel, release="6.9"))
    with pytest.raises(FactsError, match="not 6.1.0-99-amd64 #2"):
        open_facts(replace(kernel, version="#2"))


def test_what_cannot_be_read_or_written(kernel: Kernel, cache: Path) -> None:
    with pytest.raises(EnvironmentMissing, match="cannot read"):
        open_facts(replace(kernel, image=kernel.root / "nothing"))
    cache.parent.mkdir(parents=True)
    cache.write_bytes(b"in the way")
    with pytest.raises(EnvironmentMissing, match="cannot write"):
        open_facts(kernel)
