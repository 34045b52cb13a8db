# SPDX-License-Identifier: MIT
"""The text that node_exporter reads, by the parser of Prometheus's own client library."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from lppack import pipeline
from lppack.engines.kernel import KernelEngines
from lppack.engines.livepatch import Livepatch
from lppack.errors import EnvironmentMissing
from lppack.stages.host_status import HostStatus, host_status
from lppack.stages.journal import new_record
from lppack.stages.metrics import prometheus
from tests.kit.command import lppack
from tests.kit.control import MODULE, patched, stranger
from tests.kit.fake_kernel import FakeHost, FakeKernel, Patch, Thread, info

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(text: str) -> Samples:
    families = list(text_string_to_metric_families(text))
    names = [family.name for family in families]
    assert len(names) == len(set(names))
    assert all(family.type == "gauge" and family.documentation for family in families)
    found = [sample for family in families for sample in family.samples]
    assert all(sample.timestamp is None for sample in found)
    read = {(s.name, frozenset(s.labels.items())): s.value for s in found}
    assert len(read) == len(found), "no sample twice"
    return read


def of(read: Samples, name: str, **labels: str) -> float:
    found = [
        v for (n, have), v in read.items() if n == name and labels.items() <= dict(have).items()
    ]
    assert len(found) == 1, (name, labels, read)
    return found[0]


def told(host: FakeHost) -> HostStatus:
    return host_status(Livepatch(host), host)


def test_a_host_without_patches(host: FakeHost) -> None:
    read = samples(prometheus(told(host)))
    assert of(read, "lppack_info") == 1
    assert of(read, "lppack_unfinished_commands") == 0
    assert not [name for name, _ in read if "patch_" in name.replace("can_patch", "")]


def test_what_is_patched_and_what_is_not_of_lppack(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches |= {MODULE: patched(convert=False), "kpatch_1": stranger()}
    read = samples(prometheus(told(host)))
    assert of(read, "lppack_patch_version", module=MODULE, series="conn-limit") == 2
    assert of(read, "lppack_patch_info", module="kpatch_1", series="") == 1
    assert of(read, "lppack_patch_phase", module=MODULE, phase="patched") == 1
    assert of(read, "lppack_patch_phase", module=MODULE, phase="patching") == 0
    assert of(read, "lppack_fix_live", cve="CVE-1") == 1
    assert of(read, "lppack_fix_live", cve="CVE-2") == 0, "it needs conversion"
    assert of(read, "lppack_patch_converting", module=MODULE) == 0
    assert ("lppack_patch_version", "kpatch_1") not in {(n, dict(h).get("module")) for n, h in read}


def test_a_transition_that_stalls(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches[MODULE] = replace(patched(), complete=False)
    kernel.moving = MODULE
    kernel.blocked = {True: (Thread(700, 700, "conn worker", stack=("conn_open",)),)}
    read = samples(prometheus(told(host)))
    assert of(read, "lppack_patch_phase", module=MODULE, phase="patching") == 1
    assert of(read, "lppack_patch_blocking_threads", module=MODULE) == 1
    assert of(read, "lppack_fix_live", cve="CVE-1") == 0


def test_a_fix_counts_by_the_version_that_is_in_use(kernel: FakeKernel, host: FakeHost) -> None:
    """What a later version has replaced is still loaded, and says nothing."""
    old = Patch(info=info(version=1), enabled=False, known=False)
    kernel.patches |= {"lppack_conn_limit_1": old, MODULE: patched()}
    read = samples(prometheus(told(host)))
    assert of(read, "lppack_fix_live", cve="CVE-1") == 1
    assert of(read, "lppack_patch_phase", module="lppack_conn_limit_1", phase="unpatched") == 1
    del kernel.patches[MODULE]
    assert of(samples(prometheus(told(host))), "lppack_fix_live", cve="CVE-1") == 0


def test_a_fix_of_a_module_that_is_not_loaded_waits(kernel: FakeKernel, host: FakeHost) -> None:
    made = Patch(info=info(engine="consistency", mode="kgraft"), complete=True, hooked=False)
    made.functions = ("conn/a,1",)
    kernel.patches[MODULE] = made
    read = samples(prometheus(host_status(KernelEngines(host), host)))
    assert [of(read, f"lppack_fix_{name}", cve="CVE-1") for name in ("live", "waits")] == [0, 1]
    assert [of(read, f"lppack_fix_{name}", cve="CVE-2") for name in ("live", "waits")] == [0, 0], (
        "it is not converted, and is not in that module"
    )


@pytest.mark.parametrize(
    ("ended", "seconds"), [("2026-11-30T18:00:00Z", 1796061600), ("soon", None), (None, None)]
)
@pytest.mark.parametrize("boot", ["first", "before"])
def test_when_the_last_command_ran(
    host: FakeHost, ended: str | None, seconds: int | None, boot: str
) -> None:
    last = new_record("revert", host)
    last.ended, last.boot, last.code, last.result = ended, boot, 0, "done"
    read = samples(prometheus(replace(told(host), last=last, boot="first")))
    assert of(read, "lppack_last_command_code", command="revert", result="done") == 0
    assert of(read, "lppack_last_command_in_this_boot") == (boot == "first")
    found = [value for (name, _), value in read.items() if name.endswith("_ended_seconds")]
    assert found == ([seconds] if seconds else [])


@given(st.text(st.characters(exclude_characters="\r"), max_size=20))
def test_no_name_breaks_the_file(name: str) -> None:
    text = prometheus(HostStatus(kernel=name, can_patch=True, patches=()))
    assert of(samples(text), "lppack_info", kernel=name) == 1


def test_the_file_is_replaced_whole(tmp_path: Path, host: FakeHost) -> None:
    file = tmp_path / "lppack.prom"
    file.write_text("before")
    pipeline.write_metrics(told(host), file)
    assert samples(file.read_text())
    assert (file.stat().st_mode & 0o777, list(tmp_path.iterdir())) == (0o644, [file])


@pytest.mark.parametrize(
    ("name", "said"), [("x.txt", "does not end in .prom"), ("no/x.prom", "no is not a folder")]
)
def test_a_file_that_nobody_would_read_is_refused(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(EnvironmentMissing, match=said):
        pipeline.metrics_place(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_the_command(tmp_path: Path) -> None:
    env = {"XDG_STATE_HOME": str(tmp_path / "state")}
    words = ("status", "--engine", "simulated", "--format", "prometheus")
    ran = lppack(*words, env=env)
    assert (ran.rc, ran.err) == (0, "")
    assert of(samples(ran.out), "lppack_can_patch") == 1
    file = tmp_path / "lppack.prom"
    ran = lppack(*words, "-o", file, env=env)
    assert (ran.rc, ran.out) == (0, "")
    assert samples(file.read_text())
    ran = lppack("status", "--engine", "simulated", "-o", file, env=env)
    assert (ran.rc, "-o requires --format prometheus" in ran.err) == (2, True)
