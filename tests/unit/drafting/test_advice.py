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
