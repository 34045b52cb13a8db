# SPDX-License-Identifier: MIT
"""What a change does to data and locks."""

from lppack.drafting.advice import advise, refused, stubs, words
from tests.kit.c_sample import FILE
from tests.unit.drafting.small import (
    TWICE,
    changes,
    here,
    text_of,
)


def test_data_is_recognised() -> None:
    layout = advise([changes(FILE.replace("int count;", "int count;\n\tint more;"))], here)
    [thing] = layout.layouts
    assert (thing.type, thing.size, thing.gained) == ("struct thing", 16, ("more",))
    assert "of 16 bytes" in next(words(layout))
    new = advise(
        [changes(FILE.replace("enum state", "struct fresh { int x; };\nenum state"))], here
    )
    assert [(x.type, x.size) for x in new.layouts] == [("struct fresh", None)]
    data = advise([changes(FILE.replace(".count = OFF", ".count = ON"))], here)
    assert data.data == ("table",)
    counted = advise([changes(FILE.replace("return twice", "t->count++;\n\treturn twice"))], here)
    assert counted.counters == ("count",)
    for advice in (layout, new, data, counted):
        assert advice.changes_data and stubs(advice) and not refused(advice)
    assert text_of(TWICE, ["helper"], *stubs(data)).count("#error") == 1
    plain = advise([TWICE], here)
    assert not plain.changes_data and not stubs(plain) and not list(words(plain))


MORE = FILE.replace("int count;", "int count;\n\tint more;")


def test_a_structure_of_another_name_is_the_old_one_in_what_lives() -> None:
    renamed = MORE.replace("struct thing", "struct other_thing")
    advice = advise([changes(renamed)], here)
    [layout] = advice.layouts
    assert (layout.type, layout.size, layout.renamed) == ("struct thing", 16, "struct other_thing")
    assert (layout.gained, layout.lost) == (("more",), ())
    assert "struct thing, which is struct other_thing now, changes (+more)" in next(words(advice))
    assert stubs(advice)
    same = advise([changes(FILE.replace("struct thing", "struct other_thing"))], here)
    assert same.layouts == ()


def test_a_structure_that_moves_and_differs_is_the_old_one_in_what_lives() -> None:
    start, end = MORE.index("struct thing {"), MORE.index("enum state")
    text = FILE[: FILE.index("struct thing {")] + FILE[FILE.index("enum state") :]
    moved = [changes(text), changes(MORE[start:end], "", "fs/small.h")]
    [layout] = advise(moved, here).layouts
    assert (layout.type, layout.size, layout.renamed) == ("struct thing", 16, None)
    assert layout.gained == ("more",)
    guarded = FILE.replace("struct thing {", "#ifdef OTHER\nstruct thing {\n\tint more;")
    guarded = guarded.replace("} __packed;", "} __packed;\n#endif")
    assert [x.gained for x in advise([changes(guarded)], here).layouts] == [("more",)]


def test_another_structure_takes_the_place_of_none() -> None:
    fresh = "struct fresh {\n\tint a;\n\tstruct list_head list;\n\tint b, c;\n};\nenum state"
    text = FILE[: FILE.index("struct thing {")] + FILE[FILE.index("enum state") :]
    [layout] = advise([changes(text.replace("enum state", fresh))], here).layouts
    assert (layout.type, layout.size) == ("struct fresh", None)


def test_a_count_that_only_moves_is_the_same() -> None:
    old = FILE.replace("return twice", "t->count++;\n\treturn twice")
    new = FILE.replace("mutex_lock(&lock);", "t->count++;\n\tmutex_lock(&lock);")
    assert advise([changes(new, old)], here).counters == ()


def test_locking_and_layout_together_are_refused() -> None:
    both = FILE.replace("int count;", "int count;\n\trefcount_t refs;")
    both = both.replace("mutex_unlock(&lock);", "mutex_unlock(&other);")
    advice = advise([changes(both)], here)
    [no] = refused(advice)
    assert no.what == "show"
    assert "struct thing (16 bytes; +refs)" in no.why
    assert no.way
    only_locks = advise(
        [changes(FILE.replace("mutex_unlock(&lock);", "mutex_unlock(&o);"))],
        here,
    )
    assert not refused(only_locks)
    assert "the locking in show changes" in next(words(only_locks))
