# SPDX-License-Identifier: MIT
"""A C file is split into its top-level pieces without a grammar."""

import pytest

from lppack.csource.scan import pieces, safe_lines, tokens
from tests.kit.c_sample import FILE


def split(text: str) -> list[tuple[str, str]]:
    return [(piece.kind, text[piece.start : piece.end]) for piece in pieces(text)]


def conditions(text: str) -> dict[str, tuple[str, ...]]:
    return {text[piece.start : piece.end]: piece.conditions for piece in pieces(text)}


AFTER = "int after;"


@pytest.mark.parametrize(
    ("kind", "own"),
    [
        ("function", "SYSCALL_DEFINE2(dup, int, a,\n\t\tint, b)\n{\n\treturn a;\n}"),
        ("function", "static int f(void) __releases(lock)\n{\n\tif (x) { g(); }\n}"),
        ("function", "__attribute__((noinline)) int f(int a)\n{\n}"),
        ("function", "static struct thing *f(struct other *o)\n{\n}"),
        ("function", "struct thing __init f(void)\n{\n}"),
        ("function", "static int (*get(int a))(void)\n{\n\treturn 0;\n}"),
        ("function", "TEST(name) { run(); }"),
        ("declaration", "struct thing { int (*f)(int); } __attribute__((packed));"),
        ("declaration", "struct __attribute__((packed)) { int a; } x;"),
        ("declaration", "typedef struct thing { int a; } __aligned(8) thing_t;"),
        ("declaration", "typedef struct __attribute__((packed)) s { int a; } s_t;"),
        ("declaration", "enum { A = (1), B };"),
        ("declaration", "static const struct ops ops = {\n\t.open = f,\n\t.in = { .a = (1) },\n};"),
        ("declaration", "int table[] = { [A] = 1 }, other;"),
        ("declaration", "static int (*hook)(int a) = NULL;"),
        ("declaration", "static int (*hooks[])(int a) = { f, g };"),
        ("declaration", "DEFINE_PER_CPU(int, count) = 3;"),
        ("declaration", 'MODULE_LICENSE(\n\t"GPL");'),
        ("declaration", 'static const char text[] = "}{;)(\\"" "{";'),
        ("declaration", "char c[] = { '{', '\"', '\\'' };"),
        ("declaration", "int a /* } ; don't */ = 1;"),
        ("declaration", "int b // ; {\n\t= 1;"),
        ("invocation", "EXPORT_SYMBOL(f)"),
        ("invocation", "module_init(f)"),
        ("invocation", 'DECLARE(a, (b), ")")'),
        ("define", "#define LOOP(x) \\\n\tdo { f(x); \\\n\t} while (0)"),
        ("define", "#define OPEN /* two\n lines */ {"),
        ("define", "# define BRACE )"),
        ("undef", "#undef BRACE"),
        ("include", "#include <linux/kernel.h>"),
    ],
)
def test_each_kind_of_piece_ends_where_it_should(kind: str, own: str) -> None:
    assert split(f"{own}\n{AFTER}\n") == [(kind, own), ("declaration", AFTER)]


@pytest.mark.parametrize("end", ["", "\n", "\n#endif\n", "\n/* end */\n"])
def test_an_invocation_without_a_semicolon_ends_with_the_file(end: str) -> None:
    assert split(f"int a;\nEXPORT_SYMBOL(f){end}") == [
        ("declaration", "int a;"),
        ("invocation", "EXPORT_SYMBOL(f)"),
    ]


def test_an_invocation_ends_before_a_directive() -> None:
    text = "EXPORT_SYMBOL(f)\n#include <a.h>\nint g(void) { }\n"
    assert [kind for kind, _ in split(text)] == ["invocation", "include", "function"]


def test_lone_semicolons_are_no_pieces() -> None:
    assert split("int f(void) { };\n;\nint a;\n") == [
        ("function", "int f(void) { }"),
        ("declaration", "int a;"),
    ]


def test_the_body_of_a_function_is_its_own_brace() -> None:
    text = "int a;\nint f(int x __attribute__((unused)))\n{ if (x) { } }\n"
    _, function = pieces(text)
    assert function.body == text.index("{ if")
    assert [piece.body for piece in pieces("struct s { int a; };")] == [0]


def test_a_function_that_each_branch_opens_is_one() -> None:
    own = "#ifdef A\nint f(int a)\n{\n#else\nint f(long a)\n{\n#endif\n\treturn 0;\n}"
    assert split(f"{own}\n{AFTER}\n") == [("function", own), ("declaration", AFTER)]


def test_a_brace_that_each_branch_opens_counts_once() -> None:
    own = (
        "int f(int a)\n{\n#ifdef A\n\tif (a) {\n#elif defined(B)\n\tif (!a) {\n#else\n\t{\n"
        "#endif\n\t\tg();\n\t}\n}"
    )
    assert split(f"{own}\n{AFTER}\n") == [("function", own), ("declaration", AFTER)]


def test_a_bracket_that_each_branch_closes_counts_once() -> None:
    own = "int f(void)\n{\n\tif (a\n#ifdef A\n\t    && b)\n#else\n\t    )\n#endif\n\t\tg();\n}"
    assert split(f"{own}\n{AFTER}\n") == [("function", own), ("declaration", AFTER)]


def test_directives_in_an_initialiser_belong_to_it() -> None:
    own = (
        "static int table[] = {\n#ifdef A\n\t1,\n#else\n\t2,\n#endif\n#define TWO 2\n\tTWO,\n"
        '#include "rows.h"\n};'
    )
    assert split(f"{own}\n{AFTER}\n") == [("declaration", own), ("declaration", AFTER)]


def test_each_piece_has_the_conditions_around_it() -> None:
    text = (
        "int a;\n#ifdef A\nint b;\n# if B > 1 /* c */ && \\\n\tD\nint c;\n# endif\n"
        "#elif E\nint d;\n#else\nint e;\n#endif\n#ifndef F\n#define F\n#endif\nint g;\n"
    )
    assert conditions(text) == {
        "int a;": (),
        "int b;": ("#if defined(A)",),
        "int c;": ("#if defined(A)", "#if B > 1 && D"),
        "int d;": ("#if !(defined(A)) && E",),
        "int e;": ("#if !(defined(A)) && !(E)",),
        "#define F": ("#if !defined(F)",),
        "int g;": (),
    }


@pytest.mark.parametrize("text", [FILE, "'\"' \"\\\n\" 1.e+5 .5 0x1fUL a##b @ \\\n \x0c don't"])
def test_no_character_is_missed(text: str) -> None:
    assert "".join(token for _, _, token in tokens(text)) == text
    assert [text[at : at + len(token)] for _, at, token in tokens(text)] == [
        token for _, _, token in tokens(text)
    ]


def test_tokens_have_their_kinds() -> None:
    text = '#if A\n a->b("x//y") /* "c" */ + 0x1e+2;//z\n'
    found = [(kind, token) for kind, _, token in tokens(text) if kind not in ("blank", "sign")]
    assert found == [
        ("directive", "#if A"),
        ("word", "a"),
        ("word", "b"),
        ("string", '"x//y"'),
        ("comment", '/* "c" */'),
        ("number", "0x1e+2"),
        ("comment", "//z"),
    ]


def test_safe_lines() -> None:
    text = (
        "/* one\n"  # 1
        " * two */\n"  # 2
        "#define A(x) \\\n"  # 3
        "\tx\n"  # 4
        "int f(int a,\n"  # 5
        "      int b)\n"  # 6
        "{\n"  # 7
        '\tg("(", ")",\n'  # 8
        "\t  t[1 +\n"  # 9
        "\t    2]);\n"  # 10
        '\ts = "a\\\n'  # 11
        'b";\n'  # 12
        "}\n"  # 13
    )
    assert safe_lines(text) & set(range(1, 14)) == {1, 3, 5, 7, 8, 11, 13}


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        (
            "static struct x *\n__next(int a)\n{\n\treturn 0;\n}\nint b;\n",
            ["function", "declaration"],
        ),
        ("struct x __rcu *__get(void) __must_hold(l) { return 0; }\n", ["function"]),
        ("struct __attribute__((packed)) { int a; } b;\n", ["declaration"]),
        ("struct x __aligned(8) { int a; };\n", ["declaration"]),
    ],
)
def test_a_struct_and_a_function_that_returns_one(text: str, kinds: list[str]) -> None:
    assert [piece.kind for piece in pieces(text)] == kinds
