# SPDX-License-Identifier: MIT
"""A host that answers with JSON of other types than lppack writes: read, or not believed."""

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pytest

from lppack.cli.patches import left_undone, patch_lines
from lppack.engines.livepatch import Livepatch
from lppack.errors import LppackError
from lppack.hosts.lock import HostLock
from lppack.stages.host_status import host_json, host_status
from lppack.stages.journal import HISTORY, OPEN, Record
from lppack.stages.metrics import prometheus
from lppack.stages.report import patch_json
from lppack.stages.vex import of_host
from tests.unit.fake_kernel import FakeHost, FakeKernel, Patch, info
from tests.unit.stages.control import MODULE

OTHER: tuple[Any, ...] = (
    *(None, True, 7, -1.5, "x", [], {}, ["a"], [1], [[]], {"a": 1}, [{"a": 1}]),
    *([{"cve": [1], "functions": 7}], [{"functions": [1, {}]}], [{"step": "x"}], [{"step": {}}]),
)
NAME = "20261130T010101.000001Z-1.json"


def everything(host: FakeHost) -> None:
    """All that is read of a host without a change. Any other exception is a bug."""
    try:
        found = host_status(Livepatch(host), host)
        json.dumps([host_json(found), *map(patch_json, found.patches)])
        assert prometheus(found) and left_undone(found) is not None
        for patch in found.patches:
            assert patch_lines(patch)
        of_host(found, "fake")
    except LppackError:
        pass


INFO = json.loads(info())


@pytest.mark.parametrize("key", INFO)
def test_what_a_module_says_of_itself(key: str) -> None:
    for value in OTHER:
        kernel = FakeKernel()
        text = json.dumps({**INFO, key: value})
        kernel.patches[MODULE] = Patch(info=text, complete=True, convert=True)
        everything(FakeHost(kernel))


@pytest.mark.parametrize("key", INFO["fixes"][0])
def test_what_a_module_says_of_a_fix(key: str) -> None:
    for value in OTHER:
        kernel = FakeKernel()
        text = json.dumps({**INFO, "fixes": [{**INFO["fixes"][0], key: value}]})
        kernel.patches[MODULE] = Patch(info=text, complete=True, convert=True)
        everything(FakeHost(kernel))


@pytest.mark.parametrize("place", [OPEN, HISTORY])
@pytest.mark.parametrize("key", [field.name for field in fields(Record)])
def test_a_record_of_the_journal(key: str, place: str, tmp_path: Path) -> None:
    text = ""

    class Noted(FakeHost):
        def list(self, path: str) -> tuple[str, ...]:
            known = {OPEN: (), HISTORY: (), place: (NAME,)}
            return known[path] if path in known else super().list(path)

        def read(self, path: str) -> str:
            return text if path.endswith(NAME) else super().read(path)

    host = Noted(FakeKernel())
    host.lock = HostLock(tmp_path / "lock", "fake")
    boot = host.read("/proc/sys/kernel/random/boot_id").strip()
    good = Record(
        id="1", command="apply", host="fake", user="root", pid=1, boot=boot, began="now", code=6
    )
    text = json.dumps(asdict(good))
    found = host_status(Livepatch(host), host)
    assert found.unfinished or found.last, "the control: it is read"
    for value in OTHER:
        text = json.dumps({**asdict(good), key: value})
        everything(host)
