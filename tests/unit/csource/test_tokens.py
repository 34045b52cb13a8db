# SPDX-License-Identifier: MIT
"""The light reading of C, also against pygments, whose lexer is another's."""

import pytest
from pygments.lexers.c_cpp import CLexer
from pygments.token import Comment, Token

from lppack.csource.tokens import read_c
from tests.kit.command import ROOT
from tests.kit.samples import CONN_C

FILES = sorted(
    file
    for pattern in ("examples/**/*.c", "examples/**/*.h", "tests/golden/**/*.c", "tests/loads/*.c")
    for file in ROOT.glob(pattern)
)


def _words(text: str) -> list[str]:
    """Identifiers and keywords outside directives, as pygments sees them."""
    found = CLexer().get_tokens(text)
    return [
        word
        for kind, value in found
        if kind in Token.Name or kind in Token.Keyword
        for word in value.split()
        if kind not in Comment
    ]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_it_sees_the_words_that_pygments_sees(file: object) -> None:
    text = getattr(file, "read_text")()  # noqa: B009
    seen = [token.text for token in read_c(text, "x").tokens if token.kind == "name"]
    assert [word for word in _words(text) if word in set(seen)] == seen


def test_functions() -> None:
    found = read_c(CONN_C, "conn.c").functions
    assert [function.name for function in found] == [
        *("lp_conn_is_new", "lp_conn_lock", "lp_conn_unlock", "lp_conn_ext_init"),
        *("lp_conn_upgrade", "lp_conn_downgrade", "lp_conn_open", "lp_s_show"),
    ]
    assert not any(function.is_static for function in found)


BRANCHES = """\
int f(int x)
{
#ifdef A
	if (x) {
#elif defined(B)
	while (x) {
#else
	{
#endif
		x++;
	}
	return x;
}

#ifdef A
int g(int x) {
#else
int g(void) {
#endif
	return 1;
}

int h(void)
{
#if 0
	return 1;
}
#else
	return 2;
}
#endif

int last(void) { return 0; }
"""


def test_braces_of_several_branches() -> None:
    """fs/smb/client/dir.c (v6.1) opens a block in each branch, and closes it once."""
    found = read_c(BRANCHES, "x.c").functions
    assert [function.name for function in found] == ["f", "g", "h", "last"]
    assert found[0].body[-2].text == "x"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("int f(void);", []),
        ("int f(void) { g(); }", ["f"]),
        ("static struct x *f(int (*cb)(void)) { }", ["f"]),
        ("int x[] = { f(1), };", []),
        ("struct s { int (*f)(void); }; int g(void) { }", ["g"]),
        ("__printf(1, 2) int f(char *s, ...) __acquires(l) { }", ["f"]),
        ("int f(void) __attribute__((noinline)) { }", ["f"]),
        ("#define F int f(void) {\nint g(void) { }", ["g"]),
        ("int f(void)\n/* { */\n{ if (x) { } }\nint g(void) { }", ["f", "g"]),
        ("enum e { A, B };\nunion u { int a; };\nvoid f(void) { }", ["f"]),
    ],
)
def test_a_function_is_told_by_its_shape(text: str, names: list[str]) -> None:
    assert [function.name for function in read_c(text, "x").functions] == names


def test_members_of_a_structure() -> None:
    text = "struct a { int x; /* y */ };\nstatic struct b { int x; } one;\n"
    assert read_c(text, "x").layouts == {"struct a": "int x ;", "struct b": "int x ;"}
