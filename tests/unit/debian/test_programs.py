# SPDX-License-Identifier: MIT
"""Programs with the libraries that they load."""

import shutil
from pathlib import Path

import pytest

from lppack.debian.programs import _closure, _found
from lppack.errors import EnvironmentMissing

ROOT = Path("/")


def test_a_program_comes_with_its_interpreter_and_all_of_its_libraries() -> None:
    names = [*_closure(ROOT, ["usr/bin/bash"])]
    assert len(set(names)) == len(names)
    assert names[0] == "usr/bin/bash"
    assert any("ld-linux-x86-64.so.2" in name for name in names)
    assert any(name.endswith("libc.so.6") for name in names)
    assert any("libtinfo" in name for name in names), "bash needs it"
    assert all(not name.startswith("/") for name in names)


def test_what_several_programs_share_comes_once() -> None:
    both = [*_closure(ROOT, ["usr/bin/true", "usr/bin/bash"])]
    assert sum(name.endswith("libc.so.6") for name in both) == 1
    assert set(_closure(ROOT, ["usr/bin/true"])) < set(both)


def test_a_file_is_found_with_or_without_usr(tmp_path: Path) -> None:
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "sbin").mkdir()
    (tmp_path / "usr/bin/a").write_text("")
    (tmp_path / "sbin/b").write_text("")
    assert _found(tmp_path, "bin/a") == _found(tmp_path, "usr/bin/a") == tmp_path / "usr/bin/a"
    assert _found(tmp_path, "usr/sbin/b") == tmp_path / "sbin/b"
    with pytest.raises(EnvironmentMissing, match="no package has the file bin/c"):
        _found(tmp_path, "bin/c")


def test_a_library_that_no_package_has_is_named(tmp_path: Path) -> None:
    (tmp_path / "usr/bin").mkdir(parents=True)
    shutil.copy(Path("/usr/bin/bash").resolve(), tmp_path / "usr/bin/bash")
    with pytest.raises(EnvironmentMissing, match="no package has the (library|file)"):
        [*_closure(tmp_path, ["usr/bin/bash"])]
