# SPDX-License-Identifier: MIT
"""The C of a patch beside the change that it follows: what is not as the change has it."""

from collections.abc import Sequence

import pytest

from lppack.csource.changes import Changes, compare
from lppack.csource.items import Item
from lppack.csource.parse import parse
from lppack.drafting.authored import differences, plain
from lppack.drafting.places import Target

PATH = "fs/a.c"
BEFORE = """\
#define MOST 4

struct thing {
	int count;
};

static int helper(struct thing *t)
{
	return t->count;
}

int show(struct thing *t)
{
	return helper(t) + MOST;
}
"""
AFTER = BEFORE.replace("t->count;", "t->count + 1;")
#: What a draft of it looks like.
GOOD = """\
static int lp_helper(struct thing *t)
{
	/* now with one more */
	return t->count + 1;
}
"""


def told(
    source: str,
    *,
    after: str = AFTER,
    replaced: Sequence[tuple[str, str]] = (("helper", "lp_helper"),),
    defines: Sequence[str] = (),
) -> list[str]:
    def files(path: str) -> Changes | None:
        return compare(parse(path, BEFORE), parse(path, after)) if path == PATH else None

    targets = [
        (Target(name=old, path=PATH, object="vmlinux", sympos=None, covers=(old,)), new)
        for old, new in replaced
    ]
    return [*differences({"x.c": source}, targets, files, (), defines)]


def test_a_patch_that_is_the_change() -> None:
    assert told(GOOD) == []
    assert told(GOOD.replace("static ", "")) == [], "storage is the patch's own"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "no source defines lp_helper"),
        (GOOD.replace("+ 1", "+ 2"), "lp_helper is not what the change makes of helper in fs/a.c"),
        (
            GOOD + "\nint lp_show(struct thing *t)\n{\n\treturn 0;\n}\n",
            "lp_show in x.c is not what the change makes of show",
        ),
        (GOOD + "\nint more(void)\n{\n\treturn 0;\n}\n", "more in x.c is in no file"),
        ("#define MOST 5\n" + GOOD, "MOST in x.c is not what the change makes of MOST"),
        ("#define OTHER 5\n" + GOOD, "OTHER in x.c is in no file that the change is of"),
    ],
)
def test_what_is_not_as_the_change_has_it(source: str, said: str) -> None:
    [found] = told(source)
    assert said in found


def test_what_a_makefile_gives_is_no_difference() -> None:
    assert told("#define GIVEN 1\n" + GOOD, defines=["GIVEN"]) == []
    assert told('#define KBUILD_MODNAME "a"\n' + GOOD, defines=['#define KBUILD_MODNAME "a"']) == []
    assert told('#define KBUILD_MODNAME "x"\n' + GOOD, defines=['#define KBUILD_MODNAME "a"'])


def test_what_comes_from_the_kernels_file_is_the_same() -> None:
    """A copy of what the change leaves as it is."""
    assert told("#define MOST 4\n" + GOOD) == []


def test_a_changed_macro_that_the_patch_does_not_carry() -> None:
    after = AFTER.replace("MOST 4", "MOST 5")
    show = "int lp_show(struct thing *t)\n{\n\treturn lp_helper(t) + MOST;\n}\n"
    both = [("helper", "lp_helper"), ("show", "lp_show")]
    [found] = told(GOOD + show, after=after, replaced=both)
    assert found == "MOST is changed or new, and the patch uses the kernel's old headers"
    assert told("#define MOST 5\n" + GOOD + show, after=after, replaced=both) == []
    assert told(GOOD, after=after) == [], "no replacement uses it"


def function(text: str) -> Item:
    [item] = parse("x.c", text).items
    return item


@pytest.mark.parametrize(
    ("patch", "kernel"),
    [
        ("lp_trace(sched_switch, a, b);", "trace_sched_switch(a, b);"),
        ("lp_trace(sched_switch);", "trace_sched_switch();"),
        ("if (lp_key_enabled(lp_var_key)) {}", "if (static_branch_unlikely(&key)) {}"),
        ("lp_var_table[0] = 1;", "table[0] = 1;"),
        ("x = lp_module_conn();", "x = THIS_MODULE;"),
        ("lp_static_call(f)(1);", "static_call(f)(1);"),
        ("/* a */ x = 1; // b", "x = 1;"),
    ],
)
def test_what_a_live_patch_writes_otherwise(patch: str, kernel: str) -> None:
    head = "int f(void)\n{\n\t"
    assert plain(function(f"{head}{patch}\n}}\n"), {}) == plain(
        function(f"static inline {head}{kernel}\n}}\n"), {}
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("static int x;", "int x;"),  # data of the function, once or in each call
        ("x = 1;", "x = 2;"),
        ('f("a b");', 'f("a  b");'),
        ("lp_trace(a, b);", "trace_c(b);"),
    ],
)
def test_what_is_not_the_same_stays_so(one: str, other: str) -> None:
    texts = [plain(function(f"int f(void)\n{{\n\t{body}\n}}\n"), {}) for body in (one, other)]
    assert texts[0] != texts[1]


def test_a_macro_that_leads_to_a_symbol_by_its_name_in_the_manifest() -> None:
    def found(text: str) -> list[str]:
        changes = compare(parse(PATH, BEFORE), parse(PATH, AFTER))
        target = Target(name="helper", path=PATH, object="vmlinux", sympos=None, covers=())
        sources, known = {"x.c": f"{text}\n{GOOD}"}, [("count", "lp_one_count")]
        return [
            *differences(sources, [(target, "lp_helper")], lambda _path: changes, (), (), known)
        ]

    assert not found("extern typeof(count) lp_one_count;\n#undef count\n#define count lp_one_count")
    assert found("#define count lp_other_count") == [
        "count in x.c is in no file that the change is of"
    ]


def test_a_symbol_that_has_another_name_in_the_sources_is_the_kernels() -> None:
    """As where two modules have one of that name."""
    changes = compare(
        parse(PATH, BEFORE.replace("t->count", "get(t)")),
        parse(PATH, BEFORE.replace("t->count", "-get(t)")),
    )
    target = Target(name="helper", path=PATH, object="one", sympos=None, covers=())
    sources = {"x.c": "static int lp_helper(struct thing *t)\n{\n\treturn -lp_one_a_get(t);\n}\n"}
    for known, fits in (([("get", "lp_one_a_get")], True), ([("put", "lp_one_a_get")], False)):
        found = differences(sources, [(target, "lp_helper")], lambda _: changes, (), (), known)
        assert (not [*found]) is fits
