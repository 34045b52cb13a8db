# SPDX-License-Identifier: MIT
"""The C files that a change can affect are found through what they use of it."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from lppack.csource.changes import Changes, compare
from lppack.csource.parse import parse
from lppack.proof.affected import Affected, affected
from lppack.proof.includes import Includes
from lppack.proof.kbuild import apart

A_H = """\
#ifndef A_H
#define A_H
#define LIMIT 3
#define LAST (LIMIT - 1)
#define UNUSED 4
enum state { OFF, ON = 1 };
struct thing { int count; };
static inline int twice(int x)
{
	return 2 * x;
}
int far(int x);
#endif
"""
B_H = """\
#include "a.h"
#define ROOM (LIMIT + 1)
#define PLAIN 7
static inline int four(int x)
{
	return twice(twice(x));
}
struct pair { struct thing one, two; };
"""
FILES = {
    "fs/a.h": A_H,
    "fs/b.h": B_H,
    "fs/c.h": '#include "b.h"\n#define ROOMS (2 * ROOM)\n#define eight(x) (2 * four(x))\n',
    "fs/direct.c": '#include "a.h"\nint x = LIMIT;\n',
    "fs/last.c": '#include "a.h"\nint x = LAST;\n',
    "fs/macro.c": '#include "c.h"\nint x[ROOMS];\n',
    "fs/inline.c": '#include "b.h"\nint f(int x)\n{\n\treturn four(x);\n}\n',
    "fs/both.c": '#include "c.h"\nint f(int x)\n{\n\treturn eight(x);\n}\n',
    "fs/state.c": '#include "b.h"\nint f(void)\n{\n\treturn ON;\n}\n',
    "fs/pair.c": '#include "b.h"\nint f(struct pair *p)\n{\n\treturn p->two.count;\n}\n',
    "fs/plain.c": '#include "b.h"\nint x = PLAIN; /* NO_LIMIT, LIMITS */\n',
    "fs/other.c": "#define LIMIT 8\nint x = LIMIT + ON; int twice(int x);\n",
    "fs/whole.c": '#include "part.c"\n#include "direct.c"\n',
    "fs/part.c": "int part(void)\n{\n\treturn 1;\n}\n",
}


def changed(
    tree: Path,
    edits: Mapping[str, tuple[str, str]],
    files: Mapping[str, str] = FILES,
    *,
    few: int = 0,
) -> Affected:
    """What is affected when in each file the one text becomes the other."""
    for name, text in files.items():
        (tree / "linux" / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / "linux" / name).write_text(text)

    def changes(path: str, old: str = "", new: str = "") -> Changes:
        before = files[path]
        assert old in before
        after = before.replace(old, new) if old else before
        return compare(parse(path, before), parse(path, after))

    every = [changes(path, old, new) for path, (old, new) in edits.items()]
    includes = Includes(tree / "linux", tree)
    return affected(every, tree / "linux", includes, changes, few=few)


@pytest.mark.parametrize(
    ("old", "new", "paths", "names"),
    [
        # whole.c includes direct.c.
        ("LIMIT 3", "LIMIT 4", "direct last macro whole", "LAST LIMIT ROOM ROOMS"),
        ("2 * x", "3 * x", "both inline", "eight four twice"),
        ("ON = 1", "ON = 2", "state", "OFF ON state"),
        ("int count", "long count", "pair", "pair thing"),
        ("#define UNUSED 4", "#define UNUSED 5", "", "UNUSED"),
        ("#define LIMIT 3\n", "", "direct last macro whole", "LAST LIMIT ROOM ROOMS"),
        ("int far(int x);", "__pure int far(int x);", "", "far"),
        ("LIMIT 3", "LIMIT 3 /* three */", "", ""),
    ],
)
def test_users_of_what_changed_in_a_header(
    tmp_path: Path, old: str, new: str, paths: str, names: str
) -> None:
    found = changed(tmp_path, {"fs/a.h": (old, new)})
    assert list(found.paths) == [f"fs/{name}.c" for name in paths.split()]
    assert list(found.names) == names.split()
    assert not found.not_followed


def test_a_header_that_does_not_include_what_its_macro_uses(tmp_path: Path) -> None:
    """A macro is expanded where it is used: there the other header is included as well."""
    files = {
        **FILES,
        "fs/lazy.h": "#define LAZY (LIMIT + 2)\n#define LAZIER (2 * LAZY)\nstruct limits;\n",
        "fs/lazy.c": '#include "a.h"\n#include "lazy.h"\nint x = LAZIER;\n',
        "fs/word.h": "/* LIMIT */\n#define WORD 1\n",
        "fs/word.c": '#include "a.h"\n#include "word.h"\nint x = WORD;\n',
    }
    found = changed(tmp_path, {"fs/a.h": ("LIMIT 3", "LIMIT 4")}, files)
    assert "fs/lazy.c" in found.paths and "fs/word.c" not in found.paths
    assert {"LAZY", "LAZIER"} <= {*found.names}
    assert ("fs/lazy.h", "LAZY") in found.standing
    assert not found.not_followed


@pytest.mark.parametrize(
    ("text", "edit", "names"),
    [
        ("#ifdef DEBUG\n#define TELL 1\n#else\n#define TELL 0\n#endif\n", "DEBUG", "DEBUG TELL"),
        ("#if 2 > 1\n#elif defined(DEBUG)\n#define TELL 1\n#endif\n", "DEBUG", "DEBUG TELL"),
        ("#if LEVEL > 1\nint TELL(void) __cold;\n#endif\n", "LEVEL", "LEVEL TELL"),
        ("#if LEVEL > 1\n#undef TELL\n#endif\n", "LEVEL", "LEVEL TELL"),
        ("#define TELL 1\n#ifdef TELL\n#undef TELL\n#endif\n", "#undef TELL", "TELL"),
    ],
)
@pytest.mark.parametrize("other", [False, True])
def test_a_condition_is_a_use(
    tmp_path: Path, text: str, edit: str, names: str, *, other: bool
) -> None:
    """include/net/sock.h (v6.1): only #ifdef SOCK_DEBUGGING uses SOCK_DEBUGGING."""
    if edit.startswith("#"):
        files = {"fs/a.h": text}
        change = (edit, "")
    else:
        change = (f"#define {edit} 1\n", f"#define {edit} 2\n")
        files = {"fs/a.h": change[0], "fs/b.h": text} if other else {"fs/a.h": change[0] + text}
    users = {
        "fs/user.c": '#include "a.h"\n#include "b.h"\nint x = TELL;\n',
        "fs/none.c": '#include "a.h"\n#include "b.h"\nint y;\n',
    }
    found = changed(tmp_path, {"fs/a.h": change}, {"fs/b.h": "", **files, **users})
    assert (found.paths, " ".join(found.names)) == (("fs/user.c",), names)
    assert not found.not_followed


def test_a_condition_of_an_include_cannot_be_followed(tmp_path: Path) -> None:
    files = {"fs/a.h": "#define MORE 1\n#if MORE\n#include <b.h>\n#endif\n"}
    users = {"fs/b.h": "", "fs/user.c": '#include "a.h"\n'}
    found = changed(tmp_path, {"fs/a.h": ("MORE 1", "MORE 0")}, files | users)
    assert found.not_followed == ("what fs/a.h includes depends on what is changed",)


FORMAT = "fs/xfs/libxfs/log_format.h"
CHKD = ("0x1", "0x2")


@pytest.mark.parametrize(
    ("headers", "used", "edit"),
    [
        ({"q.h": "#define NEED(mp) ((mp)->flags & CHKD)\n"}, "NEED(p)", CHKD),
        ({"q.h": "static inline int chkd(void)\n{\n\treturn CHKD;\n}\n"}, "chkd()", CHKD),
        ({"q.h": "struct flags { char of[CHKD]; };\n"}, "sizeof(struct flags)", CHKD),
        ({"q.h": "enum flag { FLAG = CHKD };\n"}, "FLAG", CHKD),
        ({"q.h": "TRACE_EVENT(quota,\n\tTP_printk(CHKD)\n);\n"}, "trace_quota()", CHKD),
        (
            {"q.h": "static inline int id(struct dqblk *d)\n{\n\treturn d->id;\n}\n"},
            "id(0)",
            ("int id", "long id"),
        ),
        (
            {
                "libxfs/flags.h": '#include "log_format.h"\n#define FLAGS (CHKD + 1)\n',
                "q.h": "#define DOUBLE (2 * FLAGS)\n",
            },
            "DOUBLE",
            CHKD,
        ),
        ({"../deep/q.h": "#define BY_OPTION CHKD\n"}, "BY_OPTION", CHKD),
    ],
)
def test_users_by_way_of_headers_of_other_folders(
    tmp_path: Path, headers: dict[str, str], used: str, edit: tuple[str, str]
) -> None:
    """fs/xfs/xfs_quota.h (v6.1) uses XFS_UQUOTA_CHKD of fs/xfs/libxfs, and does not include it."""
    text = '#include "log_format.h"\n#include "{}"\nint f(void *p)\n{{\n\treturn {};\n}}\n'
    files = {
        FORMAT: "#define CHKD 0x1\nstruct dqblk { int id; };\n",
        **{os.path.normpath(f"fs/xfs/{name}"): said for name, said in headers.items()},
        "fs/xfs/user.c": text.format("q.h", used),
        "fs/xfs/none.c": text.format("q.h", "STRANGE + FOREIGN"),
        # Of these none is included where the changed one is.
        "fs/apart/own.h": "#define STRANGE CHKD\n",
        "fs/apart/strange.c": '#include "own.h"\nint x = STRANGE;\n',
        "arch/arm/include/asm/quota.h": "#define FOREIGN CHKD\n",
    }
    found = changed(tmp_path, {FORMAT: edit}, files)
    assert found.paths == ("fs/xfs/user.c",)
    assert not found.not_followed
    # Where all users are compiled, what depends on the change is reported as well.
    few = changed(tmp_path, {FORMAT: edit}, files, few=40)
    assert few.standing == found.standing and len(few.standing) >= ("TRACE" not in str(headers))


def test_macros_at_the_top_level_of_a_header_of_another_folder(tmp_path: Path) -> None:
    user = '#include "log_format.h"\n#include "late.h"\n'
    files = {FORMAT: "#define CHKD 0x1\n", "fs/xfs/late.h": "MAKE(CHKD)\n", "fs/xfs/late.c": user}
    found = changed(tmp_path, {FORMAT: CHKD}, files)
    why = "macros at the top level of fs/xfs/late.h depend on what is changed"
    assert found.not_followed == (why,)


@pytest.mark.parametrize("text", ["#define N{} LIMIT\n", "#define N{} (N{} + LIMIT)\n"])
def test_too_many_names_of_headers_that_include_nothing(tmp_path: Path, text: str) -> None:
    lines = "".join(text.format(n, n + 1) for n in range(401))
    user = '#include "a.h"\n#include "many.h"\n'
    files = {"fs/a.h": A_H, "fs/many.h": lines, "fs/many.c": user}
    [why] = changed(tmp_path, {"fs/a.h": ("LIMIT 3", "LIMIT 4")}, files).not_followed
    assert why.startswith("more than 400 names depend on ")


def test_what_is_new_in_a_header(tmp_path: Path) -> None:
    found = changed(
        tmp_path, {"fs/b.h": ("#define PLAIN 7", "#define PLAIN 7\n#define NO_LIMIT 1")}
    )
    assert found.paths == ("fs/plain.c",)
    assert found.names == ("NO_LIMIT",)


def test_a_changed_c_file_is_alone(tmp_path: Path) -> None:
    found = changed(tmp_path, {"fs/macro.c": ("ROOMS", "ROOMS + 1")})
    assert (found.paths, found.names) == (("fs/macro.c",), ())


def test_a_c_file_that_another_includes(tmp_path: Path) -> None:
    found = changed(tmp_path, {"fs/part.c": ("1", "2")})
    assert found.paths == ("fs/part.c", "fs/whole.c")


def test_a_header_and_a_c_file(tmp_path: Path) -> None:
    edits = {"fs/c.h": ("2 * ROOM", "3 * ROOM"), "fs/plain.c": ("PLAIN", "PLAIN + 1")}
    found = changed(tmp_path, edits)
    assert found.paths == ("fs/macro.c", "fs/plain.c")
    assert found.names == ("ROOMS",)


@pytest.mark.parametrize(("count", "too_many"), [(300, False), (401, True)])
def test_too_many_names_are_not_followed(tmp_path: Path, count: int, too_many: bool) -> None:
    lines = "".join(f"#define N{n} LIMIT\n" for n in range(count))
    files = {"fs/a.h": A_H, "fs/many.h": f'#include "a.h"\n{lines}'}
    found = changed(tmp_path, {"fs/a.h": ("LIMIT 3", "LIMIT 4")}, files, few=-1)
    assert bool(found.not_followed) == too_many


def test_a_name_that_a_macro_puts_together(tmp_path: Path) -> None:
    """No file spells do_thing_fast."""
    files = {
        "fs/a.h": "static inline int do_thing_fast(int x)\n{\n\treturn x;\n}\n",
        "fs/b.h": '#include "a.h"\n#define DO(how) do_thing_##how(1)\n',
        "fs/user.c": '#include "b.h"\nint f(void)\n{\n\treturn DO(fast);\n}\n',
        "fs/own.c": '#include "a.h"\n#define IT(w) do_##w##_fast(2)\nint g = IT(thing);\n',
        "fs/none.c": '#include "b.h"\nint h;\n',
    }
    found = changed(tmp_path, {"fs/a.h": ("return x;", "return -x;")}, files)
    assert found.paths == ("fs/own.c", "fs/user.c")


def test_all_users_of_a_header_that_few_include(tmp_path: Path) -> None:
    found = changed(tmp_path, {"fs/c.h": ("2 * ROOM", "3 * ROOM")}, few=2)
    assert found.paths == ("fs/both.c", "fs/macro.c")
    assert found.names == () and not found.not_followed


def test_what_has_no_name_to_be_found_by_is_said(tmp_path: Path) -> None:
    files = {**FILES, "fs/d.h": "#define X 1\n"}
    found = changed(
        tmp_path, {"fs/b.h": ('#include "a.h"', '#include "a.h"\n#include "d.h"')}, files
    )
    [why] = found.not_followed
    assert why.startswith("fs/b.h changes its includes")


EVENT_H = """\
#define STORE(x) (x)
TRACE_EVENT(hit,
	TP_PROTO(int x),
	TP_ARGS(x),
	TP_STRUCT__entry(__field(int, x)),
	TP_fast_assign(__entry->x = STORE(x);),
	TP_printk("%d", __entry->x)
);
OTHERS(LIMIT)
#define LIMIT 3
#define PLAIN 4
"""
EVENTS = {
    "fs/event.h": EVENT_H,
    "fs/makes.c": '#define CREATE_TRACE_POINTS\n#include "event.h"\n',
    "fs/hits.c": '#include "event.h"\nvoid f(void)\n{\n\ttrace_hit(1);\n}\n',
    "fs/neither.c": '#include "event.h"\nvoid g(void);\n',
    "fs/plain.S": '#include "event.h"\n\tret\n',
}


@pytest.mark.parametrize("edit", [("(x)\nTRACE", "(x + 1)\nTRACE"), ("%d", "%u")])
def test_a_trace_event_is_compiled_where_it_is_made(tmp_path: Path, edit: tuple[str, str]) -> None:
    found = changed(tmp_path, {"fs/event.h": edit}, EVENTS)
    assert found.paths == ("fs/hits.c", "fs/makes.c")
    assert not found.not_followed


def test_other_macros_at_the_top_level_cannot_be_followed(tmp_path: Path) -> None:
    [said] = changed(tmp_path, {"fs/event.h": ("LIMIT 3", "LIMIT 5")}, EVENTS).not_followed
    assert said == "macros at the top level of fs/event.h depend on what is changed"


@pytest.mark.parametrize(
    ("text", "told"),
    [("\tmov $PLAIN, %eax\n", True), ("\tmov $OTHER, %eax\n", False)],
)
def test_assembler_that_uses_a_macro_of_a_header_is_told(
    tmp_path: Path, text: str, told: bool
) -> None:
    files = EVENTS | {"fs/plain.S": '#include "event.h"\n' + text}
    found = changed(tmp_path, {"fs/event.h": ("PLAIN 4", "PLAIN 5")}, files)
    said = ("fs/event.h changes PLAIN, which the assembler in fs/plain.S may use",)
    assert found.not_followed == (said if told else ())


@pytest.mark.parametrize("few", [0, 40])
def test_what_is_compiled_into_something_else_is_told(tmp_path: Path, few: int) -> None:
    """The constants of assembler, and code of the vDSO: no object of theirs is compared."""
    files = {
        **FILES,
        "arch/x86/kernel/asm-offsets.c": '#include "../../../fs/b.h"\nint x = ROOM;\n',
        "arch/x86/entry/vdso/clock.c": '#include "../../../../fs/b.h"\nint x = PLAIN;\n',
    }
    found = changed(tmp_path, {"fs/a.h": ("LIMIT 3", "LIMIT 4")}, files, few=few)
    assert found.not_followed == (
        "arch/x86/kernel/asm-offsets.c uses what fs/a.h changes, and is not compared: it gives "
        "assembler and headers their constants, when the kernel is built",
    )
    assert apart("kernel/fork.c") is None


def test_a_c_file_that_is_compiled_into_something_else_as_well_is_told(tmp_path: Path) -> None:
    """The code that starts the kernel includes C of lib, and that of kexec has a rule for it."""
    files = {
        **FILES,
        "arch/x86/boot/compressed/kaslr.c": '#include "../../../../fs/part.c"\n',
        "arch/x86/purgatory/Makefile": "$(obj)/part.o: $(srctree)/fs/part.c FORCE\n",
    }
    found = changed(tmp_path, {"fs/part.c": ("return 1", "return 2")}, files)
    why = "and is not compared: it does not run in the kernel, but before it or after it"
    assert found.not_followed == (
        f"arch/x86/boot/compressed/kaslr.c includes fs/part.c, {why}",
        f"arch/x86/purgatory is built from fs/part.c as well, {why}",
    )
    own = "arch/x86/boot/compressed/kaslr.c"  # which is said of its lines
    assert not changed(tmp_path, {own: ("part.c", "other.c")}, files).not_followed


def test_what_of_the_vdso_and_of_realmode_is_in_the_kernel() -> None:
    assert apart("arch/x86/entry/vdso/vma.c") is None
    assert apart("arch/x86/realmode/init.c") is None
    assert apart("arch/x86/entry/vdso/vclock_gettime.c")
    assert apart("arch/x86/realmode/rm/wakemain.c")


LIST_H = """\
#define IDS(id) \\
	id(NONE, none) \\
	id(MODULE, module)
#define MAKE(ENUM, dummy) READING_ ## ENUM,
#define WORD(dummy, str) #str,
enum reading { IDS(MAKE) READING_LAST };
#define PLAIN(id) id(FIRST) id(SECOND)
#define AS_IS(name) name,
enum plain { PLAIN(AS_IS) };
"""


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("	id(MODULE", "	id(KEXEC, kexec) \\\n	id(MODULE", "fs/pasted.c"),
        ("READING_ ##", "WRITING_ ##", "fs/pasted.c"),
        ("id(FIRST)", "id(ZEROTH) id(FIRST)", "fs/as_is.c"),
    ],
)
def test_constants_that_macros_make_from_a_list(
    tmp_path: Path, old: str, new: str, path: str
) -> None:
    files = {
        **FILES,
        "fs/list.h": LIST_H,
        "fs/pasted.c": '#include "list.h"\nint x = READING_MODULE;\n',
        "fs/as_is.c": '#include "list.h"\nint x = SECOND;\n',
    }
    assert changed(tmp_path, {"fs/list.h": (old, new)}, files).paths == (path,)
