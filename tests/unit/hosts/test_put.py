# SPDX-License-Identifier: MIT
"""A file is on the host whole, is for root alone, and leaves nothing on this machine."""

import errno
import json
from pathlib import Path

import pytest

from lppack.errors import HostError
from lppack.hosts.local import LocalHost
from lppack.hosts.put import put_bytes, put_json


def handles() -> list[str]:
    return [entry.name for entry in Path("/proc/self/fd").iterdir()]


def test_a_file_is_replaced_by_what_is_put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "absent"))  # no file of its own is needed
    file = tmp_path / "folder/file"
    before = handles()
    put_bytes(LocalHost(), str(file), b"\0first, and the longer one")
    put_bytes(LocalHost(), str(file), b"\0second")
    assert file.read_bytes() == b"\0second"
    assert file.stat().st_mode & 0o777 == 0o600
    put_json(LocalHost(), str(file), {"a": [1, None]})
    assert json.loads(file.read_text()) == {"a": [1, None]}
    assert file.read_text().endswith("\n")
    assert list(file.parent.iterdir()) == [file]
    assert len(handles()) == len(before)


def test_what_cannot_be_put_leaves_no_handle(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    before = handles()
    with pytest.raises(HostError) as caught:
        put_bytes(LocalHost(), str(tmp_path / "file/below"), b"x")
    assert caught.value.errno in (errno.ENOTDIR, errno.EEXIST)
    assert len(handles()) == len(before)
