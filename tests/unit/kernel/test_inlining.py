# SPDX-License-Identifier: MIT
"""What is kept of a debug package, and what is told from it."""

import struct
from pathlib import Path

import pytest

from lppack.kernel.debug import build_id
from lppack.kernel.dwarf import Code, Origin
from lppack.kernel.elf64 import Elf
from lppack.kernel.facts import Facts, FactsError, SymbolVerdict
from lppack.kernel.inlining import Inlining, open_inlining, write_inlining
from lppack.kernel.query import Answer, query
from lppack.model import InliningCheck
from tests.kit import tiny_elf
from tests.kit.fake_image import INIT, TEXT

ALPHA = Origin("alpha_open", "./fs/alpha.c", 10)
BETA = Origin("beta_open", "fs/beta.c", 10)
SHOW1, SHOW2 = Origin("s_show", "fs/alpha.c", 20), Origin("s_show", "fs/beta.c", 20)
HELPER = Origin("helper", "include/linux/helper.h", 1)
SPLIT = Origin("split_me", "fs/beta.c", 5)
START = Origin("start_here", "init/main.c", 1)
WEAK = Origin("overridden", "init/main.c", 2)
ONCE = Origin("once", "init/main.c", 3)

CODES = (
    Code(ALPHA, (TEXT + 0x100,), frozenset((HELPER, SHOW2))),
    Code(SHOW1, (TEXT + 0x140,), frozenset()),
    Code(BETA, (TEXT + 0x200,), frozenset((HELPER, SPLIT, BETA))),
    Code(SHOW2, (TEXT + 0x240,), frozenset()),
    Code(SPLIT, (TEXT + 0x280,), frozenset((HELPER,))),
    # Its cold blocks come first; an alias stands at the same address.
    Code(Origin("with_endbr", "", 1), (TEXT + 0x380, TEXT + 0x340), frozenset((ONCE, HELPER))),
    Code(Origin("proc_name_show", "fs/proc.c", 1), (TEXT + 0x2C0,), frozenset()),
    Code(START, (INIT + 0x40,), frozenset((HELPER, ONCE, Origin("gone", "init/main.c", 9)))),
)


def made(folder: Path, facts: Facts, codes: tuple[Code, ...] = CODES) -> Inlining:
    write_inlining(folder / "i.sqlite", facts.symbols(), codes, "vmlinux")
    found = open_inlining(folder / "i.sqlite")
    assert found
    return found


@pytest.fixture
def deep(tmp_path: Path, facts: Facts) -> Facts:
    facts.inlining = made(tmp_path, facts)
    return facts


def holders(deep: Facts, name: str, file: str | None = None) -> list[str]:
    assert deep.inlining
    return [holder.name for holder in deep.inlining.holders(name, file)]


def test_into_which_functions_one_was_inlined(deep: Facts) -> None:
    assert holders(deep, "helper") == ["alpha_open", "beta_open", "split_me.isra.0", "with_endbr"]
    assert holders(deep, "split_me") == ["beta_open"]
    assert holders(deep, "beta_open") == [], "a function that calls itself"
    assert holders(deep, "once") == ["with_endbr"], "what is freed after boot does not count"
    assert holders(deep, "no_such") == []


def test_one_of_several_of_a_name(deep: Facts) -> None:
    assert holders(deep, "s_show") == ["alpha_open"]
    assert holders(deep, "s_show", "fs/beta.c") == ["alpha_open"]
    assert holders(deep, "s_show", "fs/alpha.c") == []


def test_the_file_of_each_copy(deep: Facts) -> None:
    assert deep.inlining
    files = {s.name: deep.inlining.file_of(s) for s in deep.symbols()}
    assert files["alpha_open"] == "fs/alpha.c"
    assert files["proc_name_alias"] == "fs/proc.c"
    assert files["with_endbr"] is None
    assert files["native_clock"] is None
    assert [deep.inlining.file_of(s) for s in deep.copies("s_show")] == ["fs/alpha.c", "fs/beta.c"]


def answer(facts: Facts, name: str, object_: str = "vmlinux") -> Answer:
    [found] = query(facts, [name], object_)
    return found


def test_what_is_only_inlined_is_not_just_missing(facts: Facts, tmp_path: Path) -> None:
    assert answer(facts, "helper").verdict is SymbolVerdict.MISSING
    assert answer(facts, "helper").inlining is InliningCheck.UNCHECKED
    facts.inlining = made(tmp_path, facts)
    found = answer(facts, "helper")
    assert (found.verdict, found.inlining) == (SymbolVerdict.INLINED, InliningCheck.CHECKED)
    assert found.hint == (
        "it is inlined into alpha_open, beta_open, split_me.isra.0 (the compiler's own copy), "
        "with_endbr: patch those instead"
    )


@pytest.mark.parametrize(
    ("name", "verdict", "hint"),
    [
        ("alpha_open", SymbolVerdict.PATCHABLE, None),
        (
            "s_show",
            SymbolVerdict.AMBIGUOUS,
            "sympos 1 is of fs/alpha.c; sympos 2 is of fs/beta.c (not",
        ),
        ("s_show", SymbolVerdict.AMBIGUOUS, "it is also inlined into alpha_open: patch those too"),
        (
            "split_me",
            SymbolVerdict.CLONE_ONLY,
            "patch its callers; it is also inlined into beta_open",
        ),
        (
            "gone",
            SymbolVerdict.MISSING,
            "only part of code that is freed once the kernel has started",
        ),
        ("qqqq", SymbolVerdict.MISSING, "nothing of that name is in the code of vmlinux, not even"),
    ],
)
def test_hints(deep: Facts, name: str, verdict: SymbolVerdict, hint: str | None) -> None:
    found = answer(deep, name)
    assert (found.verdict, found.inlining) == (verdict, InliningCheck.CHECKED)
    assert (found.hint is None) if hint is None else (hint in (found.hint or ""))


def test_modules_are_not_checked(deep: Facts) -> None:
    found = answer(deep, "before", "victim_mod")
    assert (found.inlining, found.files) == (InliningCheck.UNCHECKED, (None,))


def test_code_of_another_kernel_is_not_believed(tmp_path: Path, facts: Facts) -> None:
    moved = tuple(Code(c.origin, tuple(a + 8 for a in c.starts), c.inlined) for c in CODES)
    for codes in (moved, ()):
        with pytest.raises(FactsError, match="have no symbol in the kernel"):
            made(tmp_path, facts, codes)
        (tmp_path / "i.sqlite").unlink()
    some = tuple(Code(ALPHA, (TEXT + 0x100,), frozenset()) for _ in range(50))
    made(tmp_path, facts, (*some, Code(WEAK, (TEXT + 0x900,), frozenset()))).close()


@pytest.mark.parametrize("content", [b"", b"x" * 5000])
def test_a_damaged_file_counts_as_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "i.sqlite"
    assert open_inlining(path) is None
    path.write_bytes(content)
    assert open_inlining(path) is None


def note(name: bytes, kind: int, content: bytes) -> bytes:
    parts = [struct.pack("<III", len(name), len(content), kind)]
    parts += [part + bytes(-len(part) % 4) for part in (name, content)]
    return b"".join(parts)


def test_the_build_id_of_a_kernel() -> None:
    own = note(b"GNU\0", 3, b"0123456789")
    for notes, found in ((note(b"Xen\0", 3, b"abc") + own, b"0123456789"), (own, b"0123456789")):
        assert build_id(Elf(tiny_elf.module(parts={".notes": notes}), "x")) == found
    for notes in (b"", note(b"Xen\0", 3, b"abc"), own[:7]):
        with pytest.raises(FactsError, match="has no build id"):
            build_id(Elf(tiny_elf.module(parts={".notes": notes}), "x"))
