# SPDX-License-Identifier: MIT
"""What developers and CI run; the names only, the work is in tools/ and in the tests."""

import shlex
import shutil
import sys

from invoke.context import Context
from invoke.tasks import task

# The interpreter of this virtual environment, also where it was not activated.
_PYTHON = sys.executable

# Two tests at a time, and each file's in one process: QEMU emulates a guest in one thread.
_BESIDE = "-n 2 --dist loadfile --no-loadscope-reorder"
# Fast tests need no QEMU, and some wait for a program or a clock.
_FAST = _BESIDE.replace("-n 2", "-n 3")

#: Programs that tests alone need, and the Debian packages that have them.
_FOR_TESTS = {
    "/usr/sbin/sshd": "openssh-server",
    "promtool": "prometheus",
    "prometheus-node-exporter": "prometheus-node-exporter",
    "systemd-analyze": "systemd",
    "openssl": "openssl",
}


@task
def setup(c: Context) -> None:
    """Install and start what the tests and the demo need."""
    c.run(f"{_PYTHON} -m lppack doctor --fix --yes")


@task
def lint(c: Context) -> None:
    """Format, lint and types."""
    c.run(f"{_PYTHON} -m ruff format --check .")
    c.run(f"{_PYTHON} -m ruff check .")
    c.run(f"{_PYTHON} -m mypy")


@task(lint)
def check(c: Context) -> None:
    """Lint, types and fast tests: no Docker engine, no guest, nothing slow."""
    c.run(f"{_PYTHON} -m pytest -q {_FAST} -m 'not docker and not guest and not slow'")


@task(lint)
def test(c: Context) -> None:
    """What CI runs: every test, containers and guests included; a skip is a failure."""
    c.run(f"{_PYTHON} -m lppack doctor --fix --yes --host-builder")
    if lacking := [package for path, package in _FOR_TESTS.items() if not shutil.which(path)]:
        c.run(f"apt-get install -y --no-install-recommends {' '.join(lacking)}")
    c.run(f"{_PYTHON} -m pytest {_BESIDE}")


@task(setup)
def soak(c: Context, name: str) -> None:
    """Run the same stories with big numbers; NAME is in tests/soak (matrix, debug), or all."""
    if name != "debug":
        place = "tests/soak" if name == "all" else f"tests/soak/test_{name}.py"
        c.run(f"{_PYTHON} -m pytest {place}")
    if name in ("debug", "all"):
        c.run(f"{_PYTHON} -m pytest --debug-kernel tests/guest tests/soak")


@task(name="debug-kernel")
def debug_kernel(c: Context) -> None:
    """Make the kernel with KASAN and lockdep, once: ten minutes; prints what --kernel takes."""
    c.run(f"{_PYTHON} -m tools.debug_kernel")


@task(setup)
def matrix(c: Context, flips: int = 4, kernel: str = "", debug: bool = False) -> None:
    """Print the matrix: each engine in each of its modes against each load."""
    on = " --debug" if debug else f" --kernel '{kernel}'" if kernel else ""
    c.run(f"{_PYTHON} -m tools.matrix --flips {flips}{on}")


@task(setup)
def faults(c: Context, after: bool = False) -> None:
    """Kill lppack at each step on a real kernel, and print where status then leads."""
    c.run(f"{_PYTHON} -m tools.faults{' --after' if after else ''}")


@task
def bench(c: Context, name: str) -> None:
    """Measure, against the limits.

    With all, each runs, and build/benchmarks.md is written, with what machine it was. Otherwise
    NAME is build, calls, draft, explore, facts, finish, live, revert, sample, startup or sweep.
    """
    if name == "all":
        c.run(f"{_PYTHON} -m benchmarks.page build/benchmarks.md")
        return
    c.run(f"{_PYTHON} -m benchmarks.{name}")


@task(setup)
def demo(c: Context) -> None:
    """Set up all that is needed, and do the main job on both examples."""
    c.run(f"{_PYTHON} -m lppack demo")


@task
def golden(c: Context, update: bool = False) -> None:
    """Compare the rendered templates with tests/golden; with --update, write them anew."""
    c.run(f"{_PYTHON} tools/golden.py{' --update' if update else ''}")


@task
def site(c: Context) -> None:
    """Build the documentation as a site into build/site; a warning is an error."""
    c.run(f"{_PYTHON} -m mkdocs build --strict", env={"NO_MKDOCS_2_WARNING": "1"})


@task
def man(c: Context) -> None:
    """Write a man page for each command into build/man."""
    c.run(f"{_PYTHON} -m tools.man")


@task
def wheel(c: Context) -> None:
    """Build the wheel into dist/."""
    c.run(f"{_PYTHON} -m build --wheel")


@task
def zipapp(c: Context) -> None:
    """Build dist/lppack.pyz: lppack for hosts in one file, which needs Python alone."""
    c.run(f"{_PYTHON} -m tools.zipapp")


@task
def deb(c: Context, maintainer: str = "") -> None:
    """Build dist/lppack_VERSION_all.deb, for hosts; of DEBFULLNAME and DEBEMAIL, or MAINTAINER."""
    _package(c, "deb", maintainer)


@task
def rpm(c: Context, maintainer: str = "") -> None:
    """Build the same as an .rpm."""
    _package(c, "rpm", maintainer)


def _package(c: Context, format_: str, maintainer: str) -> None:
    who = f" --maintainer {shlex.quote(maintainer)}" if maintainer else ""
    c.run(f"{_PYTHON} -m tools.host_package {format_}{who}")


@task
def image(c: Context) -> None:
    """Build the container image of lppack for CI pipelines."""
    c.run(f"{_PYTHON} tools/ci_image.py")
