# SPDX-License-Identifier: MIT
from lppack.rules import files
from tests.unit.rules.cases import Case

CASES = (
    # -- files-are-in-the-folder (the folder of this test holds links, a pipe and a directory)
    Case(files.files_are_in_the_folder, "all there", {}),
    Case(files.files_are_in_the_folder, "in a folder", {"sources": ["load/opener.c"]}),
    Case(files.files_are_in_the_folder, "a link that stays", {"sources": ["inner.c"]}),
    Case(
        files.files_are_in_the_folder,
        "missing",
        {"sources": ["conn.c", "con.c"], "headers": ["no/ext.h"]},
        [("sources", 1), ("headers", 0)],
    ),
    Case(
        files.files_are_in_the_folder,
        "a missing program",
        {"test": {"programs": ["load/closer.c"]}},
        [("test", "programs", 0)],
    ),
    Case(
        files.files_are_in_the_folder,
        "files of the workload",
        {
            "workload": {
                "stacks": "../all.folded",
                "visits": [{"function": "f"}, {"function": "f", "histogram": "gone.txt"}],
            }
        },
        [("workload", "stacks"), ("workload", "visits", 1, "histogram")],
    ),
    *(
        Case(files.files_are_in_the_folder, f"file {i}", {"sources": [text]}, [("sources", 0)])
        for i, text in enumerate(
            (
                "../conn.c",
                "load/../conn.c",
                "/etc/passwd",
                "./conn.c",
                "load//opener.c",
                "conn.c/",
                "-o.c",
                "a b.c",
                "a\nb.c",
                "$(id).c",
                "",
                "out.c",
                "outside/passwd",
                "gone.c",
                "folder.c",
                "pipe.c",
            )
        )
    ),
    Case(files.files_are_in_the_folder, "a loop", {"sources": ["loop.c"]}, [("sources", 0)]),
    Case(
        files.files_are_in_the_folder,
        "a name that no file can have",
        {"sources": ["a" * 300 + ".c"]},
        [("sources", 0)],
    ),
    # -- sources-are-c
    Case(files.sources_are_c, "they are", {}),
    Case(files.sources_are_c, "headers of others", {"headers": ["target/conn.h"]}),
    *(
        Case(files.sources_are_c, f"source {text}", {"sources": [text]}, [("sources", 0)])
        for text in (
            "conn.S",
            "conn.o",
            "Kbuild",
            "lp_glue.c",
            "lp_convert.c",
            "lppack_x_1.c",
            "engine/a.c",
            "lp_world.c",
        )
    ),
    *(
        Case(files.sources_are_c, f"header {text}", {"headers": [text]}, [("headers", 0)])
        for text in ("ext.c", "lppack.h", "lp_runtime.h")
    ),
    # -- sources-are-text (the folder of this test holds files that are not)
    Case(files.sources_are_text, "they are", {}),
    Case(
        files.sources_are_text,
        "they are not",
        {"sources": ["conn.c", "nul.c", "latin.c", "large.c"]},
        [("sources", 1), ("sources", 2), ("sources", 3)],
    ),
)
