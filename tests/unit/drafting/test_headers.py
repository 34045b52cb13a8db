# SPDX-License-Identifier: MIT
"""Private headers that a draft needs."""

from lppack.csource.parse import parse
from lppack.drafting.extract import extract
from lppack.drafting.headers import Private
from lppack.drafting.text import c_text
from lppack.drafting.wired import wired_of
from tests.kit.c_sample import FILE
from tests.unit.drafting.small import (
    HEADER,
    WHOLE,
    changes,
    text_of,
)


def test_a_private_header_is_taken_where_it_is_used() -> None:
    edit = changes(FILE.replace("twice(t->count)", "twice(sizeof(struct other))"))
    made = extract(edit, {"helper": "lp_helper"}, WHOLE, {})
    assert Private(made, {"fs/small.h": HEADER}.get).folders == ("fs",)
    assert '#include "kernel_headers/fs/small.h"' in text_of(edit, ["helper"])


def test_a_private_header_with_others_in_it_is_kept() -> None:
    edit = changes(FILE.replace("twice(t->count)", "1"))
    made = extract(edit, {"helper": "lp_helper"}, WHOLE, {})
    others = {"fs/small.h": parse("fs/small.h", "#include <linux/more.h>\n")}
    assert Private(made, others.get).folders == ("fs",)
    alone = {"fs/small.h": parse("fs/small.h", "int x;\n")}
    assert Private(made, alone.get).folders == ()


def test_a_private_header_that_another_needs_is_taken_too() -> None:
    old = FILE.replace('#include "small.h"', '#include "limits.h"\n#include "small.h"')
    edit = changes(old.replace("twice(t->count)", "twice(sizeof(struct other))"), old)
    made = extract(edit, {"helper": "lp_helper"}, WHOLE, {})
    headers = {
        "fs/limits.h": parse("fs/limits.h", "#define MOST 4\n"),
        "fs/small.h": parse("fs/small.h", "struct other {\n\tint x[MOST];\n};\n"),
    }
    private = Private(made, headers.get)
    text = c_text(made, "/* */", private, wired_of(made, WHOLE))
    assert '#include "kernel_headers/fs/limits.h"\n#include "kernel_headers/fs/small.h"' in text


def test_a_private_header_that_only_a_condition_names_is_taken() -> None:
    old = FILE.replace(
        "static int helper(struct thing *t)\n{", "#if MOST > 3\n#define X 1\n#endif\n{}"
    )
    old = old.replace("{}", "static int helper(struct thing *t)\n{")
    edit = changes(old.replace("twice(t->count)", "X"), old)
    made = extract(edit, {"helper": "lp_helper"}, WHOLE, {})
    headers = {
        "fs/small.h": parse("fs/small.h", "#if HAS\n#define MOST 4\n#endif\n"),
        "fs/has.h": parse("fs/has.h", "#define HAS 1\n"),
    }
    assert Private(made, headers.get).folders == ("fs",)
    both = FILE.replace('#include "small.h"', '#include "has.h"\n#include "small.h"')
    edit = changes(both.replace("twice(t->count)", "MOST"), both)
    made = extract(edit, {"helper": "lp_helper"}, WHOLE, {})
    private = Private(made, headers.get)
    text = c_text(made, "/* */", private, wired_of(made, WHOLE))
    assert '#include "kernel_headers/fs/has.h"\n#include "kernel_headers/fs/small.h"' in text
