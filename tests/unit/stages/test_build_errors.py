# SPDX-License-Identifier: MIT
"""What a machine lacks is not the author's mistake; what gcc says of a source is."""

from pathlib import Path

import pytest

from lppack.errors import BuildFailed, EnvironmentMissing
from lppack.stages.build_errors import failure
from tests.kit.samples import manifest, plan

#: As the programs print them.
LACKS = {
    "/tmp/ccXx.s: Assembler messages: No space left on device": "No space left on device in",
    "fixdep: not all data was written to the output": "No space left on device in",
    "sh: 1: printf: printf: I/O error": "No space left on device in",
    "make[2]: vfork: Resource temporarily unavailable": "may not start another process",
    "sh: 1: Cannot fork": "may not start another process",
    "gcc-12: fatal error: Killed signal terminated program cc1": "for want of memory",
    "cc1: out of memory allocating 65536 bytes after a total of 4 bytes": "for want of memory",
    "virtual memory exhausted: Cannot allocate memory": "for want of memory",
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
