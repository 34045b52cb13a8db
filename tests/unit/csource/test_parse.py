# SPDX-License-Identifier: MIT
"""The kernel's C as items."""

import pytest

from lppack.csource.conditions import decided
from lppack.csource.items import ItemKind, ParsedFile
from lppack.csource.parse import members, parse
from lppack.csource.words import declared
from tests.kit.c_sample import FILE, known


@pytest.fixture
def unit() -> ParsedFile:
    return parse("fs/small.c", FILE, known)


def test_every_item_has_its_kind(unit: ParsedFile) -> None:
    found = {name: item.kind for item in unit.items for name in item.names}
    assert [n for n, kind in found.items() if kind is ItemKind.FUNCTION] == [
        "helper",
        "twice",
        "show",
        "small_init",
        "__do_sys_small",
        "__x64_sys_small",
        "__ia32_sys_small",
    ]
    assert [n for n, kind in found.items() if kind is ItemKind.VARIABLE] == [
        "lock",
        "used",
        "most",
        "table",
    ]
    assert found["struct thing"] is found["enum state"] is found["ON"] is ItemKind.TYPE
    assert found["LIMIT"] is ItemKind.MACRO


def test_names_of_locals_members_and_labels_are_no_uses(unit: ParsedFile) -> None:
    show = unit.functions["show"]
    assert {"helper", "lock", "used", "ON", "mutex_lock", "struct thing"} <= show.uses
    assert not {"most", "t", "list", "count", "comment"} & (show.uses - {"list"})
    assert show.statics == ("calls",)
    assert (show.static, show.inline, show.init) == (True, False, False)
    assert unit.functions["twice"].inline
    assert unit.functions["small_init"].init


def test_branches_that_the_configuration_excludes_are_gone(unit: ParsedFile) -> None:
    assert len(unit.by_name["show"]) == 1
    assert unit.functions["show"].conditions == ()
    open_ = parse("fs/small.c", FILE)
    assert [item.conditions for item in open_.by_name["show"]] == [
        ("#if defined(CONFIG_SMALL)",),
        ("#if !(defined(CONFIG_SMALL))",),
    ]


def test_what_is_defined_elsewhere_is_declared(unit: ParsedFile) -> None:
    said = {name: declared(unit.by_name[name][-1]) for name in ("lock", "used", "table", "helper")}
    assert said == {
        "lock": "extern struct mutex lock;",
        "used": "extern int used;",
        "table": "extern struct thing table[];",
        "helper": "extern int helper(struct thing *t);",
    }
    per_cpu = parse("a.c", "static DEFINE_PER_CPU(struct thing, mine);\n").items[0]
    assert (per_cpu.name, declared(per_cpu)) == ("mine", "DECLARE_PER_CPU(struct thing, mine);")


def test_a_system_call_has_its_entries(unit: ParsedFile) -> None:
    own, entry, narrow = (
        unit.functions[f"{prefix}small"] for prefix in ("__do_sys_", "__x64_sys_", "__ia32_sys_")
    )
    assert own.text.startswith("static long __do_sys_small(int fd, const char __user *name)\n{")
    assert "__do_sys_small((int)regs->di, (const char __user *)regs->si)" in entry.text
    assert "(const char __user *)(unsigned long)(u32)regs->cx" in narrow.text
    assert set(unit.users("__do_sys_small")) == {"__x64_sys_small", "__ia32_sys_small"}


def test_renaming_leaves_members_and_strings(unit: ParsedFile) -> None:
    text = unit.functions["show"].renamed({"helper": "lp_helper", "used": "lp_used"})
    assert "lp_used += lp_helper(t) + most;" in text
    assert "t->used" in text


def test_members(unit: ParsedFile) -> None:
    assert members(unit.by_name["struct thing"][0]) == ("count", "list")


@pytest.mark.parametrize(
    ("condition", "value"),
    [
        ("defined(CONFIG_SMALL)", True),
        ("!defined(CONFIG_SMALL)", False),
        ("defined CONFIG_NO || defined(CONFIG_SMALL)", True),
        ("IS_ENABLED(CONFIG_SMALL) && (1)", True),
        ("IS_MODULE(CONFIG_SMALL)", False),
        ("defined(MODULE)", None),
        ("defined(MODULE) && defined(CONFIG_NO)", False),
        ("BITS_PER_LONG == 64", None),
        ("!(defined(CONFIG_SMALL)) && (defined(CONFIG_NO))", False),
        ("(defined(CONFIG_SMALL)", None),
        ("", None),
    ],
)
def test_conditions(condition: str, value: bool | None) -> None:
    assert decided(condition, known) is value


def test_a_macro_at_the_end_is_no_declaration() -> None:
    unit = parse("a.c", "int x;\nONE_MORE\nAND_MORE\n#undef ONE_MORE\n")
    assert [item.name for item in unit.items if item.kind is ItemKind.VARIABLE] == ["x"]


def test_a_bitmap_is_a_variable() -> None:
    unit = parse(
        "a.c",
        "static DECLARE_BITMAP(nums[2], MOST);\n"
        "static int next(void)\n{\n\tstatic DECLARE_BITMAP(used, MOST);\n\treturn used[0];\n}\n",
    )
    [item] = unit.by_name["nums"]
    assert declared(item) == "extern unsigned long nums[2][BITS_TO_LONGS(MOST)];"
    assert unit.functions["next"].statics == ("used",)
    assert "used" not in unit.functions["next"].uses


def test_an_item_of_a_header_without_its_guard() -> None:
    text = "#ifndef A_H\n#define A_H\n#ifdef B\n#define X 1\n#endif\n#endif\n"
    unit = parse("a.h", text)
    [item] = unit.by_name["X"]
    assert unit.unguarded(item).conditions == ("#if defined(B)",)
    other = parse("a.h", text.replace("#define A_H\n", ""))
    assert len(other.unguarded(other.by_name["X"][0]).conditions) == 2


@pytest.mark.parametrize(
    ("text", "name", "declared_as"),
    [
        ("static DEFINE_TIMER(t, fire);", "t", "extern struct timer_list t;"),
        ("__cacheline_aligned_in_smp DEFINE_SEQLOCK(l);", "l", "extern seqlock_t l;"),
        (
            "static DEFINE_STATIC_KEY_FALSE_RO(key);",
            "key",
            "extern struct static_key_false key;",
        ),
        (
            "static DEFINE_PER_CPU_READ_MOSTLY(int, n) = 1;",
            "n",
            "DECLARE_PER_CPU_READ_MOSTLY(int, n);",
        ),
    ],
)
def test_a_variable_that_a_known_macro_defines(text: str, name: str, declared_as: str) -> None:
    [item] = parse("a.c", text).items
    assert (item.kind, item.name, declared(item)) == (ItemKind.VARIABLE, name, declared_as)


@pytest.mark.parametrize(
    "text",
    [
        "DEFINE_SCHED_CLASS(rt) = {\n\t.enqueue_task = enqueue_task_rt,\n};",  # rt_sched_class
        "static DEFINE_THING(thing, fire);",
        "TRACE_EVENT(name,\n\tTP_PROTO(int a),\n\tTP_ARGS(a)\n);",
    ],
)
def test_what_another_macro_defines_is_not_known(text: str) -> None:
    [item] = parse("a.c", text).items
    assert (item.kind, item.names) == (ItemKind.OTHER, ())


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("__printf(1, 2) void say(const char *text, ...);", "say"),
        ("static int (*call)(int);", "call"),
        ("__typeof__(jiffies) last;", "last"),
    ],
)
def test_brackets_that_are_no_invocation(text: str, name: str) -> None:
    [item] = parse("a.c", text).items
    assert item.names == (name,)


def test_a_helper_of_bpf_has_an_entry() -> None:
    text = (
        "int a;\nBPF_CALL_2(bpf_one, struct sk_buff *, skb,\n\t   u32, len)\n{\n\treturn len;\n}\n"
    )
    unit = parse("a.c", text + "int b;\n")
    own, entry = unit.functions["____bpf_one"], unit.functions["bpf_one"]
    assert (own.static, own.inline, own.line) == (True, True, 2)
    assert "(struct sk_buff *skb, u32 len)" in own.text
    assert "u64 bpf_one(u64 skb, u64 len, u64 __ur_1, u64 __ur_2, u64 __ur_3)" in entry.text
    assert "____bpf_one" in entry.uses
    assert unit.by_name["b"][0].line == 7
    assert "notrace u64 f(" in parse("a.c", "NOTRACE_BPF_CALL_0(f)\n{\n}\n").functions["f"].text


@pytest.mark.parametrize(
    ("head", "count"),
    [
        ("void f(void)", 0),
        ("int f()", 0),
        ("static int f(int a, /* b, */ struct x *c)", 2),
        ("int f(int (*call)(int, int), int a[2])", 2),
        ("long __printf(1, 2) f(const char *text, ...)", 2),
    ],
)
def test_the_parameters_of_a_function_are_counted(head: str, count: int) -> None:
    assert parse("a.c", f"{head}\n{{\n}}\n").functions["f"].parameters == count


def test_a_head_in_each_branch_and_one_body() -> None:
    text = (
        "#define OTHER 1\n#ifdef A\nstatic int f(int x)\n#elif defined(B)\nstatic int f(long x)\n"
        "#else\nstatic int f(void)\n#endif\n{\n\treturn 1;\n}\n\n"
        "#ifdef A\nMODULE_IT(x)\n#endif\nint after(void)\n{\n\treturn f();\n}\n"
    )
    unit = parse("a.c", text)
    item = unit.functions["f"]
    assert item.text.startswith("#ifdef A\nstatic int f(int x)\n#elif")
    assert item.text.endswith("return 1;\n}") and item.line == 2 and item.conditions == ()
    assert item.static and item.text[item.body] == "{"
    assert unit.functions["after"].text.startswith("int after")


def test_system_calls_whose_branches_have_other_parameters() -> None:
    """kernel/fork.c (v6.1): which order clone() takes depends on the architecture."""
    text = (
        "#ifdef CONFIG_BACKWARDS\nSYSCALL_DEFINE2(clone, int, a, long, b)\n#else\n"
        "SYSCALL_DEFINE2(clone, long, b, int, a)\n#endif\n{\n\treturn a;\n}\n"
    )
    for on, first in ((True, "(int)regs->di, (long)regs->si"), (False, "(long)regs->di, (int)")):
        unit = parse("a.c", text, lambda _name, on=on: on)  # type: ignore[misc]
        [entry] = [i for i in unit.items if i.name == "__x64_sys_clone"]
        assert first in entry.text and entry.conditions == ()
        assert unit.functions["__do_sys_clone"].text.startswith("#ifdef CONFIG_BACKWARDS\n")
