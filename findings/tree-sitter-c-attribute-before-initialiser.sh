#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Package:  tree-sitter 0.26.1 with tree-sitter-c 0.24.2, from PyPI.
# Expected: in valid C, a construct that the grammar does not know costs at most the declaration
#           that it stands in; error recovery goes on with the next one.
# Seen:     an attribute between the declarator of an array and its initialiser, which gcc and clang
#           accept, together with a comma behind the last value turns all that follows, to the end
#           of the file, into the inside of one compound statement: none of the functions behind it
#           is at the top level any more. Without the attribute the same file is read as it is.
# Hurts:    whoever lists the functions of a file by its top level. In net/ipv6/mcast.c of
#           Linux 6.1 that is 3,150 of 3,216 lines.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet tree-sitter==0.26.1 tree-sitter-c==0.24.2
cat > "$place/show.py" <<'PYTHON'
import sys
from importlib.metadata import version

import tree_sitter
import tree_sitter_c

TEXT = """\
static int sizes[] {attribute}= {{
	1,
	2,
}};

int first(void)
{{
	return sizes[0];
}}

int second(void)
{{
	return sizes[1];
}}
"""
print("tree-sitter", version("tree-sitter"), "tree-sitter-c", version("tree-sitter-c"))
parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_c.language()))


def functions(attribute):
    text = TEXT.format(attribute=attribute)
    root = parser.parse(text.encode()).root_node
    return [child.type for child in root.children].count("function_definition")


without, with_it = functions(""), functions("__attribute__((__unused__)) ")
print(f"expected: 2 functions at the top level, as without the attribute ({without})")
print(f"seen:     {with_it}")
sys.exit(0 if (without, with_it) == (2, 0) else "the behaviour has changed")
PYTHON
"$place/venv/bin/python" "$place/show.py"
