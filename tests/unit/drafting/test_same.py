# SPDX-License-Identifier: MIT
"""The check of drafts against the sources can fail."""

from pathlib import Path

import pytest

from lppack.csource.parse import parse
from tests.kit.same import differences

OLD = """\
#define LIMIT 3
static int copied(int x)
{
\treturn x + LIMIT;
}

static int fixed(int x)
{
\ttrace_seen(x);
\treturn copied(x);
}
"""
NEW = OLD.replace("copied(x);", "copied(x - 1);")
DRAFT = """\
#include "lppack.h"
#define LIMIT 3
static int copied(int x)
{
\treturn x + LIMIT;
}

int lp_fixed(int x);

int lp_fixed(int x)
{
\tlp_trace(seen, x);
\t/* the fix */
\treturn copied(x - 1);
}
"""


def found(folder: Path, draft: str) -> list[str]:
    (folder / "a.c").write_text(draft)
    return list(differences(folder, "fixed", parse("f.c", OLD), parse("f.c", NEW), {}))


def test_the_same(tmp_path: Path) -> None:
    assert found(tmp_path, DRAFT) == []


@pytest.mark.parametrize(
    ("right", "wrong", "name"),
    [
        ("x - 1", "x - 2", "lp_fixed"),
        ("copied(x - 1)", "copied(x)", "lp_fixed"),
        ("lp_trace(seen, x);", "lp_trace(heard, x);", "lp_fixed"),
        ("LIMIT 3", "LIMIT 4", "LIMIT"),
        ("x + LIMIT", "x - LIMIT", "copied"),
        ("copied(int x)", "copied(long x)", "copied"),
    ],
)
def test_what_differs(tmp_path: Path, right: str, wrong: str, name: str) -> None:
    assert found(tmp_path, DRAFT.replace(right, wrong)) == [f"a.c: {name} is not as in f.c"]
