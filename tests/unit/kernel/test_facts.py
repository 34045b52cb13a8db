# SPDX-License-Identifier: MIT
"""The facts of a kernel: decoded once, and asked for by name."""

from dataclasses import replace
from pathlib import Path

import pytest

from lppack import store
from lppack.errors import EnvironmentMissing
from lppack.kernel.facts import Export, Facts, FactsError, SymbolVerdict, open_facts, verdict
from lppack.model import Kernel
from tests.kit import fake_btf
from tests.kit import fake_image as fake


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
        ("alpha_open", None, SymbolVerdict.PATCHABLE),
        ("alpha_open", 0, SymbolVerdict.PATCHABLE),
        ("alpha_open", 1, SymbolVerdict.PATCHABLE),
        ("alpha_open", 2, SymbolVerdict.MISSING),
        ("s_show", None, SymbolVerdict.AMBIGUOUS),
        ("s_show", 0, SymbolVerdict.AMBIGUOUS),
        ("s_show", 1, SymbolVerdict.PATCHABLE),
        ("s_show", 2, SymbolVerdict.UNTRACEABLE),
        ("s_show", 3, SymbolVerdict.MISSING),
        ("native_clock", None, SymbolVerdict.UNTRACEABLE),
        ("start_here", None, SymbolVerdict.INIT),
        ("split_me", None, SymbolVerdict.CLONE_ONLY),
        ("with_endbr", None, SymbolVerdict.PATCHABLE),
        ("nothing", None, SymbolVerdict.MISSING),
        ("nothing", 1, SymbolVerdict.MISSING),
    ],
)
def test_verdicts(facts: Facts, name: str, sympos: int | None, expected: SymbolVerdict) -> None:
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
    assert facts.similar("alpha_opne", variables=True)[0] == "alpha_open"


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


def test_aliases(facts: Facts) -> None:
    (shown,) = facts.copies("proc_name_show")
    assert facts.aliases(shown) == ("proc_name_alias",)
    assert facts.aliases(facts.copies("alpha_open")[0]) == ()
    # In a module an address is an offset in a section.
    (init,) = facts.module_copies("victim_mod", "init_module")
    assert facts.aliases(init, module="victim_mod") == ()


def test_exports(facts: Facts) -> None:
    assert facts.exported("native_clock") == Export(
        name="native_clock", gpl=False, module=None, namespace=None
    )
    assert facts.exported("exported") == Export(
        name="exported", gpl=True, module="victim_mod", namespace="VICTIM"
    )
    assert facts.exported("alpha_open") is None


def test_prototypes(facts: Facts) -> None:
    assert facts.prototypes("alpha_open") == ("int alpha_open(int x)",)
    assert facts.prototypes("s_show") == ("int s_show(int first)", "int s_show(int second)")
    assert facts.prototypes("nothing") == ()
    assert facts.prototypes("exported", module="victim_mod") == ("void exported(struct own own)",)
    assert facts.prototypes("exported") == ()
    assert facts.prototypes("alpha_open", module="victim_mod") == ()
    assert facts.prototypes("exported", module="plain") == ()


def test_layouts(facts: Facts) -> None:
    (thing,) = facts.layouts("struct thing")
    assert (thing.size, [member.name for member in thing.members]) == (4, ["id"])
    assert facts.layouts("thing") == ()
    assert facts.layouts("struct own") == ()
    assert len(facts.layouts("struct own", module="victim_mod")) == 1
    assert facts.layouts("struct thing", module="victim_mod") == (thing,)


def test_a_module_whose_types_stand_alone(facts: Facts, tmp_path: Path) -> None:
    """As a build without the kernel's vmlinux may make it."""
    path = tmp_path / "own.ko"
    path.write_bytes(fake.module(btf=fake_btf.sample()[0].bytes()))
    assert facts.prototypes("nothing", module=path) == ("void nothing(void)",)
    assert len(facts.layouts("struct node", module=path)) == 1


def test_a_kernel_without_btf(kernel: Kernel) -> None:
    fake.write_image(kernel.image)
    with open_facts(kernel) as facts:
        assert facts.copies("alpha_open")
        assert facts.prototypes("alpha_open") == ()
        assert facts.layouts("struct thing") == ()
        assert facts.prototypes("exported", module="victim_mod") == ()


def test_btf_of_another_kernel_is_refused(kernel: Kernel, cache: Path) -> None:
    writer = fake_btf.of_the_fake()
    writer.function("of_another_kernel", 0)
    fake.write_image(kernel.image, fake.vmlinux(btf=writer.bytes()))
    with pytest.raises(FactsError, match="'of_another_kernel', but kallsyms not"):
        open_facts(kernel)
    assert not list(cache.glob("*.sqlite"))


def test_modules_with_a_function(facts: Facts, kernel: Kernel, cache: Path) -> None:
    assert facts.modules_with("exported") == ("plain", "victim_mod")
    assert facts.modules_with("printk") == ()  # used there, not defined
    assert facts.modules_with("counter") == ()  # no function
    assert facts.modules_with("work") == ("plain", "victim_mod")  # as work.isra.0
    assert facts.modules_with("wor") == ()
    (index,) = cache.glob("*-modules-*.sqlite")
    index.write_bytes(b"damaged" * 999)
    assert facts.modules_with("dup_helper") == ("plain", "victim_mod")
    (kernel.modules / "kernel/plain.ko").unlink()
    with open_facts(kernel) as fresh:
        assert fresh.modules_with("exported") == ("victim_mod",)


def test_any_module_file(facts: Facts, tmp_path: Path) -> None:
    path = tmp_path / "own.ko"
    assert not facts.has_module(path)
    path.write_bytes(fake.module())
    assert facts.has_module(path)
    assert facts.module_copies(path, "exported")[0].traceable


def test_decoded_once(kernel: Kernel, cache: Path) -> None:
    open_facts(kernel).close()
    (file,) = cache.glob("*.sqlite")
    assert not list(cache.glob(f"{store.DRAFT}*"))
    before = file.stat()
    open_facts(kernel).close()
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("content", (b"", b"rubbish" * 1000))
def test_a_damaged_cache_is_made_again(kernel: Kernel, cache: Path, content: bytes) -> None:
    open_facts(kernel).close()
    (file,) = cache.glob("*.sqlite")
    file.write_bytes(content)
    with open_facts(kernel) as facts:
        assert facts.copies("alpha_open")


def test_nothing_is_cached_of_a_wrong_decode(kernel: Kernel, cache: Path) -> None:
    tables = fake.encode(fake.with_sites(fake.SYMBOLS, len(fake.SITES)))
    tables.patch("token_index", 300, "<H", 0)
    fake.write_image(kernel.image, fake.vmlinux(tables))
    with pytest.raises(FactsError, match="token index"):
        open_facts(kernel)
    assert not list(cache.glob("*.sqlite"))


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
    with pytest.raises(EnvironmentMissing, match="exists"):
        open_facts(kernel)
