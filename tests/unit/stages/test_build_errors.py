# SPDX-License-Identifier: MIT
"""What a machine lacks is not the author's mistake; what gcc says of a source is."""

from dataclasses import replace
from pathlib import Path

import pytest

from lppack.errors import BuildFailed, EnvironmentMissing
from lppack.model import Plan, ShadowVariable
from lppack.stages.build_errors import failure
from tests.kit.samples import manifest, plan

#: As the programs print them.
LACKS = {
    "/tmp/ccXx.s: Assembler messages: No space left on device": "No space left on device in",
    "fixdep: not all data was written to the output": "No space left on device in",
    "sh: 1: printf: printf: I/O error": "No space left on device in",
    "make[2]: vfork: Resource temporarily unavailable": "could not start another process",
    "sh: 1: Cannot fork": "could not start another process",
    "gcc-12: fatal error: Killed signal terminated program cc1": "out of memory",
    "cc1: out of memory allocating 65536 bytes after a total of 4 bytes": "out of memory",
    "virtual memory exhausted: Cannot allocate memory": "out of memory",
}


@pytest.mark.parametrize("line", LACKS)
def test_what_the_machine_lacks_has_a_message_of_its_own(line: str, tmp_path: Path) -> None:
    of = plan(manifest(tmp_path))
    found = failure(f"  CC [M] x.o\n{line}\nmake: *** Error 2\n", "make: 2", of, tmp_path, "/b")
    assert isinstance(found, EnvironmentMissing)
    assert LACKS[line] in found.message
    assert found.hint


def test_a_mistake_in_a_source_is_one(tmp_path: Path) -> None:
    of = plan(manifest(tmp_path))
    out = "/b/module/conn.c:3:1: error: unknown type name 'forks'\n"
    found = failure(out, "make: 2", of, tmp_path, "/b")
    assert isinstance(found, BuildFailed)
    assert "conn.c:3: unknown type name" in found.message


def said(text: str, of: Plan, folder: Path, file: str = "conn.c") -> BuildFailed:
    """What is made of one error of the compiler in ``file``."""
    found = failure(f"/b/module/{file}:3:1: error: {text}\n", "make: 2", of, folder, "/b")
    assert isinstance(found, BuildFailed)
    return found


def test_a_type_that_no_header_defines_is_the_manifests_mistake(tmp_path: Path) -> None:
    """The compiler sees it in generated code only."""
    (tmp_path / "ext.h").write_text("struct conn_ext {\n\tint limit;\n};\n")
    shadow = ShadowVariable(
        name="conn_ext",
        version=1,
        type="struct conn_exd",
        attached_to="struct conn",
        transform="conn",
        constructor=None,
        newest=True,
    )
    of = plan(replace(manifest(tmp_path), headers=("ext.h",), shadow_variables=(shadow,)))
    text = "invalid application of 'sizeof' to incomplete type 'struct conn_exd'"
    found = said(text, of, tmp_path, "lp_convert.c")
    assert found.file == str(of.manifest.path)
    assert found.message.startswith(
        f"{of.manifest.path}: none of the headers defines struct conn_exd"
    )
    assert found.message.endswith('the shadow variable conn_ext; did you mean "struct conn_ext"?')


def test_what_lppack_h_declares_has_a_way_out(tmp_path: Path) -> None:
    of = plan(manifest(tmp_path))
    found = said("implicit declaration of function 'lp_test_point'", of, tmp_path)
    assert str(found.hint).startswith('add #include "lppack.h", which declares it; build.log')
    found = said("implicit declaration of function 'lp_nothing'", of, tmp_path)
    assert str(found.hint).startswith("build.log")


def test_a_private_header_has_a_way_out(tmp_path: Path) -> None:
    found = said("net/8021q/vlan.h: No such file or directory", plan(manifest(tmp_path)), tmp_path)
    assert "kernel_headers: [net/8021q]" in str(found.hint)
