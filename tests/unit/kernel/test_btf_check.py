# SPDX-License-Identifier: MIT
"""BTF that cannot be is refused, before anything in it is believed."""

import struct
from array import array
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lppack.kernel.btf import Btf
from lppack.kernel.btf_check import CheckedBtf, as_compiled, check
from lppack.kernel.errors import FactsError
from tests.kit.fake_btf import Writer, sample


def offsets(writer: Writer) -> "array[int]":
    return array("I", (24 + at for at in writer.at.values()))


def with_record(change: Callable[[Writer, dict[str, int]], object]) -> bytes:
    writer, types = sample()
    change(writer, types)
    return writer.bytes()


def put(writer: Writer, number: int, offset: int, value: int) -> None:
    struct.pack_into("<I", writer.types, writer.at[number] + offset, value)


def header(offset: int, code: str, value: int) -> bytes:
    data = bytearray(sample()[0].bytes())
    struct.pack_into(code, data, offset, value)
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "cut short"),
        (header(0, "<H", 0x9FEB), "does not know"),
        (header(2, "<B", 2), "does not know"),
        (header(3, "<B", 1), "does not know"),
        (header(4, "<I", 20), "are not contiguous"),
        (header(12, "<I", 8), "are not contiguous"),
        (sample()[0].bytes()[:-1], "are not contiguous"),
        (sample()[0].bytes() + b"\0", "are not contiguous"),
        (with_record(lambda w, t: put(w, t["int"], 4, 30 << 24)), "an unknown kind"),
        (with_record(lambda w, t: put(w, t["int"], 4, 1 << 24 | 1 << 29)), "an unknown kind"),
        (with_record(lambda w, t: put(w, t["int"], 4, 1 << 24 | 3)), "cannot be of its kind"),
        (with_record(lambda w, t: put(w, t["int"], 12, 33)), "more bits"),
        (with_record(lambda w, t: put(w, t["int"], 0, 0)), "cannot be of its kind"),
        (with_record(lambda w, t: put(w, t["int"], 0, 2)), "not in its table"),
        (with_record(lambda w, t: put(w, t["int"], 0, 1 << 20)), "not in its table"),
        (with_record(lambda w, t: put(w, t["seq *"], 8, 999)), "refers to 999"),
        (with_record(lambda w, t: put(w, t["node"], 16, 999)), "refers to 999"),
        (with_record(lambda w, t: put(w, t["node"], 20, 9999)), "is outside"),
        (with_record(lambda w, t: put(w, t["show"], 8, t["int"])), "has no prototype"),
        (with_record(lambda w, t: put(w, t["show"], 8, 0)), "has no prototype"),
        (with_record(lambda w, t: w.function("not a name", 0)), "is no C identifier: 'not a name'"),
        (with_record(lambda w, t: w.struct("x;", 0, ())), "is no C identifier: 'x;'"),
        (with_record(lambda w, t: w.strings.extend(b"\x80\0")), "strings .* damaged"),
        (with_record(lambda w, t: w.strings.extend(b"end")), "strings .* damaged"),
        (with_record(lambda w, t: w.types.extend(bytes(8))), "cut short"),
    ],
)
def test_what_cannot_be_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(FactsError, match=says):
        check(data, "vmlinux")


def everything(checked: CheckedBtf) -> list[object]:
    made: Btf = checked.btf
    return [
        [made.prototype(number) for _, number in checked.functions],
        [made.layout(number, name) for name, number in checked.types],
    ]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_damage_is_more_than_an_error(data: st.DataObject) -> None:
    """Any byte may be any other: there is an answer or a FactsError, and it comes soon."""
    content = bytearray(sample()[0].bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    try:
        everything(check(bytes(content), "vmlinux"))
    except FactsError as error:
        assert error.exit_code == 4


def test_a_kfunc_with_implicit_arguments_has_the_type_that_it_is_compiled_with() -> None:
    writer = Writer()
    number = writer.integer("int", 4)
    writer.function("cpu_curr", number, [("cpu", number)])
    writer.function("cpu_curr_impl", number, [("cpu", number), ("aux", number)])
    writer.function("open_impl", number)
    checked = check(writer.bytes(), "vmlinux")
    whole = dict(checked.functions)
    assert as_compiled(checked.functions, {"cpu_curr", "open_impl"}) == (
        ("cpu_curr", whole["cpu_curr_impl"]),
        ("open_impl", whole["open_impl"]),
    )
    # A function of that name is another one; and what has no short form stays, to be refused.
    assert as_compiled(checked.functions, {"cpu_curr", "cpu_curr_impl"}) == checked.functions
    assert dict(as_compiled(checked.functions, {"cpu_curr"}))["open_impl"] == whole["open_impl"]
    text = checked.btf.prototype(whole["cpu_curr_impl"], "cpu_curr")
    assert text == "int cpu_curr(int cpu, int aux)"


def test_a_header_with_a_table_of_layouts() -> None:
    """From 7.3 on: include/uapi/linux/btf.h."""
    writer = Writer()
    writer.function("open", writer.integer("int", 4))
    types, strings = bytes(writer.types), bytes(writer.strings)

    def made(layout: int, size: int) -> bytes:
        parts = (0, len(types), len(types), len(strings), layout, size)
        return struct.pack("<HBBI6I", 0xEB9F, 1, 0, 32, *parts) + types + strings + bytes(8)

    end = len(types) + len(strings)
    assert [name for name, _ in check(made(end, 8), "vmlinux").functions] == ["open"]
    for layout, size in ((end, 7), (end - 4, 12), (end, 0)):
        with pytest.raises(FactsError, match="are not contiguous"):
            check(made(layout, size), "vmlinux")


def test_more_than_65535_members() -> None:
    """vlen has 24 bits from 7.3 on."""
    writer = Writer()
    number = writer.integer("int", 4)
    members = [(f"m{at % 7}", number, 32 * at) for at in range(70_000)]
    writer.struct("huge", 4 * 70_000, members)
    [(name, at)] = check(writer.bytes(), "vmlinux").types
    assert (name, check(writer.bytes(), "vmlinux").btf.record(at).vlen) == ("struct huge", 70_000)
