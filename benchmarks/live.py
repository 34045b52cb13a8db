# SPDX-License-Identifier: MIT
"""Time from the command until a patch is live: `lppack apply` of a signed bundle against `kpatch
load` of Debian's package, with the same module, in the same guest, by the guest's clock, in turns.

lppack is installed from its own .deb; it checks the signature, and keeps its journal.
Run from the root of the repository: python -m benchmarks.live [TIMES]
"""

import re
import shutil
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from lppack import pipeline
from lppack.debian.apt import Apt
from lppack.debian.kernels import resolve
from lppack.hosts import initramfs
from lppack.hosts.guest import GuestHost, boot
from lppack.model import Kernel
from lppack.stages.bundle import extract
from tests.kit.command import EXAMPLES
from tests.kit.debian_root import DebianRoot
from tests.kit.keys import allow, make_key
from tests.kit.packages import host_deb

TIMES = 7
LIMIT = 1.0
MODULE = "lppack_proc_cmdline_1"
_KPATCH_FROM = "trixie"  # Debian 12 has no package of it
COMMANDS: Mapping[str, str] = {
    "kpatch load": f"kpatch load /root/{MODULE}.ko",
    "lppack apply": "lppack apply /root/x.lpp",
}
_BACK = "lppack revert proc-cmdline"  # kpatch does not unload a module that keeps itself loaded
#: Seconds after the command began, by the kernel's log.
ENDS = {
    "loaded": f"livepatch: enabling patch '{MODULE}'",
    "live": f"livepatch: '{MODULE}': patching complete",
    "returned": "bench: end",
}


def main(times: str = str(TIMES)) -> int:
    """Print what was measured; return 1 if lppack takes longer than LIMIT of kpatch's time."""
    kernel = resolve(None, ("6.1.0-*-amd64",))
    with tempfile.TemporaryDirectory(prefix="lppack-") as name:
        work = Path(name)
        image = prepared(kernel, work)
        found: dict[str, list[dict[str, float]]] = {command: [] for command in COMMANDS}
        with boot(kernel, work=work / "g", initramfs=image, memory_mb=2500, limit=240.0) as host:
            for command in COMMANDS:
                measure(host, command)  # what is read from disk for the first time is not counted
            for _ in range(int(times)):
                for command, rows in found.items():
                    rows.append(measure(host, command))
                    say(f"  {command:13} live after {rows[-1]['live']:.2f} s")
            if faults := host.faults():
                raise RuntimeError("\n".join(faults))
    say(f"{kernel.release}: seconds from the command on, median (from - to) of {times}, in turns")
    return 0 if report(found) else 1


def prepared(kernel: Kernel, work: Path) -> Path:
    """Make a root with both tools, a signed bundle, its module, and who may sign."""
    root = DebianRoot(kernel, work / "root")
    root.unpack()
    kpatch = Apt(_KPATCH_FROM).download("kpatch", None, work)
    root.install(host_deb(work), kpatch, "openssh-client", "binutils")
    plan = pipeline.make_plan(EXAMPLES / "proc-cmdline", kernel=str(kernel.root))
    made = pipeline.make_bundle(plan, work / "b", builder="docker", on_line=lambda _line: None)
    extract(made.path, work / "files")
    key = make_key(work, "key")
    signature = pipeline.sign_bundle(made.path, key)
    home, etc = root.path / "root", root.path / "etc/lppack"
    etc.mkdir()
    shutil.copy(allow(work, key), etc / "allowed_signers")
    shutil.copy(work / "files" / f"{MODULE}.ko", home)
    shutil.copy(made.path, home / "x.lpp")
    shutil.copy(signature, home / "x.lpp.sig")
    image = work / "debian.cpio"
    shutil.copyfile(pipeline.initramfs_for(kernel, "docker"), image)
    initramfs.append_tree(image, root.path)
    return image


def measure(host: GuestHost, command: str) -> dict[str, float]:
    """Seconds from the beginning of ``command`` to each of ENDS."""
    script = (
        f"echo bench: start > /dev/kmsg; {COMMANDS[command]}; rc=$?\n"
        "echo bench: end > /dev/kmsg; exit $rc"
    )
    ran = host.run(["/bin/sh", "-c", script], limit=180.0)
    log = host.run(["dmesg"], limit=60.0).out
    undone = host.run(["/bin/sh", "-c", _BACK], limit=180.0)
    if ran.rc or undone.rc:
        raise RuntimeError(f"{command}: {ran.out}{ran.err}{undone.out}{undone.err}")
    return times_of(log)


def times_of(log: str) -> dict[str, float]:
    """Read the last command in a kernel's log."""
    lines = log.splitlines()
    first = max(number for number, line in enumerate(lines) if "bench: start" in line)
    start, *rest = lines[first:]
    return {
        name: _time(next(line for line in rest if text in line)) - _time(start)
        for name, text in ENDS.items()
    }


def _time(line: str) -> float:
    found = re.search(r"\[ *([\d.]+)\]", line)
    assert found is not None, line
    return float(found[1])


def report(found: Mapping[str, Sequence[Mapping[str, float]]]) -> bool:
    """Print the rows; return True if lppack keeps the limit."""
    medians: dict[str, float] = {}
    for command, rows in found.items():
        cells = []
        for name in ENDS:
            values = [row[name] for row in rows]
            cells.append(
                f"{name} {statistics.median(values):.2f} ({min(values):.2f} - {max(values):.2f})"
            )
        say(f"  {command:13} " + "  ".join(cells))
        medians[command] = statistics.median(row["live"] for row in rows)
    ratio = medians["lppack apply"] / medians["kpatch load"]
    kept = ratio <= LIMIT
    say(f"  live: {ratio:.2f} times kpatch's, limit {LIMIT}: {'ok' if kept else 'MISSED'}")
    return kept


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
