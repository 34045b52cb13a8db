# SPDX-License-Identifier: MIT
"""Run the benchmarks one after the other, and write what they print to a page.

Above it stands which machine that was, and what else it was doing. One that fails, or whose limits
are missed, stops no other.

Run from the root of the repository: python -m benchmarks.page FILE [NAME...]
"""

import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

_CODES = {0: "limits held", 1: "limits missed, or it failed"}


def names() -> tuple[str, ...]:
    """Return what `invoke bench NAME` takes."""
    here = Path(__file__).parent
    found = (
        path for path in here.glob("*.py") if re.search(r"^def main\(", path.read_text(), re.M)
    )
    return tuple(sorted(path.stem for path in found))


def write(file: str, *chosen: str) -> int:
    """Write the page anew after each benchmark; 1 if one missed a limit or failed."""
    if unknown := set(chosen) - set(names()):
        raise SystemExit(f"no benchmark is called {', '.join(unknown)}: {', '.join(names())}")
    page = Path(file)
    page.parent.mkdir(parents=True, exist_ok=True)
    lines = ["<!-- SPDX-License-Identifier: MIT -->", "# Benchmarks", "", *machine(), ""]
    missed = 0
    for name in chosen or names():
        start = time.monotonic()
        load = os.getloadavg()[0]
        done = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{name}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        missed += done.returncode != 0
        said = _CODES.get(done.returncode, f"exit code {done.returncode}")
        lines += [f"## {name}", ""]
        lines += [f"{said}; {time.monotonic() - start:.0f} s; load {load:.1f} as it began", ""]
        lines += ["    " + line for line in done.stdout.rstrip().splitlines()] + [""]
        page.write_text("\n".join(lines))
        sys.stdout.write(f"{name}: {said}\n")
        sys.stdout.flush()
    sys.stdout.write(f"written: {page}\n")
    return 1 if missed else 0


def machine() -> Iterator[str]:
    """Yield a table of what the figures depend on."""
    release = dict(line.split("=", 1) for line in _lines("/etc/os-release") if "=" in line)
    rows = {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "revision": _said("git", "describe", "--always", "--dirty"),
        "processors": f"{os.cpu_count()} of {_field('/proc/cpuinfo', 'model name')}",
        "memory": _field("/proc/meminfo", "MemTotal"),
        "system": f"{release.get('PRETTY_NAME', '?').strip(chr(34))}, Linux {platform.release()}",
        "hypervisor": "yes" if "hypervisor" in _field("/proc/cpuinfo", "flags").split() else "no",
        "KVM": "yes" if os.access("/dev/kvm", os.R_OK | os.W_OK) else "no: guests are emulated",
        "Python": platform.python_version(),
        "gcc": _said("gcc", "-dumpfullversion"),
        "make": _said("make", "--version"),
        "QEMU": _said("qemu-system-x86_64", "--version"),
        "Docker": _said("docker", "version", "--format", "{{.Server.Version}}"),
    }
    yield from ("| | |", "|---|---|")
    yield from (f"| {name} | {value} |" for name, value in rows.items())


def _lines(path: str) -> Sequence[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else ()


def _field(path: str, name: str) -> str:
    found = (line.partition(":") for line in _lines(path))
    return next((value.strip() for key, _, value in found if key.strip() == name), "?")


def _said(*argv: str) -> str:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return "none"
    return (done.stdout.splitlines() or ["none"])[0] if done.returncode == 0 else "none"


if __name__ == "__main__":
    raise SystemExit(write(*sys.argv[1:]))
