# SPDX-License-Identifier: MIT
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lppack import proc
from lppack.errors import EnvironmentMissing
from tests.kit.command import heed_ctrl_c


def test_what_a_program_said_and_how_it_ended() -> None:
    done = proc.run(["sh", "-c", "echo out; echo err >&2; exit 3"], limit=10)
    assert (done.rc, done.out, done.err, done.timed_out) == (3, "out\n", "err\n", False)
    assert not done.ok
    assert proc.run(["true"], limit=10).ok


def test_words_are_not_read_by_a_shell() -> None:
    assert proc.run(["echo", "$HOME", "a  b", ";id"], limit=10).out == "$HOME a  b ;id\n"


def test_standard_input_is_closed_or_given() -> None:
    assert proc.run(["cat"], limit=10).out == ""
    assert proc.run(["cat"], limit=10, data=b"given").out == "given"


def test_the_working_directory(tmp_path: Path) -> None:
    assert proc.run(["pwd", "-P"], limit=10, cwd=tmp_path).out == f"{tmp_path.resolve()}\n"


def test_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LPPACK_SECRET", "x")
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    seen = proc.run(["env"], limit=10, env={"KBUILD": "1"}).out.splitlines()
    assert "LC_ALL=C.UTF-8" in seen
    assert "KBUILD=1" in seen
    assert f"PATH={os.environ['PATH']}" in seen
    assert not [line for line in seen if line.startswith("LPPACK_SECRET")]


def test_what_is_not_text_is_shown_all_the_same() -> None:
    assert proc.run(["printf", r"a\377b"], limit=10).out == "a\N{REPLACEMENT CHARACTER}b"


def test_a_program_that_was_killed() -> None:
    assert proc.run(["sh", "-c", "kill -9 $$"], limit=10).rc == -9


def test_a_program_has_a_limit() -> None:
    done = proc.run(["sh", "-c", "echo first; exec sleep 60"], limit=0.2)
    assert done.timed_out
    assert not done.ok
    assert done.seconds < 5
    assert done.out == "first\n"


def test_its_children_end_with_it() -> None:
    done = proc.run(["sh", "-c", "sleep 60 & echo $!; wait"], limit=0.2)
    assert done.timed_out
    assert _gone(int(done.out))


def test_a_child_that_left_the_group_does_not_keep_us(tmp_path: Path) -> None:
    """It holds the pipe: reading to its end would wait for it."""
    pid = tmp_path / "pid"
    script = f"setsid sh -c 'echo $$ > {pid}; exec sleep 3' & sleep 60"
    start = time.monotonic()
    done = proc.run(["sh", "-c", script], limit=0.3)
    assert done.timed_out
    assert time.monotonic() - start < 2


def test_an_interrupt_ends_the_program(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    code = (
        "from lppack import proc\n"
        "try:\n"
        f"    proc.run(['sh', '-c', 'echo $$ > {pid}; exec sleep 60'], limit=60)\n"
        "except KeyboardInterrupt:\n"
        "    raise SystemExit(42)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], preexec_fn=heed_ctrl_c) as outer:
        end = time.monotonic() + 20
        while not (pid.exists() and pid.read_text().strip()):
            assert time.monotonic() < end
            time.sleep(0.01)
        time.sleep(0.5)  # the program began before run() knew it: let that moment pass
        outer.send_signal(2)
        assert outer.wait(20) == 42
    assert _gone(int(pid.read_text()))


def _gone(pid: int) -> bool:
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


def test_a_missing_program_has_a_way_out() -> None:
    with pytest.raises(EnvironmentMissing, match="'no-such-program' was not found") as caught:
        proc.run(["no-such-program", "x"], limit=10)
    assert caught.value.hint == "run: lppack doctor"


def test_a_program_that_cannot_be_run_is_no_bug_of_ours(tmp_path: Path) -> None:
    file = tmp_path / "program"
    file.write_text("not executable")
    with pytest.raises(EnvironmentMissing, match="program"):
        proc.run([str(file)], limit=10)
    file.write_bytes(b"\x7fELF and then nothing")
    file.chmod(0o755)
    with pytest.raises(EnvironmentMissing, match="program"):
        proc.run([str(file)], limit=10)


def test_a_missing_directory_is_not_called_a_missing_program(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="absent") as caught:
        proc.run(["true"], limit=10, cwd=tmp_path / "absent")
    assert "'true' was not found" not in str(caught.value)


def test_a_summary_is_ready_to_paste() -> None:
    done = proc.Done(
        argv=("make", "M=/a b"),
        rc=2,
        out="".join(f"line {i}\n" for i in range(20)),
        err="error: x\n\n",
        seconds=1.5,
    )
    assert done.summary(tail=3) == ("make 'M=/a b': exit code 2\n  line 18\n  line 19\n  error: x")


def test_a_summary_of_what_ran_out_of_time() -> None:
    done = proc.Done(argv=("sleep", "60"), rc=-9, out="", err="", seconds=10.4, timed_out=True)
    assert done.summary() == "sleep 60: no answer in 10 s"


def test_the_start_time_tells_a_process_from_the_next_of_its_number() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        mine, its = proc.start_time(os.getpid()), proc.start_time(child.pid)
        child.kill()
    assert mine is not None
    assert its is not None
    assert mine <= its
    assert proc.start_time(child.pid) is None


def test_a_name_with_brackets_does_not_hide_the_start_time(tmp_path: Path) -> None:
    program = tmp_path / "a) S 1 (b"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([str(program), "60"]) as child:
        its = proc.start_time(child.pid)
        mine = proc.start_time(os.getpid())
        child.kill()
    assert its is not None
    assert mine is not None
    assert its >= mine


def test_killing_a_group_that_is_gone_is_fine() -> None:
    child = subprocess.Popen(["true"], start_new_session=True)
    child.wait()
    proc.kill_group(child.pid)
