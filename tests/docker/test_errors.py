# SPDX-License-Identifier: MIT
"""What goes wrong on the way to a bundle: each with its own code, one clear message and a way out,
and nothing left behind."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from lppack import store
from lppack.builders import docker_engine
from lppack.debian.kernels import resolve
from lppack.debian.supported import releases_of
from lppack.model import Kernel
from tests.kit.command import EXAMPLES, ROOT, check_shape, interrupted, lppack

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    return resolve(None, (releases_of(),))


@pytest.fixture
def patch(tmp_path: Path) -> Path:
    return Path(shutil.copytree(EXAMPLES / "proc-cmdline", tmp_path / "mine"))


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """No container, no work directory, no bundle in the way."""
    work = store.cache_dir() / "work"
    before = set(work.iterdir()) if work.exists() else set()
    yield
    client = docker.from_env()

    def left() -> set[str]:
        now = set(work.iterdir()) if work.exists() else set()
        every = client.containers.list(all=True, filters={"label": docker_engine.LABEL})
        owners = ((str(one.name), one.labels[docker_engine.LABEL]) for one in every)
        return {
            *(str(path) for path in now - before),
            *(name for name, owner in owners if not docker_engine.owner_lives(owner)),
        }

    until = time.monotonic() + 120  # those of a test that runs beside this one go by themselves
    found = left()
    while found := found & left():
        assert time.monotonic() < until, found
        time.sleep(0.5)
    client.close()


def test_no_docker_engine(tmp_path: Path) -> None:
    gone = {"DOCKER_HOST": f"unix://{tmp_path}/no.sock"}
    words = ("build", EXAMPLES / "proc-cmdline", "-o", tmp_path, "--format", "json")
    ran = lppack(*words, env=gone)
    assert ran.rc == 4
    check_shape("error", ran.json)
    error = ran.json["error"]
    assert "Docker engine" in error["message"]
    assert "DOCKER_HOST" in error["hint"]
    assert "--builder host" in error["hint"]
    assert not list(tmp_path.glob("*.lpp"))


def test_no_right_to_the_socket(tmp_path: Path) -> None:
    """Even root has none without its capabilities, where the socket is someone else's."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        path.chmod(0o600)
        os.chown(path, 65534, 65534)
        done = subprocess.run(
            ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
            + [sys.executable, "-m", "lppack", "build", str(EXAMPLES / "proc-cmdline")]
            + ["-o", str(tmp_path)],
            env={**os.environ, "DOCKER_HOST": f"unix://{path}"},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 4, done.stderr
    assert "Traceback" not in done.stderr
    assert str(path) in done.stderr
    assert "usermod -aG docker" in done.stderr


def test_no_such_release(tmp_path: Path) -> None:
    ran = lppack("build", EXAMPLES / "proc-cmdline", "-o", tmp_path, "--kernel", "6.1.0-999-amd64")
    assert ran.rc == 4
    assert "6.1.0-999-amd64" in ran.err
    assert "hint: " in ran.err


def test_a_kernel_without_livepatch(tmp_path: Path, kernel: Kernel) -> None:
    tree = tmp_path / "tree"
    (tree / "boot").mkdir(parents=True)
    for name in ("lib", "usr"):
        (tree / name).symlink_to(kernel.root / name)
    (tree / "boot" / kernel.image.name).symlink_to(kernel.image)
    config = tree / "boot" / kernel.config.name
    text = kernel.config.read_text()
    config.write_text(text)
    good = lppack("plan", EXAMPLES / "proc-cmdline", "--kernel", tree)
    assert good.rc == 0, good.err
    config.write_text(text.replace("CONFIG_LIVEPATCH=y", "# CONFIG_LIVEPATCH is not set"))
    ran = lppack("build", EXAMPLES / "proc-cmdline", "-o", tmp_path, "--kernel", tree)
    assert ran.rc == 4
    assert "CONFIG_LIVEPATCH" in ran.err
    assert str(config) in ran.err


def test_an_error_in_the_authors_c(patch: Path, tmp_path: Path) -> None:
    source = patch / "cmdline.c"
    text = source.read_text().replace("seq_puts(m,", "seq_puts(n,")
    source.write_text(text)
    line = next(i for i, row in enumerate(text.splitlines(), 1) if "seq_puts" in row)
    ran = lppack("build", patch, "-o", tmp_path, "--format", "json")
    assert ran.rc == 5, ran.err
    error = ran.json["error"]
    assert (error["file"], error["line"]) == (str(source), line)
    assert f"{source}:{line}: " in error["message"]
    assert 'seq_puts(n, "this has been live patched\\n")' in error["message"]
    log = store.cache_dir() / "failed"
    assert str(log) in error["hint"], "the evidence is kept, and named"


def test_a_function_that_the_kernel_does_not_have(patch: Path, tmp_path: Path) -> None:
    manifest = patch / "manifest.yaml"
    manifest.write_text(manifest.read_text().replace("old: cmdline_proc_show", "old: cmdline_show"))
    ran = lppack("build", patch, "-o", tmp_path)
    assert ran.rc == 3
    assert f"{manifest}:13:23: error[function-exists]" in ran.err
    assert '"cmdline_proc_show"' in ran.err
    validated = lppack("validate", patch, "--kernel", "6.1.0-999-amd64")
    assert validated.rc == 4
    validated = lppack("validate", patch)
    assert validated.rc == 0, "without a kernel nothing can be said against it"


def test_a_symbol_that_is_not_exported(patch: Path, tmp_path: Path) -> None:
    source = patch / "cmdline.c"
    source.write_text(
        source.read_text()
        .replace("int lp_cmdline", "extern char *saved_command_line;\n\nint lp_cmdline", 1)
        .replace('"this has been live patched\\n"', "saved_command_line")
    )
    ran = lppack("build", patch, "-o", tmp_path)
    assert ran.rc == 5
    assert f'{patch}/manifest.yaml: "saved_command_line" is used, but 6.' in ran.err


def test_a_replacement_that_no_source_defines(patch: Path, tmp_path: Path) -> None:
    manifest = patch / "manifest.yaml"
    manifest.write_text(manifest.read_text().replace("new: lp_cmdline_proc_show", "new: lp_cmdlin"))
    ran = lppack("build", patch, "-o", tmp_path)
    assert ran.rc == 3, "the sources are read before anything is compiled"
    assert 'error[named-functions-are-defined]: "lp_cmdlin" is defined in none' in ran.err
    # A macro with ## could define anything: then modpost has the last word.
    source = patch / "cmdline.c"
    source.write_text(f"{source.read_text()}\n#define LP_JOIN(a, b) a##b\n")
    ran = lppack("build", patch, "-o", tmp_path)
    assert ran.rc == 5
    assert f'{manifest}: no source defines "lp_cmdlin"' in ran.err


def test_a_replacement_of_another_prototype(patch: Path, tmp_path: Path) -> None:
    source = patch / "cmdline.c"
    source.write_text(source.read_text().replace("seq_file *m, void *v", "seq_file *m, long v"))
    ran = lppack("build", patch, "-o", tmp_path)
    assert ran.rc == 5
    assert (
        "lp_cmdline_proc_show() is s32 (struct seq_file *, s64); it replaces "
        "int cmdline_proc_show(struct seq_file *m, void *v)"
    ) in ran.err
    assert f"{source}:7:1: error[replacements-have-the-originals-prototypes]: " in ran.err
    assert "hint: write: int lp_cmdline_proc_show(struct seq_file *m, void *v)" in ran.err


def test_what_the_compiler_lacks_has_a_way_out(patch: Path, tmp_path: Path) -> None:
    source, manifest = patch / "cmdline.c", patch / "manifest.yaml"
    text, whole = source.read_text(), manifest.read_text()

    def hint(code: str) -> str:
        source.write_text(code + text)
        ran = lppack("build", patch, "-o", tmp_path)
        assert ran.rc == 5, ran.err
        return ran.err

    assert "kernel_headers: [net/8021q]" in hint('#include "net/8021q/vlan.h"\n')
    said = hint(
        "int get_idle_tiem(int cpu);\nint lp_f(void);\nint lp_f(void)\n{\n"
        "\treturn get_idle_tiem(0);\n}\n"
    )
    assert '"get_idle_tiem" is used, but no object of 6.1.0-' in said
    assert 'did you mean "get_idle_time"?' in said
    said = hint(
        "extern int saved_command_line_x;\n"
        "char *lp_g(void);\n"
        "extern char *saved_command_line;\nchar *lp_g(void)\n{\n\treturn saved_command_line;\n}\n"
    )
    assert "list it under `symbols` of vmlinux" in said
    manifest.write_text(whole)


def test_a_private_struct_copied_wrong(patch: Path, tmp_path: Path) -> None:
    """struct proc_dir_entry is in no header that modules see: fs/proc/internal.h."""
    source = patch / "cmdline.c"
    copy = "struct proc_dir_entry { atomic_t in_use; int refcnt; };\nint lp_entry(void);\n"
    use = "int lp_entry(void)\n{\n\treturn ((struct proc_dir_entry *)&jiffies)->refcnt;\n}\n"
    source.write_text(f"#include <linux/jiffies.h>\n{source.read_text()}\n{copy}{use}")
    ran = lppack("build", patch, "-o", tmp_path)
    assert ran.rc == 5
    assert "struct proc_dir_entry " in ran.err
    assert "in 6.1.0-" in ran.err
    source.write_text(source.read_text().replace("proc_dir_entry", "entry_of_mine"))
    assert lppack("build", patch, "-o", tmp_path).rc == 0, "its own name is its own struct"


def test_ctrl_c_during_a_build(patch: Path, tmp_path: Path) -> None:
    source = patch / "cmdline.c"
    source.write_text(f"{source.read_text()}\n/* {tmp_path}: nothing like it is in the cache */\n")
    client = docker.from_env()

    def compiles(pid: int) -> bool:
        running = client.containers.list(filters={"label": "lppack", "name": f"lppack-{pid}-"})
        return any("make" in str(c.attrs["Config"]["Cmd"]) for c in running)

    ran = interrupted("build", patch, "-o", tmp_path, when=compiles)
    client.close()
    assert ran.rc == 130
    assert ran.err.rstrip().splitlines()[-1] == "lppack: interrupted: no target was touched"
    assert not list(tmp_path.glob("*.lpp"))
    assert lppack("build", patch, "-o", tmp_path).rc == 0, "and it can be done again"


def test_a_damaged_bundle(tmp_path: Path) -> None:
    built = lppack("build", EXAMPLES / "proc-cmdline", "-o", tmp_path)
    bundle = Path(built.out.strip())
    data = bytearray(bundle.read_bytes())
    data[len(data) // 2] ^= 0xFF
    bundle.write_bytes(data)
    ran = lppack("inspect", bundle, "--format", "json")
    assert ran.rc == 9
    check_shape("error", ran.json)
