# SPDX-License-Identifier: MIT
"""simulate --sample on the command line: files in, a verdict and who holds it up."""

import json
import shutil
from pathlib import Path

import pytest

from tests.kit.command import EXAMPLES, check_shape, lppack

PATCH = EXAMPLES / "conn-limit"
_ENTRY = "main;entry_SYSCALL_64_after_hwframe;do_syscall_64"
STACKS = "".join(
    f"web-{tid};{_ENTRY};conn_wait;schedule 300\nweb-{tid};main 700\n" for tid in range(100, 104)
)
HISTOGRAM = """\
     msecs               : count     distribution
       256 -> 511        : 200      |****************************************|
avg = 400 msecs, total: 80000 msecs, count: 200
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "web.folded").write_text(STACKS)
    (tmp_path / "wait.txt").write_text(HISTOGRAM)
    return tmp_path


def words(files: Path, watched: int = 60) -> list[str]:
    return [
        "--sample",
        *("--stacks", str(files / "web.folded")),
        *("--visits", f"conn_wait={files / 'wait.txt'}"),
        *("--watched", str(watched)),
    ]


def test_a_verdict_with_times_and_blockers(files: Path) -> None:
    ran = lppack("simulate", PATCH, *words(files), "--format", "json")
    assert ran.rc == 0, ran.err
    check_shape("simulate-sample", ran.json)
    assert (ran.json["verdict"], ran.json["mode"]) == ("finishes", "hybrid")
    assert 0.1 < ran.json["times"]["p50"]["value"] < 0.4
    assert [b["function"] for b in ran.json["blockers"]] == ["conn_wait"]
    again = lppack("simulate", PATCH, *words(files), "--format", "json")
    assert again.json == ran.json
    other = lppack("simulate", PATCH, *words(files), "--seed", "5", "--format", "json")
    assert other.json["times"] != ran.json["times"]


@pytest.mark.slow
def test_an_engine_that_looks_now_and_then_takes_longer(files: Path) -> None:
    median = {}
    for hook in ("exit", "tick"):
        ran = lppack("simulate", PATCH, *words(files), "--hook", hook, "--format", "json")
        assert ran.rc == 0, ran.err
        median[hook] = ran.json["times"]["p50"]["value"]
    usual = lppack("simulate", PATCH, *words(files), "--format", "json").json
    assert median["exit"] == usual["times"]["p50"]["value"], "as the engine of hybrid does"
    assert median["tick"] > median["exit"]


def test_what_people_read(files: Path) -> None:
    ran = lppack("simulate", PATCH, *words(files))
    assert ran.out.startswith("mode hybrid (LEAVE_PATCHED_SET SWITCH_THREAD): finishes\n")
    assert (
        "held up by web in conn_wait (4 threads, 30% of the time): 100% of the waiting" in ran.out
    )
    assert "not known: threads are assumed to come and go independently" in ran.out


@pytest.mark.slow
def test_every_mode(files: Path) -> None:
    ran = lppack("simulate", PATCH, *words(files), "--compare", "--format", "json")
    check_shape("simulate-sample-compare", ran.json)
    assert [made["mode"] for made in ran.json["modes"]] == [
        *("null-model", "hybrid", "kpatch", "refcount", "kgraft", "checkpoint")
    ]
    text = lppack("simulate", PATCH, *words(files), "--compare").out
    assert "held up by" in text.splitlines()[0]


def test_what_never_finishes_is_exit_code_9(files: Path) -> None:
    (files / "web.folded").write_text(STACKS + f"db-9;{_ENTRY};conn_wait;schedule 1000\n")
    ran = lppack("simulate", PATCH, *words(files, 600), "--format", "json")
    assert ran.rc == 9
    check_shape("simulate-sample", ran.json)
    assert ran.json["blockers"][0]["comm"] == "db"
    assert ran.json["times"]["p50"]["value"] is None


@pytest.mark.slow
def test_the_manifests_own_workload(files: Path) -> None:
    folder = files / "patch"
    shutil.copytree(PATCH, folder)
    shutil.copy(files / "web.folded", folder)
    shutil.copy(files / "wait.txt", folder)
    manifest = folder / "manifest.yaml"
    manifest.write_text(
        manifest.read_text()
        + "workload:\n  stacks: web.folded\n  watched: 60\n  visits:\n"
        + "    - {function: conn_wait, comm: web, histogram: wait.txt}\n"
    )
    own = lppack("simulate", folder, "--sample", "--format", "json")
    assert (own.rc, own.json["verdict"]) == (0, "finishes"), own.err
    assert lppack("simulate", folder, "--format", "json").json["verdict"] == "safe"


@pytest.mark.parametrize(
    ("extra", "rc", "said"),
    [
        (["--seed", "1"], 2, "--seed requires --sample"),
        (["--hook", "tick"], 2, "--hook requires --sample"),
        (["--stacks", "x"], 2, "--stacks requires --sample"),
        (["--timeout", "5"], 2, "--timeout requires --sample"),
        (["--sample", "--replay", "x"], 2, "excludes --replay"),
        (["--sample", "--visits", "x"], 2, "requires FUNCTION=FILE"),
        (["--sample"], 3, "says nothing about the threads"),
        (["--sample", "--stacks", "/dev/zero"], 3, "/dev/zero:1:1: error[stacks]: is not an"),
        (["--sample", "--stacks", "gone"], 3, "gone:1:1: error[stacks]: cannot be read"),
        (["--sample", "--visits", "vfs_read=x"], 3, '"vfs_read" is not replaced by this patch'),
        (["--sample", "--visits", "con_wait=x"], 3, "did you mean --visits conn_wait=x?"),
    ],
)
def test_what_is_refused(extra: list[str], rc: int, said: str) -> None:
    ran = lppack("simulate", PATCH, *extra)
    assert ran.rc == rc
    assert said in ran.err


@pytest.mark.slow
def test_the_weakest_mode_that_finishes(files: Path) -> None:
    """null-model finishes at once, and is weaker than the needs."""
    ran = lppack("simulate", PATCH, *words(files), "--compare")
    rows = {line.split()[0]: line.split()[1] for line in ran.out.splitlines()[1:7]}
    assert (rows["null-model"], rows["hybrid"]) == ("finishes*", "finishes")
    assert ran.out.endswith("the weakest mode that covers the needs and finishes: hybrid\n")
    said = lppack("simulate", PATCH, *words(files), "--compare", "--format", "json").json
    assert said["recommended"] == "hybrid"


@pytest.mark.slow
def test_where_no_mode_finishes_the_answer_is_no(files: Path) -> None:
    (files / "web.folded").write_text(STACKS + f"db-9;{_ENTRY};conn_wait;schedule 1000\n")
    ran = lppack("simulate", PATCH, *words(files, 600), "--compare", "--format", "json")
    assert ran.rc == 9
    check_shape("simulate-sample-compare", ran.json)
    assert ran.json["modes"][0]["verdict"] == "finishes"
    assert ran.json["recommended"] is None
    assert "no mode that covers the needs finishes" in ran.json["error"]["message"]


def declared(folder: Path, *visits: dict[str, object]) -> Path:
    """conn-limit with declared visits."""
    patch = folder / "patch"
    shutil.copytree(PATCH, patch)
    path = patch / "manifest.yaml"
    path.write_text(path.read_text() + f"workload: {json.dumps({'visits': visits})}\n")
    return patch


def test_a_manifest_is_told_where_a_misspelt_visit_stands(tmp_path: Path) -> None:
    entry = {"function": "conn_wiat", "threads": 4, "seconds": 1, "per_second": 1}
    ran = lppack("simulate", declared(tmp_path, entry), "--sample", "--format", "json")
    assert ran.rc == 3
    assert ran.json["error"]["hint"] == "did you mean conn_wait?"
    assert "hint" not in ran.json["error"]["message"]


@pytest.mark.slow
def test_a_report_does_not_say_safe_of_what_never_finishes(files: Path) -> None:
    """Exploring says what can be, sampling what is to be expected: the worse is the verdict."""
    (files / "web.folded").write_text(STACKS + f"db-9;{_ENTRY};conn_wait;schedule 1000\n")
    page = files / "report.html"
    assert lppack("simulate", PATCH, *words(files, 600), "--report", page).rc == 9
    text = page.read_text()
    assert "hybrid is never-finishes</title>" in text
    assert "takes longer than 60 s" in text
    assert "not within 60 s</text>" in text, "and no empty picture"
