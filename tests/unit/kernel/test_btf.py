# SPDX-License-Identifier: MIT
"""BTF says in C what the kernel's types are; what cannot be is refused."""

from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lppack.kernel import btf
from lppack.kernel.btf import Btf, Layout, Member, declaration
from lppack.kernel.btf_check import CheckedBtf, check
from lppack.kernel.errors import FactsError
from tests.kit.fake_btf import Writer, sample


def read() -> tuple[CheckedBtf, dict[str, int]]:
    writer, types = sample()
    return check(writer.bytes(), "vmlinux"), types


def offsets(writer: Writer) -> "array[int]":
    return array("I", (24 + at for at in writer.at.values()))


@pytest.mark.parametrize(
    ("name", "text", "signature"),
    [
        (
            "show",
            "int show(struct seq_file *m, void *v)",
            ("u32", "struct seq_file *", "void *"),
        ),
        ("nothing", "void nothing(void)", ("void",)),
        ("print", "int print(const char *fmt, ...)", ("u32", "u8 *", "...")),
        (
            "signal",
            "void (*signal(int n, void (*h)(int)))(int)",
            ("function *", "u32", "function *"),
        ),
        ("rows", "char (*rows(enum color c))[16]", ("u8 [] *", "enum color")),
    ],
)
def test_prototypes_and_signatures(name: str, text: str, signature: tuple[str, ...]) -> None:
    checked, types = read()
    assert checked.btf.prototype(types[name]) == text
    assert (name, types[name]) in checked.functions
    assert checked.btf.signature(types[name]) == signature
    assert declaration("lp_new", text) == text.replace(f"{name}(", "lp_new(") + ";"


@pytest.mark.parametrize(
    ("name", "named", "alone"),
    [
        ("const char *const", "const char *const x", "const char *const"),
        ("char[4][16]", "char x[4][16]", "char [4][16]"),
        ("char (*)[16]", "char (*x)[16]", "char (*)[16]"),
        ("handler *", "void (*x)(int)", "void (*)(int)"),
        ("size_t", "size_t x", "size_t"),
        ("seq", "struct seq_file x", "struct seq_file"),
        ("anonymous", "struct { int low; int high; } x", "struct { int low; int high; }"),
        ("color", "enum color x", "enum color"),
    ],
)
def test_declarations(name: str, named: str, alone: str) -> None:
    checked, types = read()
    assert checked.btf.declare(types[name], "x") == named
    assert checked.btf.declare(types[name]) == alone


def test_layout_of_a_struct_with_bit_fields_and_unnamed_members() -> None:
    checked, types = read()
    assert checked.btf.layout(types["node"], "struct node") == Layout(
        name="struct node",
        size=64,
        members=(
            Member(name="name", type="char [16]", offset=0, bits=None),
            Member(name="low", type="int", offset=128, bits=None),
            Member(name="high", type="int", offset=160, bits=None),
            Member(name="all", type="long int", offset=128, bits=None),
            Member(name="hook", type="void (*)(int)", offset=192, bits=None),
            Member(name="one", type="int", offset=256, bits=1),
            Member(name="rest", type="int", offset=257, bits=31),
            Member(name="pair", type="struct { int low; int high; }", offset=320, bits=None),
        ),
    )
    assert checked.types == (("pair_t", types["pair_t"]), ("struct node", types["node"]))
    pair = checked.btf.layout(types["pair_t"], "pair_t")
    assert pair
    assert [member.name for member in pair.members] == ["low", "high"]
    assert checked.btf.layout(types["int"], "int") is None


def test_copies_of_a_function_are_kept_apart() -> None:
    checked, types = read()
    numbers = [number for name, number in checked.functions if name == "s_show"]
    assert numbers == [types["s_show 1"], types["s_show 2"], types["s_show 3"]]


def test_split_btf_goes_on_where_vmlinux_ends() -> None:
    base_writer, types = sample()
    base = check(base_writer.bytes(), "vmlinux").btf
    writer = Writer(base_writer)
    pointer = writer.add(btf.PTR, "", types["node"])
    own = writer.struct("own", 16, [("name", pointer, 0), ("", types["anonymous"], 64)])
    function = writer.function("lo_open", types["int"], [("m", types["seq *"]), ("own", pointer)])
    checked = check(writer.bytes(), "loop.ko", base)
    assert checked.btf.prototype(function) == "int lo_open(struct seq_file *m, struct node *own)"
    layout = checked.btf.layout(own, "struct own")
    assert layout
    assert [(m.name, m.type, m.offset) for m in layout.members] == [
        ("name", "struct node *", 0),
        ("low", "int", 64),
        ("high", "int", 96),
    ]
    assert checked.functions == (("lo_open", function),)
    # Without its base, or with another one, it makes no sense.
    with pytest.raises(FactsError):
        check(writer.bytes(), "loop.ko")
    with pytest.raises(FactsError):
        check(writer.bytes(), "loop.ko", check(Writer().bytes(), "other").btf)


def test_split_btf_of_another_build_is_refused() -> None:
    """Its numbers would name other types there, and its offsets other strings."""
    right, types = sample()
    writer = Writer(right)
    writer.function("own", types["int"], [("fmt", types["seq *"])])
    assert check(writer.bytes(), "loop.ko", check(right.bytes(), "vmlinux").btf)
    other = Writer()
    other.string("one_more")
    other.strings += right.strings[1:-9]
    other.types, other.next = right.types, right.next
    assert other.end_string == right.end_string
    with pytest.raises(FactsError):
        check(writer.bytes(), "loop.ko", Btf(other.bytes(), offsets(right), "vmlinux"))
    with pytest.raises(FactsError, match="strings .* damaged"):
        check(right.bytes(), "alone.ko", check(right.bytes(), "vmlinux").btf)


def test_types_without_an_end_are_refused_when_asked_for() -> None:
    writer = Writer()
    writer.add(btf.PTR, "", 1)
    around = writer.struct("", 8, [("", 2, 0)])
    name = writer.add(btf.TYPEDEF, "loop_t", around)
    const = writer.add(btf.CONST, "", writer.next)
    checked = check(writer.bytes(), "vmlinux")
    for ask in (
        lambda: checked.btf.declare(1),
        lambda: checked.btf.declare(const),
        lambda: checked.btf.layout(name, "loop_t"),
        lambda: checked.btf.record(99),
        lambda: checked.btf.prototype(1),
    ):
        with pytest.raises(FactsError):
            ask()


def test_text_that_explodes_is_refused() -> None:
    writer = Writer()
    number = writer.integer("int", 4)
    for _ in range(40):
        number = writer.struct("", 8, [("a", number, 0), ("b", number, 0)])
    with pytest.raises(FactsError, match="too long"):
        check(writer.bytes(), "vmlinux").btf.declare(number)


WORDS = st.from_regex(r"[a-z_]\w{0,8}", fullmatch=True).filter(str.isascii)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(WORDS, st.lists(WORDS, max_size=4)), min_size=1, max_size=20))
@pytest.mark.slow
def test_what_is_encoded_is_decoded(functions: list[tuple[str, list[str]]]) -> None:
    writer = Writer()
    number = writer.integer("int", 4)
    for name, parameters in functions:
        writer.function(name, 0, [(word, number) for word in parameters])
    checked = check(writer.bytes(), "vmlinux")
    assert [checked.btf.prototype(at) for _, at in checked.functions] == [
        f"void {name}({', '.join(f'int {word}' for word in words) or 'void'})"
        for name, words in functions
    ]


def test_a_declaration_needs_a_function() -> None:
    with pytest.raises(FactsError, match="cannot read the prototype"):
        declaration("lp_new", "int x")
