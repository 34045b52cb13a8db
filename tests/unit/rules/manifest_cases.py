# SPDX-License-Identifier: MIT
from lppack.rules import manifest
from tests.unit.rules.cases import CHECK, NEW0, OLD0, Case, expect, functions, objects

CASES = (
    # -- no-control-characters
    Case(manifest.no_control_characters, "none", {}),
    Case(manifest.no_control_characters, "any script", {"author": "André Müller 李 🐧"}),
    Case(
        manifest.no_control_characters,
        "lines in a check",
        {"test": {"checks": [{"run": "a\n\tb\n", "expect": {"before": "a\nb"}}]}},
    ),
    Case(
        manifest.no_control_characters,
        "a line break",
        {"description": "one\ntwo"},
        [("description",)],
    ),
    Case(manifest.no_control_characters, "escape", {"author": "\x1b[31m"}, [("author",)]),
    Case(manifest.no_control_characters, "at the end", {"name": "conn\n"}, [("name",)]),
    Case(
        manifest.no_control_characters,
        "below lists",
        {"sources": ["a.c", "b\x7f.c"]},
        [("sources", 1)],
    ),
    Case(manifest.no_control_characters, "half a character", {"license": "\ud800"}, [("license",)]),
    Case(
        manifest.no_control_characters,
        "NUL in a check",
        {"test": {"checks": [{"run": "a\0b", "expect": {"before": "\r"}}]}},
        [(*CHECK, "run"), (*CHECK, "expect", "before")],
    ),
    Case(
        manifest.no_control_characters,
        "lines elsewhere in test",
        {"test": {"boot": ["a\nb"]}},
        [("test", "boot", 0)],
    ),
    # -- series-name-is-free
    Case(manifest.series_name_is_free, "another", {"name": "engines"}),
    Case(manifest.series_name_is_free, "ours", {"name": "engine"}, [("name",)]),
    # -- module-name-fits: lppack_NAME_VERSION has 8 characters besides the two
    Case(manifest.module_name_fits, "55", {"name": "a" * 43, "version": 9999}),
    Case(manifest.module_name_fits, "56", {"name": "a" * 44, "version": 9999}, [("name",)]),
    # -- object-name-is-a-module
    Case(manifest.object_name_is_a_module, "vmlinux", objects("vmlinux")),
    Case(manifest.object_name_is_a_module, "modules", objects("conn", "8021q", "nf_nat_H323")),
    Case(manifest.object_name_is_a_module, "55", objects("a" * 55)),
    Case(manifest.object_name_is_a_module, "56", objects("a" * 56), [("objects", 0, "name")]),
    Case(
        manifest.object_name_is_a_module, "a file", objects("x", "zfs.ko"), [("objects", 1, "name")]
    ),
    Case(manifest.object_name_is_a_module, "a dash", objects("nf-nat"), [("objects", 0, "name")]),
    Case(manifest.object_name_is_a_module, "a path", objects("../conn"), [("objects", 0, "name")]),
    Case(manifest.object_name_is_a_module, "a line", objects("conn\n"), [("objects", 0, "name")]),
    # -- no-object-twice
    Case(manifest.no_object_twice, "two", objects("conn", "vmlinux")),
    Case(
        manifest.no_object_twice,
        "three times",
        objects("conn", "vmlinux", "conn", "conn"),
        [("objects", 2, "name"), ("objects", 3, "name")],
    ),
    # -- no-function-twice
    Case(manifest.no_function_twice, "different", functions({"old": "a"}, {"old": "b"})),
    Case(
        manifest.no_function_twice,
        "told apart",
        functions({"old": "a", "sympos": 1}, {"old": "a", "sympos": 2}),
    ),
    Case(
        manifest.no_function_twice,
        "in two objects",
        {
            "objects": [
                {"name": "x", "functions": [{"old": "a"}]},
                {"name": "y", "functions": [{"old": "a"}]},
            ]
        },
    ),
    Case(
        manifest.no_function_twice,
        "no position",
        functions({"old": "a"}, {"old": "a"}),
        [("objects", 0, "functions", 1, "old")],
    ),
    Case(
        manifest.no_function_twice,
        "same position",
        functions({"old": "a", "sympos": 2}, {"old": "b"}, {"old": "a", "sympos": 2}),
        [("objects", 0, "functions", 2, "old")],
    ),
    Case(
        manifest.no_function_twice,
        "one of two has a position",
        functions({"old": "a"}, {"old": "a", "sympos": 2}),
        [OLD0],
    ),
    # -- replacement-is-another-function
    Case(manifest.replacement_is_another_function, "another", {}),
    Case(
        manifest.replacement_is_another_function,
        "itself",
        functions({"old": "a", "new": "a"}),
        [NEW0],
    ),
    # -- license-is-compatible
    *(
        Case(manifest.license_is_compatible, name, {"license": name})
        for name in ("GPL-2.0-only", "GPL-2.0", "GPL-2.0-or-later", "GPL-2.0+")
    ),
    *(
        Case(manifest.license_is_compatible, name, {"license": name}, [("license",)])
        for name in ("MIT", "GPL-3.0-only", "GPL v2", "gpl-2.0-only", "")
    ),
    # -- kernel-pattern-is-plain
    Case(
        manifest.kernel_pattern_is_plain,
        "plain",
        {"kernels": ["6.1.0-*-amd64", "6.1.0-56-cloud-amd64", "6.1.99", "6.1.0~rc1+x_y-1"]},
    ),
    Case(
        manifest.kernel_pattern_is_plain,
        "not plain",
        {"kernels": ["6.1.[0-9]", "6.1 *", "6.1.0-?", "6.1.0-*\n"]},
        [("kernels", 0), ("kernels", 1), ("kernels", 2), ("kernels", 3)],
    ),
    # -- kernel-pattern-has-fields
    Case(
        manifest.kernel_pattern_has_fields,
        "fields, and a release without a pattern",
        {"kernels": ["6.1.0-*-amd64", "6.1.99", "*-amd64"]},
    ),
    Case(
        manifest.kernel_pattern_has_fields,
        "as in a shell",
        {"kernels": ["6.1.*", "6.1.0-*", "*"]},
        [("kernels", 0), ("kernels", 2)],
    ),
    # -- expectation-is-readable
    Case(manifest.expectation_is_readable, "regex", {}),
    Case(manifest.expectation_is_readable, "text with a bracket", expect("a (b")),
    Case(manifest.expectation_is_readable, "a path", expect("/etc(")),
    Case(manifest.expectation_is_readable, "one slash", expect("/")),
    *(
        Case(
            manifest.expectation_is_readable,
            f"not a regex: {text[:12]}",
            expect(text),
            [(*CHECK, "expect", "before")],
        )
        for text in (
            "/a(b/",
            "/[/",
            "/(?P<n>a)(?P<n>b)/",
            "/a{99999999999999999999}/",
            "/" + "(" * 5000 + ")" * 5000 + "/",
        )
    ),
    # -- replacement-name-shows-its-origin (a warning)
    Case(manifest.replacement_name_shows_its_origin, "it does", {}),
    Case(
        manifest.replacement_name_shows_its_origin,
        "it does not",
        functions({"old": "a", "new": "new_a"}),
        [NEW0],
    ),
    # -- object-changes-something
    Case(manifest.object_changes_something, "functions", {}),
    Case(
        manifest.object_changes_something,
        "hooks alone",
        {"objects": [{"name": "conn", "functions": [], "hooks": {"pre_patch": "lp_pre"}}]},
    ),
    Case(
        manifest.object_changes_something,
        "nothing",
        {"objects": [{"name": "a"}, {"name": "b", "functions": []}]},
        [("objects", 0), ("objects", 1)],
    ),
    # -- late-has-a-module
    Case(manifest.late_has_a_module, "a module", {"test": {"late": True}}),
    Case(manifest.late_has_a_module, "not late", {"test": {"late": False}, **objects("vmlinux")}),
    Case(
        manifest.late_has_a_module,
        "vmlinux alone",
        {"test": {"late": True}, **objects("vmlinux")},
        [("test", "late")],
    ),
)
