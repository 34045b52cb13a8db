# SPDX-License-Identifier: MIT
from lppack.rules.shadowed import name_of_a_modules_variable_is_its_own as rule
from tests.unit.rules.cases import CodeCase

_OF_CONN = {"objects": [{"name": "conn", "functions": [{}], "symbols": ["count", "conn_find"]}]}
_OF_VMLINUX = {"objects": [{"name": "vmlinux", "functions": [{}], "symbols": ["count"]}]}
_OTHER_NAME = {
    "objects": [
        {"name": "conn", "functions": [{}], "symbols": [{"name": "count", "as": "conn_count"}]}
    ]
}


def _in(*lines: str, head: str = "int lp_f(int a, struct conn *c)") -> str:
    """A function after the declaration, whose first line of the body is line 4."""
    return "\n".join(["extern int count;", head, "{", *lines, "}", ""])


def _bad(title: str, *lines: str, at: int = 4, head: str = "int lp_f(int a)") -> CodeCase:
    return CodeCase(rule, title, _in(*lines, head=head), [at], _OF_CONN)


def _good(title: str, *lines: str) -> CodeCase:
    return CodeCase(rule, title, _in(*lines), [], _OF_CONN)


CASES = (
    _bad("a local variable", "int count;"),
    _bad("with a value", "unsigned long count = 3;"),
    _bad("an array", "char count[4];"),
    _bad("a pointer", "struct conn *count = NULL;"),
    _bad("a pointer to a constant", "const char **count;"),
    _bad("a further declarator", "int i = f(1, 2), count;"),
    _bad("a further pointer", "struct conn *i, *count;"),
    _bad("of a loop", "for (int count = 0; a; a--)", "\t;"),
    _bad("after code", "a = 1;", "if (a) {", "\tu8 count;", "}", at=6),
    _bad("a parameter", "return 0;", head="int lp_f(int a, u32 count)", at=2),
    _bad("a pointer as a parameter", "return 0;", head="int lp_f(struct x *count)", at=2),
    _bad("a member by a pointer", "return c->count;"),
    _bad("a member", "return c.count + 1;"),
    _bad("a designated member", "struct conn x = { .count = 1 };"),
    CodeCase(rule, "a declared member", "struct own {\n\tint count;\n};\n", [2], _OF_CONN),
    CodeCase(rule, "a parameter of a prototype", "int f(int count);\n", [1], _OF_CONN),
    _good("its use", "return count;", "count = 1;", "count++;", "f(count, &count);"),
    _good("products", "a = a * count;", "f(a * count, b *count);", "return a*count;"),
    _good("in arguments", "f(a, count);", "f(sizeof(count), (int)count);", "g(a, &count);"),
    _good("after commas", "a = 1, count = 2;", "x[a, count] = 1;"),
    _good("beside words", "if (a) return count; else count = 1;", "goto out;"),
    _good("declared inside", "extern int count;", "return count;"),
    _good("of a function of the module", "int conn_find(int id);", "return conn_find(1);"),
    CodeCase(rule, "not listed", _in("int count;"), []),
    CodeCase(rule, "of vmlinux, which has its own name", _in("int count;"), [], _OF_VMLINUX),
    CodeCase(rule, "by another name", _in("int count;"), [], _OTHER_NAME),
    CodeCase(rule, "that other name", _in("int conn_count;"), [4], _OTHER_NAME),
)
