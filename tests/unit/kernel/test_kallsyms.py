# SPDX-License-Identifier: MIT
"""kallsyms is decoded as the kernel does it, or refused."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lppack.kernel import kallsyms
from lppack.kernel.elf64 import Elf
from lppack.kernel.errors import FactsError
from lppack.kernel.kallsyms import KallsymsEntry
from tests.kit import fake_image as fake


def decode(tables: fake.Tables) -> tuple[KallsymsEntry, ...]:
    return kallsyms.decode(Elf(fake.vmlinux(tables), "vmlinux"))


def readable(entries: tuple[KallsymsEntry, ...], rule: str) -> tuple[KallsymsEntry, ...]:
    """What a kernel of that rule can hold: per-CPU offsets only where they are absolute."""
    return tuple(e for e in entries if rule != "relative" or e.address >= fake.TEXT)


@pytest.mark.parametrize("layout", fake.LAYOUTS)
@pytest.mark.parametrize("rule", fake.RULES)
def test_every_layout_and_rule(layout: str, rule: str) -> None:
    if (layout, rule) == ("6.4", "absolute"):
        rule = "percpu"  # lppack does not read that: no x86-64 kernel has it
    if layout == "7.2":
        rule = "relative"  # per-CPU symbols are ordinary addresses
    entries = readable(fake.SYMBOLS, rule)
    assert decode(fake.encode(entries, layout, rule)) == entries


#: There is one _text: by it the decoder knows addresses that make sense.
NAMES = st.text("abcdefgstrxyz_.0123456789ABZ", min_size=1, max_size=12).filter(
    lambda name: name != "_text"
)


@st.composite
def kernels(draw: st.DrawFn) -> tuple[KallsymsEntry, ...]:
    stems = draw(st.lists(NAMES, min_size=1, max_size=5))
    count = draw(st.integers(1, 800))
    step = draw(st.integers(0, 64))
    letters = draw(st.text("tTdDbBrRwWVA", min_size=1, max_size=6))
    body = (
        KallsymsEntry(
            fake.TEXT + at * step,
            letters[at % len(letters)],
            f"{stems[at % len(stems)]}{at if at % 3 else ''}",
        )
        for at in range(count)
    )
    long = draw(st.integers(0, 500))
    return (
        KallsymsEntry(0, "A", "percpu"),
        KallsymsEntry(fake.TEXT, "T", "_text"),
        *body,
        KallsymsEntry(fake.TEXT + 0xFFFF, "t", "Q" * long + "z"),
    )


@settings(max_examples=40, deadline=None)
@given(kernels(), st.sampled_from(fake.LAYOUTS), st.sampled_from(("percpu", "relative")))
def test_what_is_encoded_is_decoded(
    entries: tuple[KallsymsEntry, ...], layout: str, rule: str
) -> None:
    entries = readable(entries, "relative" if layout == "7.2" else rule)
    assert decode(fake.encode(entries, layout, rule)) == entries


def many() -> tuple[KallsymsEntry, ...]:
    body = (KallsymsEntry(fake.TEXT + 16 * at, "t", f"function_{at}") for at in range(1, 600))
    return (KallsymsEntry(0, "A", "percpu"), KallsymsEntry(fake.TEXT, "T", "_text"), *body)


def a_marker(t: fake.Tables) -> None:
    t.patch("markers", 4, "<I", t.data[t.at["markers"] + 4] + 1)


def the_last_marker(t: fake.Tables) -> None:
    t.patch("markers", 8, "<B", t.data[t.at["markers"] + 8] ^ 1)


def the_token_index(t: fake.Tables) -> None:
    t.patch("token_index", 2 * 200, "<B", t.data[t.at["token_index"] + 400] ^ 1)


def the_digits_index(t: fake.Tables) -> None:
    t.patch("token_index", 2 * 48, "<B", t.data[t.at["token_index"] + 96] ^ 8)


def a_token(t: fake.Tables) -> None:
    t.patch("token_table", 4, "<B", 0)


def num_syms_less(t: fake.Tables) -> None:
    t.patch("num_syms", 0, "<I", 600)


def num_syms_more(t: fake.Tables) -> None:
    t.patch("num_syms", 0, "<I", 602)


def num_syms_absurd(t: fake.Tables) -> None:
    t.patch("num_syms", 0, "<I", 1 << 30)


def a_name_length(t: fake.Tables) -> None:
    t.patch("names", 0, "<B", t.data[t.at["names"]] + 1)


def a_name_of_no_length(t: fake.Tables) -> None:
    t.patch("names", 0, "<B", 0)


def a_type_letter(t: fake.Tables) -> None:
    t.patch("names", 1, "<B", ord("7"))


def the_base(t: fake.Tables) -> None:
    t.patch("relative_base", 0, "<Q", fake.TEXT + 0x1000)


def an_offset(t: fake.Tables) -> None:
    t.patch("offsets", 4 * 300, "<i", -1)


def an_offset_behind_the_code(t: fake.Tables) -> None:
    t.patch("offsets", 4 * 600, "<i", -0x7F000000)


@pytest.mark.parametrize("layout", ("6.1", "6.4"))
@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (a_marker, "marker 1 does not point"),
        (the_last_marker, "marker 2 does not point"),
        (the_token_index, "token index"),
        (the_digits_index, "token index"),
        (a_token, "token index"),
        (num_syms_less, "do not end where"),
        (num_syms_more, "has length"),
        (num_syms_absurd, "no markers|decoded"),
        (a_name_length, "decoded"),
        (a_name_of_no_length, "name 0 has length 0"),
        (a_type_letter, "type '7'"),
        (the_base, "_text is not where"),
        (an_offset, "do not ascend"),
        (an_offset_behind_the_code, "outside the code"),
    ],
)
def test_damage_is_refused(damage: Callable[[fake.Tables], None], says: str, layout: str) -> None:
    tables = fake.encode(many(), layout)
    assert decode(tables) == many()
    damage(tables)
    with pytest.raises(FactsError, match=says) as caught:
        decode(tables)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    ("label", "offset", "value", "says"),
    [
        ("markers", 4, 1, "marker 1 does not point"),
        ("token_index", 400, 1, "token index"),
        ("num_syms", 0, 599, "do not end where"),
        ("num_syms", 0, 601, "has length"),
        ("names", 0, 0, "name 0 has length 0"),
        ("offsets", 0, -0x7F000000, "_text is not where"),
        ("offsets", 4 * 300, -0x7F000000, "do not ascend"),
        ("offsets", 4 * 599, 0, "outside the code"),
    ],
)
def test_damage_of_7_2_is_refused(label: str, offset: int, value: int, says: str) -> None:
    entries = readable(many(), "relative")
    tables = fake.encode(entries, "7.2")
    assert decode(tables) == entries
    tables.patch(label, offset, "<B" if label == "names" else "<i", value)
    with pytest.raises(FactsError, match=says):
        decode(tables)


def test_a_kernel_without_kallsyms_is_refused() -> None:
    with pytest.raises(FactsError, match="no token table"):
        decode(fake.Tables(bytearray(4096)))


def test_any_flipped_bit_of_markers_and_index_is_refused() -> None:
    clean = fake.encode(many())
    for label, size in (("markers", 12), ("token_index", 512)):
        for offset in range(0, size, 7 if size > 12 else 1):
            tables = fake.Tables(bytearray(clean.data), clean.at)
            tables.data[clean.at[label] + offset] ^= 0x10
            with pytest.raises(FactsError):
                decode(tables)


def test_the_end_of_the_read_only_data_may_be_called_code() -> None:
    """__end_rodata is of type T from 6.16 on; any other name there is refused."""
    entries = (
        *readable(many(), "relative"),
        KallsymsEntry(fake.RODATA + 0x800000, "T", "__end_rodata"),
    )
    assert decode(fake.encode(entries, "6.4")) == entries
    other = (*entries[:-1], KallsymsEntry(fake.RODATA + 0x800000, "T", "__end_data"))
    with pytest.raises(FactsError, match="__end_data .T. is outside the code"):
        decode(fake.encode(other, "6.4"))
