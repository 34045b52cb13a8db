# SPDX-License-Identifier: MIT
"""Commands as they are typed: every --help, the README, and Ctrl-C on the way."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from lppack.cli.main import commands
from tests.kit.command import EXAMPLES, ROOT, check_shape, interrupted, lppack

pytestmark = pytest.mark.guest


class Terminal:
    """A folder in which a user types; guests in it are not those of this machine's user."""

    def __init__(self, folder: Path, run_dir: Path) -> None:
        self.folder = folder
        self.env = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "XDG_RUNTIME_DIR": str(run_dir),
            "XDG_STATE_HOME": str(folder / "state"),
        }
        (folder / "examples").symlink_to(EXAMPLES)

    def type(self, line: str, *, code: int = 0) -> str:
        done = subprocess.run(
            ["/bin/sh", "-c", line],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=300,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == code, f"{line}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    run_dir = Path(tempfile.mkdtemp(prefix="lp"))  # short: a socket's path is limited
    made = Terminal(tmp_path, run_dir)
    yield made
    for name in re.findall(r'"name": "([^"]+)"', made.type("lppack guest list --format json")):
        made.type(f"lppack guest stop {name}")
    shutil.rmtree(run_dir)


def serve(terminal: Terminal, name: str, *files: Path, **entry: str) -> None:
    """Serve signed bundles to an agent of the policy agent.yaml, by the index of ``name``."""
    source = terminal.folder / "source"
    source.mkdir(exist_ok=True)
    for file in files:
        shutil.copy(file, source)
        shutil.copy(f"{file}.sig", source)
    seen = source / "index.yaml"
    serial = 1 + (yaml.safe_load(seen.read_text())["serial"] if seen.exists() else 0)
    bundles = [{"file": name, **entry}]
    index = {"lppack-index": 1, "serial": serial, "bundles": bundles}
    seen.write_text(yaml.safe_dump(index))
    policy = {"source": str(source), "signers": str(terminal.folder / "allowed_signers")}
    (terminal.folder / "agent.yaml").write_text(yaml.safe_dump({"lppack-agent": 1, **policy}))
    terminal.type("lppack sign source/index.yaml --key key")


def leaves(group: click.Group, prefix: str = "lppack") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield f"{prefix} {name}", command
        if isinstance(command, click.Group):
            yield from leaves(command, f"{prefix} {name}")


def example_of(command: click.Command) -> str:
    found = re.search(r"Example:\n\s+(lppack .*)", command.help or "")
    assert found, f"{command.name} has no example in its --help"
    return found[1]


def test_every_help_has_an_example_that_works(terminal: Terminal) -> None:
    wanted = {example_of(command) for _, command in leaves(commands)} | {example_of(commands)}
    wanted -= {one for one in wanted if one.startswith("lppack adopt ")}  # test_adopt.py
    shutil.copyfile(EXAMPLES / "fixes/prctl-auxv/upstream.diff", terminal.folder / "fix.diff")
    terminal.type("ssh-keygen -q -t ed25519 -N '' -f key")
    terminal.type('echo "a@example.org $(cat key.pub)" > allowed_signers')
    cve = {"releases": {"bookworm": {"status": "open", "repositories": {"bookworm": "6.1.1-1"}}}}
    tracker = json.dumps({"linux": {"CVE-2026-0001": cve}})
    (terminal.folder / "tracker.json").write_text(tracker)
    host = terminal.folder / "hosts/web1"
    host.mkdir(parents=True)
    (host / "stacks.folded").write_text("web-1;main 100\n")
    typed = []
    for line in (
        "lppack doctor",
        "lppack explain no-function-twice",
        "lppack completion bash",
        "lppack new my-fix",
        "lppack schema > manifest-v1.json",
        "lppack validate examples/proc-cmdline",
        "lppack facts cmdline_proc_show --kernel '6.1.0-*-amd64'",
        "lppack plan examples/conn-limit",
        "lppack simulate examples/conn-limit --compare --report conn-limit.html",
        "lppack ids list examples/conn-limit",
        "lppack ids new conn-limit/shadow/conn_ext/2",
        "lppack draft fix.diff --kernel 6.1.0-47-amd64 -o my-patch",
        "lppack generate examples/proc-cmdline -o sources",
        "lppack build examples/proc-cmdline",
        "lppack build examples/conn-limit",
        "lppack inspect proc-cmdline-1_*.lpp",
        "lppack cost proc-cmdline-1_*.lpp",
        "printf 'FUNC COUNT\nconn_syn 5000\n' > calls.txt",
        "lppack cost conn-limit-1_*.lpp --calls calls.txt --seconds 10 --cpi 0.8 --ghz 3.1",
        "cp /bin/true service",
        "lppack migrate ./service --to '6.12.*+deb13-amd64' --dry-run",
        "lppack rebuild proc-cmdline-1_*.lpp",
        "lppack package proc-cmdline-1_*.lpp --format deb --maintainer 'A B <ab@example.org>'",
        "lppack cache",
        "lppack sign proc-cmdline-1_*.lpp --key key",
        "lppack verify proc-cmdline-1_*.lpp --signers allowed_signers",
        "lppack test examples/proc-cmdline",
        "mkdir bundles; cp *.lpp bundles",
        "lppack rollout plan proc-cmdline-1_*.lpp --hosts hosts",
        "lppack guest list",
        "lppack guest start demo",
        "lppack guest list --format json",
        "lppack guest shell demo cat /proc/version",
        "lppack agent --policy agent.yaml --on guest:demo",
        "lppack apply proc-cmdline-1_*.lpp --on guest:demo",
        "lppack apply conn-limit-1_*.lpp --on guest:demo --phase patch",
        "lppack convert conn-limit --on guest:demo",
        "lppack status --on guest:demo",
        "lppack vex --on guest:demo",
        "lppack cves tracker.json bundles/*.lpp --on guest:demo",
        "lppack revert conn-limit --on guest:demo",
        "lppack watch --on guest:demo",
        "lppack recover --on guest:demo",
        "lppack history --on guest:demo",
        "lppack guest stop demo",
        "lppack demo",
    ):
        if line.startswith("lppack rollout"):
            [bundle] = terminal.folder.glob("proc-cmdline-1_*.lpp")
            release = bundle.stem.partition("_")[2]
            (host / "status.json").write_text(json.dumps({"kernel": release, "patches": []}))
        if line.startswith("lppack agent"):
            [bundle] = terminal.folder.glob("proc-cmdline-1_*.lpp")
            serve(terminal, bundle.name, bundle)
        # Neither example fixes a CVE, which is what vex then answers.
        terminal.type(line, code=9 if line.startswith("lppack vex") else 0)
        typed.append(line)
    assert wanted <= set(typed), wanted - set(typed)


def test_a_command_in_a_guest_ends(terminal: Terminal) -> None:
    """It is cut off with a message, and not waited for where the kernel reports a fault."""
    terminal.type("lppack guest start demo")
    assert "console.log" in terminal.type("lppack guest list")
    terminal.type("lppack guest shell demo 'exit 3'", code=3)
    said = terminal.type("lppack guest shell demo --limit 1 sleep 20 2>&1", code=124)
    assert re.search(
        r"sleep 20: did not end within 1 s; console of the guest: /.*/demo/console\.log\n", said
    )
    fault = 'echo "BUG: kernel NULL pointer dereference" > /dev/kmsg'
    said = terminal.type(f"lppack guest shell demo '{fault}; sleep 1000' 2>&1", code=8)
    assert "its kernel reported a fault, and has not answered in 5 s since" in said
    assert "NULL pointer" in said and "console.log" in said
    said = terminal.type(f"lppack guest shell demo '{fault}' 2>&1")
    assert "the guest's kernel reported:" in said and "NULL pointer" in said
    said = terminal.type("lppack guest shell demo echo fine 2>&1")
    assert said == "fine\n", "what was there before is not this command's"


def test_the_readme_works_as_it_is_written(terminal: Terminal) -> None:
    text = (ROOT / "README.md").read_text()
    lines = re.findall(r"^    (lppack .*)$", text, re.MULTILINE)
    assert len(lines) == 11
    out = {line: terminal.type(line) for line in lines}
    assert "live patched" in out["lppack guest shell demo cat /proc/cmdline"]
    start = text.partition("## Quick start\n")[2].partition("\n## ")[0]
    assert re.findall(r"^    (\S.*?) +#", start, re.MULTILINE) == ["./run demo", "./run test"]
    manifest = re.search(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert manifest
    shown = (EXAMPLES / "proc-cmdline/manifest.yaml").read_text()
    assert manifest[1] in shown, "the manifest in the README is that of the example"
    source = re.search(r"```c\n(.*?)```", text, re.DOTALL)
    assert source
    assert source[1] in (EXAMPLES / "proc-cmdline/cmdline.c").read_text()


def test_apply_convert_status_revert_and_ctrl_c(terminal: Terminal, tmp_path: Path) -> None:
    terminal.type("lppack build examples/conn-limit")
    bundle = next(tmp_path.glob("conn-limit*.lpp"))
    terminal.type("lppack guest start held --target examples/conn-limit")
    on = ("--on", "guest:held")
    env = {"XDG_RUNTIME_DIR": terminal.env["XDG_RUNTIME_DIR"]}

    def run(*words: str | Path, code: int = 0) -> dict[str, Any]:
        ran = lppack(*words, *on, "--format", "json", env=env)
        assert ran.rc == code, ran.out + ran.err
        shape = "history" if words[0] == "history" else "patches"
        check_shape(shape if code == 0 else "error", ran.json)
        return ran.json

    def phase() -> str | None:
        patches = lppack("status", *on, "--format", "json", env=env).json["patches"]
        return patches[0]["phase"] if patches else None

    # The sums are right, the module is another one: apply asks, as inspect does.
    forged = tmp_path / "forged.lpp"
    with zipfile.ZipFile(bundle) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    files["lppack_conn_limit_1.ko"] = files["test/targets/conn.ko"]
    lines = [f"{hashlib.sha256(data).hexdigest()}  {n}\n" for n, data in files.items()]
    files["SHA256SUMS"] = "".join(line for line in lines if "SHA256SUMS" not in line).encode()
    with zipfile.ZipFile(forged, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    refused = run("apply", forged, code=9)["error"]["message"]
    assert "the name of the module is conn, but lppack_conn_limit_1 in the plan" in refused
    assert phase() is None

    assert run("apply", bundle, "--dry-run")["patches"] == []
    assert phase() is None, "a dry run loads nothing"

    # A thread asleep in a function of the set holds the transition open; Ctrl-C reverses it.
    terminal.type("lppack guest shell held 'echo wait web > /proc/conn &'")
    os.environ["XDG_RUNTIME_DIR"] = env["XDG_RUNTIME_DIR"]
    try:
        # A terminal that is closed sends SIGHUP twice: of the kernel and of the shell.
        for by in ((signal.SIGINT,), (signal.SIGHUP, signal.SIGHUP)):
            ran = interrupted("apply", bundle, *on, when=lambda _pid: phase() == "patching", by=by)
            assert ran.rc == 130, ran.err
            last = ran.err.rstrip().splitlines()[-1]
            assert last == "lppack: interrupted: reversed, guest:held is as it was before"
            assert phase() is None
    finally:
        del os.environ["XDG_RUNTIME_DIR"]

    # While it stalls, watch names the thread, its function and how long; the same on both ways.
    terminal.type(f"lppack apply {bundle} --on guest:held > apply.out 2>&1 & echo $! > apply.pid")
    end = time.monotonic() + 60
    while phase() != "patching":
        assert time.monotonic() < end
        time.sleep(0.2)
    seen = lppack("watch", *on, "--timeout", "2", env=env)
    assert seen.rc == 9
    assert re.search(r"patching for \d+ s, 1 thread left", seen.err), seen.err
    assert re.search(r"sh \(pid \d+, thread \d+\): sleeps in (lp_)?conn_wait", seen.err), seen.err
    busy = run("revert", "conn-limit", code=6)["error"]
    assert (busy["reason"], "lppack apply" in busy["message"]) == ("host-in-use", True)
    at_work = lppack("status", *on, "--format", "json", env=env).json["at_work"]
    assert at_work["pid"] == int((tmp_path / "apply.pid").read_text())
    os.kill(at_work["pid"], signal.SIGTERM)
    seen = lppack("watch", *on, env=env)
    assert seen.rc == 0, seen.err
    while phase() is not None:  # apply unloads the module when the transition has ended
        assert time.monotonic() < end + 60
        time.sleep(0.2)
    kinds = [record["result"] for record in run("history", "--last", "9")["records"]]
    assert kinds == ["interrupted"] * 3

    # The same without Ctrl-C: reversed at the deadline, and the report says who blocked.
    ran_out = run("apply", bundle, "--timeout", "2", code=7)
    [patch] = ran_out["patches"]
    [blocker] = patch["blockers"]
    assert blocker["function"] == "conn_wait"
    assert blocker["seconds"] >= 2
    assert phase() is None

    terminal.type("lppack guest shell held 'echo wake web > /proc/conn'")
    # The reader of its output has gone after the first line: phase 2 is done all the same.
    assert terminal.type(f"lppack apply {bundle} --on guest:held 2>&1 | head -1")
    whole = lppack("status", *on, "--format", "json", env=env).json["patches"][0]
    assert (whole["phase"], whole["conversion"]) == ("patched", "on")
    run("revert", "conn-limit")
    applied = run("apply", bundle, "--phase", "patch")
    assert applied["patches"][0]["conversion"] == "off"
    assert applied["patches"][0]["fixes"][0]["live"] is False
    run("apply", bundle, code=6)
    converted = run("convert", "conn-limit")
    assert converted["patches"][0]["conversion"] == "on"
    assert converted["patches"][0]["fixes"][0]["live"] is True
    terminal.type("lppack guest shell held 'echo syn web > /proc/conn'")
    text = terminal.type("lppack status --on guest:held")
    assert "conn-limit 1 on guest:held: patched, conversion on, 1 converted" in text
    assert run("apply", bundle)["changed"] is False
    misspelt = run("revert", "conn-limt", code=6)
    assert misspelt["error"]["hint"] == 'did you mean "conn-limit"?'
    gone = run("revert", "conn-limit")
    assert (gone["patches"][0]["phase"], gone["changed"]) == ("absent", True)
    assert run("revert", "conn-limit") == {"ok": True, "patches": [], "changed": False}
    assert "web 0x00000001" in terminal.type("lppack guest shell held cat /proc/conn")


def agent_applies_what_is_right(
    terminal: Terminal, run: Callable[..., dict[str, Any]], live: Callable[[], list[Any]]
) -> None:
    """`lppack agent` on a real kernel: nothing of what is wrong, and the right one once."""
    [bundle] = terminal.folder.glob("v1/*.lpp")
    agent = "agent --policy agent.yaml"
    served = terminal.folder / "source" / bundle.name
    serve(terminal, bundle.name, bundle)
    data = bytearray(served.read_bytes())
    data[len(data) // 3] ^= 4
    served.write_bytes(data)
    assert run(agent, code=9)["error"]["reason"] == "wrong-signature"
    served.with_name(f"{served.name}.sig").unlink()
    assert run(agent, code=9)["error"]["reason"] == "unsigned"
    later = "2999-01-01T00:00:00Z"
    serve(terminal, bundle.name, bundle, **{"not-before": later})
    [row] = run(agent)["bundles"]
    assert (row["state"], row["until"]) == ("waits", later)
    assert live() == []
    serve(terminal, bundle.name, bundle)
    for state, changed in (("applied", True), ("live", False)):
        done = run(agent)
        check_shape("agent", done)
        assert ([row["state"] for row in done["bundles"]], done["changed"]) == ([state], changed)
        assert live() == [(1, "patched", "on")]
    applies = [r for r in run("history")["records"] if r["command"] == "apply"]
    assert [(r["version"], r["result"], r["signer"]) for r in applies] == [
        (1, "done", "a@example.org")
    ]


def test_back_to_the_version_before(terminal: Terminal) -> None:
    for number, example in ((1, "conn-limit"), (2, "conn-limit-2")):
        terminal.type(f"lppack build examples/{example} -o v{number}")
    terminal.type("lppack guest start back --target examples/conn-limit")
    terminal.type("ssh-keygen -q -t ed25519 -N '' -f key && lppack sign v?/*.lpp --key key")
    terminal.type('echo "a@example.org $(cat key.pub)" > allowed_signers')
    on = "--on guest:back --format json"

    def run(line: str, *, code: int = 0) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(terminal.type(f"lppack {line} {on}", code=code))
        return found

    def live() -> list[tuple[int, str, str]]:
        patches = run("status")["patches"]
        return [(each["version"], each["phase"], each["conversion"]) for each in patches]

    terminal.type("lppack guest shell back 'echo syn web > /proc/conn'")
    assert run("revert conn-limit --to 1", code=6)["error"]["reason"] == "not-kept"
    agent_applies_what_is_right(terminal, run, live)
    for number in (1, 2):
        run(f"apply v{number}/*.lpp --signers allowed_signers")
        terminal.type("lppack guest shell back 'echo syn web > /proc/conn'")
    assert live() == [(2, "patched", "on")]
    older = run("agent --policy agent.yaml", code=6)["error"]
    assert older["reason"] == "older-than-before", "the index still has version 1"
    assert run("revert conn-limit --to 3", code=6)["error"]["hint"] == "kept versions: 1, 2"
    terminal.type("ssh-keygen -q -t ed25519 -N '' -f other")
    terminal.type('echo "b@example.org $(cat other.pub)" > nobody')
    refused = run("revert conn-limit --to 1 --signers nobody", code=9)
    assert refused["error"]["reason"] == "unknown-signer"
    assert live() == [(2, "patched", "on")], "what can be refused is, before anything is changed"
    back = run("revert conn-limit --to 1 --signers allowed_signers")
    assert back["changed"] is True
    assert live() == [(1, "patched", "on")]
    assert run("revert conn-limit --to 1")["changed"] is False
    records = run("history")["records"]
    done = [(record["command"], record["result"], record["signer"]) for record in records]
    assert done[-2:] == [("revert", "done", None), ("apply", "done", "a@example.org")]
    run("revert conn-limit")
    assert run("apply v1/*.lpp", code=6)["error"]["reason"] == "older-than-before"
    run("revert conn-limit --to 1 --phase patch")
    assert live() == [(1, "patched", "off")], "also where no version of it is live"
    run("revert conn-limit")
    run("apply v1/*.lpp --allow-older")
    run("revert conn-limit")
    [row] = run("agent --policy agent.yaml")["bundles"]
    assert (row["state"], row["reason"]) == ("held", "taken-back")
    assert live() == []
    assert "web 0x00000003" in terminal.type("lppack guest shell back cat /proc/conn")


def test_ctrl_c_while_a_guest_starts_leaves_none(terminal: Terminal) -> None:
    os.environ["XDG_RUNTIME_DIR"] = terminal.env["XDG_RUNTIME_DIR"]
    folder = Path(terminal.env["XDG_RUNTIME_DIR"])
    try:
        ran = interrupted(
            "guest", "start", "brief", when=lambda _pid: bool(list(folder.rglob("console.log")))
        )
    finally:
        del os.environ["XDG_RUNTIME_DIR"]
    assert ran.rc == 130
    assert "brief" not in terminal.type("lppack guest list")
    time.sleep(0.5)
    assert [pid for pid in Path("/proc").glob("[0-9]*") if mentions(pid, folder)] == []


def mentions(process: Path, folder: Path) -> bool:
    try:
        return str(folder).encode() in (process / "cmdline").read_bytes()
    except OSError:
        return False


def test_typos_are_understood(terminal: Terminal) -> None:
    assert 'did you mean "validate"' in lppack("validte", EXAMPLES / "proc-cmdline").err
    assert lppack("validte", "x").rc == 2
    ran = lppack("validate", EXAMPLES / "proc-cmdlne")
    assert ran.rc == 3
    assert "proc-cmdline" in ran.out
    ran = lppack("explain", "no-function-twise")
    assert ran.rc == 4
    assert "no-function-twice" in ran.err


def test_a_forced_transition_is_found_and_stops_the_next_patch(terminal: Terminal) -> None:
    """In a guest of its own: what is forced stays, until that kernel ends."""
    terminal.type("lppack build examples/conn-limit && lppack build examples/proc-cmdline")
    terminal.type("lppack guest start forced --target examples/conn-limit")
    terminal.type("lppack guest shell forced 'echo wait web > /proc/conn &'")
    load = "lppack apply conn-limit-1_*.lpp --on guest:forced --timeout 200 & sleep 4; "
    force = "echo 1 > /sys/kernel/livepatch/lppack_conn_limit_1/force"
    terminal.type(f"{load} lppack guest shell forced '{force}'; wait")
    [patch] = json.loads(terminal.type("lppack status --on guest:forced --format json"))["patches"]
    assert patch["forced"]
    # As if its log had lost that line since.
    assert "forcing" in terminal.type("lppack guest shell forced 'dmesg -c | grep forcing'")
    assert "forced" in terminal.type("lppack status --on guest:forced")
    terminal.type("lppack apply proc-cmdline-1_*.lpp --on guest:forced", code=6)
    assert patch["conversion"] == "off", "nor was the forced one converted by the apply of before"
    terminal.type("lppack convert conn-limit --on guest:forced", code=6)
