# SPDX-License-Identifier: MIT
"""Many patches for many kernels, with the real compiler."""

import shutil
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lppack.builders import docker_engine
from tests.kit.at_once import empty_cache
from tests.kit.command import EXAMPLES, Ran, check_shape, interrupted, lppack

pytestmark = pytest.mark.docker

KERNELS = ("--kernel", "6.1.0-56-amd64", "--kernel", "6.1.0-57-amd64")


@pytest.fixture
def patches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two that build, one for one of the kernels alone, one refused, one that gcc refuses."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(empty_cache(tmp_path)))
    top = tmp_path / "patches"
    for name in ("good", "other", "one-kernel", "refused", "broken"):
        shutil.copytree(EXAMPLES / "proc-cmdline", top / name)
        manifest = top / name / "manifest.yaml"
        text = manifest.read_text().replace("name: proc-cmdline", f"name: {name}", 1)
        if name == "one-kernel":
            text = text.replace("6.1.0-*-amd64", "6.1.0-56-amd64")
        if name == "refused":
            text = text.replace("cmdline_proc_show", "cmdline_proc_shwo")
        manifest.write_text(text)
    source = top / "broken/cmdline.c"
    source.write_text(source.read_text() + "\nint broken = missing;\n")
    return top


def states(ran: Ran) -> dict[tuple[str, str], str]:
    check_shape("build", ran.json)
    return {
        (Path(one["patch"]).name, one["kernel"].split("-")[1]): one["state"]
        for one in ran.json["pairs"]
    }


def build(patches: Path, *words: str | Path) -> Ran:
    every = sorted(patches.iterdir())
    out = patches.parent / "out"
    return lppack("build", *every, *KERNELS, "-o", out, *words)


def test_one_bad_pair_stops_no_other(patches: Path) -> None:
    report = patches.parent / "junit.xml"
    ran = build(patches, "--junit", report, "--format", "json")
    assert ran.rc == 5, ran.err
    assert states(ran) == {
        **dict.fromkeys((("good", "56"), ("good", "57"), ("other", "56")), "built"),
        **dict.fromkeys((("other", "57"), ("one-kernel", "56")), "built"),
        ("one-kernel", "57"): "not for this kernel",
        **dict.fromkeys((("refused", "56"), ("refused", "57")), "refused"),
        **dict.fromkeys((("broken", "56"), ("broken", "57")), "failed"),
    }
    failed = [one for one in ran.json["pairs"] if one["state"] == "failed"]
    for one in failed:
        assert "missing" in Path(one["log"]).read_text()
    assert len(list((patches.parent / "out").glob("*.lpp"))) == 5
    assert len(ElementTree.parse(report).getroot().findall("testsuite/testcase")) == 10

    for name in ("broken", "refused"):
        shutil.rmtree(patches / name)
    shutil.rmtree(patches.parent / "out")
    again = build(patches, "--format", "json")
    assert again.rc == 0
    assert {state for state in states(again).values()} == {"cached", "not for this kernel"}
    first = {one["kernel"] + one["patch"]: one["module_sha256"] for one in ran.json["bundles"]}
    second = {one["kernel"] + one["patch"]: one["module_sha256"] for one in again.json["bundles"]}
    assert first == second

    source = patches / "good/cmdline.c"
    source.write_text(source.read_text() + "/* touched */\n")
    touched = build(patches)
    assert touched.rc == 0
    assert "2 built, 3 cached, 1 not for this kernel" in touched.err
    assert len(touched.out.splitlines()) == 5


def test_ctrl_c_leaves_nothing(patches: Path) -> None:
    def containers(pid: int) -> list[str]:
        with docker_engine.connect() as client:
            every = client.api.containers(all=True, filters={"label": docker_engine.LABEL})
        owners = {str(one["Labels"][docker_engine.LABEL]).partition(":")[0] for one in every}
        return [owner for owner in owners if owner in children(pid)]

    def children(pid: int) -> set[str]:
        seen.update(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        return seen

    seen: set[str] = set()
    ran = interrupted(
        *("build", patches / "good", patches / "other", *KERNELS, "-o", patches.parent),
        when=lambda pid: len(containers(pid)) == 2,
    )
    assert ran.rc == 130, ran.err
    end = time.monotonic() + 10
    while [pid for pid in seen if Path(f"/proc/{pid}").exists()]:
        assert time.monotonic() < end
        time.sleep(0.1)
    with docker_engine.connect() as client:
        left = client.api.containers(all=True, filters={"label": docker_engine.LABEL})
    assert not [
        one for one in left if str(one["Labels"][docker_engine.LABEL]).split(":")[0] in seen
    ]
