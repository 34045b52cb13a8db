# SPDX-License-Identifier: MIT
"""`lppack test`: the road from manifest to reverted, as a user goes it; and what must fail."""

import shutil
from pathlib import Path

import pytest

from lppack.debian.kernels import available
from lppack.debian.supported import releases_of
from lppack.model import Kernel
from tests.kit.command import EXAMPLES, lppack

pytestmark = pytest.mark.guest

STEPS = ["before", "patched", "converted", "reverted", "unloaded", "again"]


@pytest.fixture
def patch(tmp_path: Path) -> Path:
    """A copy of the smallest example, to be spoiled."""
    return Path(shutil.copytree(EXAMPLES / "proc-cmdline", tmp_path / "proc-cmdline"))


def test_proc_cmdline(kernel: Kernel) -> None:
    ran = lppack("test", EXAMPLES / "proc-cmdline", "--format", "json")
    assert ran.rc == 0, ran.err
    report = ran.json
    assert (report["ok"], report["engine"], report["mode"]) == (True, "livepatch", "hybrid")
    assert report["kernel"] == kernel.release
    assert [step["step"] for step in report["steps"]] == STEPS
    skipped = {step["step"]: step["skipped"] for step in report["steps"]}
    assert skipped.pop("converted") == "the patch has no data to convert"
    assert set(skipped.values()) == {None}
    assert all(step["ok"] for step in report["steps"])
    assert Path(report["console"]).read_text()
    assert report["simulator"] == {"verdict": "safe", "differences": []}


def test_conn_limit() -> None:
    report = lppack("test", EXAMPLES / "conn-limit", "--format", "json").json
    assert report["ok"]
    assert [step["skipped"] for step in report["steps"]] == [None] * 6
    assert [step["converted"] for step in report["steps"]] == [0, 0, 2, 0, 0, 0]
    assert report["simulator"] == {"verdict": "safe", "differences": []}


def test_one_version_takes_the_place_of_another() -> None:
    ran = lppack(
        *("test", EXAMPLES / "conn-limit-2", "--from", EXAMPLES / "conn-limit"),
        *("--format", "json"),
    )
    assert ran.rc == 0, ran.out + ran.err
    steps = {step["step"]: step for step in ran.json["steps"]}
    assert [*steps] == ["before", "older", "taken-over", "reverted", "unloaded", "again"]
    assert len(steps["taken-over"]["checks"]) == 2 and steps["taken-over"]["converted"] == 2
    assert steps["older"]["checks"] == []
    assert ran.json["simulator"] is None


def test_a_version_that_does_not_replace_is_refused(patch: Path, tmp_path: Path) -> None:
    old = Path(shutil.copytree(EXAMPLES / "proc-cmdline", tmp_path / "old"))
    manifest = patch / "manifest.yaml"
    manifest.write_text(manifest.read_text().replace("version: 1\n", "version: 2\n"))
    ran = lppack("test", patch, "--from", old, "--format", "json")
    assert ran.rc == 6, ran.out
    assert [step["step"] for step in ran.json["steps"]] == ["before", "older"]


def test_what_the_simulator_did_not_foresee_is_told(tmp_path: Path) -> None:
    nap = Path(shutil.copytree(Path(__file__).parent / "patches/nap", tmp_path / "nap"))
    manifest = nap / "manifest.yaml"
    text = manifest.read_text().replace(
        "[LEAVE_FUNCTION, SWITCH_FUNCTION]", "[LEAVE_PATCHED_SET, SWITCH_THREAD]"
    )
    check = '    - {run: "cat /proc/nap > /dev/null & sleep 1", expect: {before: ""}}\n'
    manifest.write_text(f"{text}  checks:\n{check}")
    ran = lppack("test", nap, "--timeout", "3")
    assert ran.rc == 7, ran.err
    assert "simulator: safe in mode hybrid; the guest behaved differently:" in ran.err
    assert "every transition ends in the simulator, but one in the guest was reversed" in ran.err


def test_changed_text_in_the_authors_c_fails(patch: Path) -> None:
    source = patch / "cmdline.c"
    source.write_text(source.read_text().replace("this has been", "this was never"))
    ran = lppack("test", patch, "--format", "json")
    assert ran.rc == 9, ran.err
    assert ran.json["error"]["kind"] == "no"
    failed = {step["step"] for step in ran.json["steps"] if not step["ok"]}
    assert failed == {"patched"}
    [check] = ran.json["steps"][1]["checks"]
    assert check["got"] == "this was never live patched"


def test_a_changed_expectation_fails(patch: Path) -> None:
    manifest = patch / "manifest.yaml"
    manifest.write_text(
        manifest.read_text().replace("patched: this has been live patched", 'patched: "something"')
    )
    ran = lppack("test", patch)
    assert ran.rc == 9, ran.err
    assert "expected: something" in ran.err
    assert "got:      this has been live patched" in ran.err


def test_a_module_for_another_kernel_is_refused(tmp_path: Path, kernel: Kernel) -> None:
    other = next(rel for rel in available((releases_of(),)) if rel != kernel.release)
    built = lppack("build", EXAMPLES / "proc-cmdline", "-o", tmp_path, "--kernel", other)
    assert built.rc == 0, built.err
    ran = lppack("test", built.out.strip(), "--kernel", kernel.release, "--format", "json")
    assert ran.rc == 6, ran.err
    assert kernel.release in ran.json["error"]["message"]
    assert other in ran.json["error"]["message"]


def test_an_oops_in_the_guest_is_an_error_of_its_own(patch: Path) -> None:
    source = patch / "cmdline.c"
    source.write_text(
        source.read_text().replace("\treturn 0;", "\tWARN_ON(!m->op || m->op);\n\treturn 0;")
    )
    ran = lppack("test", patch, "--format", "json")
    assert ran.rc == 9, ran.err
    assert ran.json["error"]["kind"] == "console"
    assert "WARNING: CPU" in ran.json["error"]["message"]


def test_a_guest_that_dies_is_lost(patch: Path) -> None:
    manifest = patch / "manifest.yaml"
    text = manifest.read_text()
    manifest.write_text(text.replace("run: cat /proc/cmdline", "run: echo o > /proc/sysrq-trigger"))
    ran = lppack("test", patch, "--format", "json")
    assert ran.rc == 8, ran.err
    assert ran.json["error"]["kind"] == "lost-host"
    assert Path(ran.json["console"]).is_file()
    assert ran.json["console"] in ran.json["error"]["hint"]


def test_a_guest_that_dies_of_an_oops_fails_the_test(patch: Path) -> None:
    manifest = patch / "manifest.yaml"
    text = manifest.read_text()
    manifest.write_text(text.replace("run: cat /proc/cmdline", "run: echo c > /proc/sysrq-trigger"))
    ran = lppack("test", patch, "--format", "json")
    assert ran.rc == 9, ran.err
    assert ran.json["error"]["kind"] == "console"
    assert "sysrq" in Path(ran.json["console"]).read_text()


def test_a_new_patch_does_what_it_says(tmp_path: Path) -> None:
    assert lppack("new", tmp_path / "my-fix").rc == 0
    ran = lppack("test", tmp_path / "my-fix")
    assert ran.rc == 0, ran.err
    assert ran.out.startswith("ok: my-fix 1 on ") and "4 checks" in ran.out


def test_what_validate_warns_of_is_printed(patch: Path) -> None:
    for file in (patch / "cmdline.c", patch / "manifest.yaml"):
        file.write_text(file.read_text().replace("lp_cmdline_proc_show", "my_cmdline_proc_show"))
    ran = lppack("test", patch)
    assert ran.rc == 0, ran.err
    assert "warning[" in ran.err and "my_cmdline_proc_show" in ran.err


def test_a_patch_before_its_module(tmp_path: Path) -> None:
    patch = Path(shutil.copytree(EXAMPLES / "conn-limit", tmp_path / "conn-limit"))
    manifest = patch / "manifest.yaml"
    text = manifest.read_text()
    manifest.write_text(text.replace("  targets: [conn]\n", "  targets: [conn]\n  late: true\n"))
    ran = lppack("test", patch, "--format", "json")
    assert ran.rc == 0, ran.err
    assert [step["ok"] for step in ran.json["steps"]] == [True] * 6
    log = Path(ran.json["console"]).read_text()
    early, late = log.find("starting patching transition"), log.find("applying patch 'lppack_conn")
    assert 0 < early < late, "the kernel patched the module as it came"
