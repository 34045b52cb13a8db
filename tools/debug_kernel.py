# SPDX-License-Identifier: MIT
"""Build lppack's debug kernel, with KASAN, lockdep and more, from the sources of Debian's kernel.

Print its tree, which ``--kernel`` takes. The cache keeps a kernel for each combination of sources,
configuration and compiler; a new one takes about ten minutes on two cores.
"""

import argparse
import hashlib
import os
import shutil
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

from lppack import proc, store
from lppack.builders.host import HostSite
from lppack.builders.protocol import compiler_of
from lppack.debian import linux_source
from lppack.debian.kernels import resolve
from lppack.debian.supported import releases_of
from lppack.debian.tree import write_note
from lppack.errors import BuildFailed, EnvironmentMissing, LppackError
from lppack.kernel.config import parse_config
from lppack.model import Kernel

CONFIG = Path(__file__).parent.parent / "tests/debug/kernel.config"
#: The kernel whose sources are built. RELEASE is like Debian's, so that the same manifests fit.
PATTERN = releases_of()
RELEASE = "6.1.0-debug-amd64"

_FORMAT = "2"  # version of the tree's layout; raise it when _install() changes
_LIMIT = 4 * 3600.0  # seconds for one make
_PROGRAMS = {
    **{name: name for name in ("flex", "bison", "bc", "m4", "make")},
    "pahole": "dwarves",
}
_HEADERS = {"libelf.h": "libelf-dev", "openssl/ssl.h": "libssl-dev"}


def ensure(*, config: Path = CONFIG) -> Path:
    """Return the tree of the debug kernel; build it unless it is cached. Raise LppackError."""
    of = resolve(None, (PATTERN,))
    compiler = compiler_of(of)
    _need(compiler)
    version = proc.run([compiler, "--version"], limit=30).out.partition("\n")[0]
    parts = (_FORMAT, RELEASE, linux_source.package_of(of), version, config.read_text())
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    tree = store.cache_dir() / "kernels" / f"debug-{key}"
    with store.locked(tree.with_name(f".{tree.name}.lock")):
        if not tree.is_dir():
            _make(of, compiler, config, key, tree)
    return tree


def _need(compiler: str) -> None:
    lacking = [package for program, package in _PROGRAMS.items() if not shutil.which(program)]
    if not shutil.which(compiler):
        lacking.append(compiler)
    for header, package in _HEADERS.items():
        argv = [compiler, "-E", "-include", header, "-x", "c", "/dev/null"]
        if compiler not in lacking and not proc.run(argv, limit=30).ok:
            lacking.append(package)
    if lacking:
        raise EnvironmentMissing(
            f"the kernel's build needs {', '.join(lacking)}",
            hint=f"run: sudo apt-get install -y --no-install-recommends {' '.join(lacking)}",
        )


def _make(of: Kernel, compiler: str, config: Path, key: str, tree: Path) -> None:
    with store.temporary("debug-kernel-") as work, store.directory_atomic(tree) as draft:
        source, out = work / "source", work / "out"
        _say(f"unpacking {linux_source.package_of(of)}")
        with tarfile.open(linux_source.archive(linux_source.package_of(of)), "r|xz") as tar:
            tar.extractall(source, filter="tar")
        (source,) = source.iterdir()  # linux-source-6.1
        out.mkdir()

        def make(*words: str) -> None:
            # uname -v has the number of the build, so a bundle for another build does not fit.
            ours = (f"O={out}", f"CC={compiler}", f"HOSTCC={compiler}", f"KERNELRELEASE={RELEASE}")
            _run(
                work,
                compiler,
                ["nice", "make", "-C", str(source), *ours, f"KBUILD_BUILD_VERSION={key}", *words],
            )

        make(f"KCONFIG_ALLCONFIG={config.resolve()}", "allnoconfig")
        _check(config, out / ".config")
        _say(f"building it with {os.cpu_count()} jobs")
        make(f"-j{os.cpu_count()}", "bzImage", "modules")
        make(f"INSTALL_MOD_PATH={draft}", "INSTALL_MOD_STRIP=1", "DEPMOD=true", "modules_install")
        _install(source, out, draft)
        write_note(draft, of.package or "", of.suite)


def _check(wanted: Path, got: Path) -> None:
    """Raise BuildFailed if Kconfig dropped an option, which it does without a message."""
    have = parse_config(got.read_text())
    lost = [
        f"CONFIG_{name}={value}"
        for name, value in parse_config(wanted.read_text()).items()
        if have.get(name, "n") != value
    ]
    if lost:
        raise BuildFailed(f"{wanted}: Kconfig did not take {', '.join(lost)}", file=str(wanted))


def _install(source: Path, out: Path, tree: Path) -> None:
    """Copy image, configuration and headers to the places where Debian's packages have them."""
    (tree / "boot").mkdir()
    shutil.copyfile(out / "arch/x86/boot/bzImage", tree / f"boot/vmlinuz-{RELEASE}")
    shutil.copyfile(out / ".config", tree / f"boot/config-{RELEASE}")
    for link in ("build", "source"):
        (tree / "lib/modules" / RELEASE / link).unlink(missing_ok=True)
    common = f"linux-headers-{RELEASE}-common"
    home, kbuild = tree / "usr/src", tree / f"usr/lib/linux-kbuild-{RELEASE}"
    own = home / f"linux-headers-{RELEASE}"
    for part in ("include/config", "include/generated", "arch/x86/include/generated"):
        shutil.copytree(out / part, own / part)
    for name in (".config", "Module.symvers"):
        shutil.copyfile(out / name, own / name)
    (own / "Makefile").write_text(f"include /usr/src/{common}/Makefile\n")
    for part in ("include", "arch/x86/include"):
        shutil.copytree(source / part, home / common / part)
    for makefile in (source / "Makefile", *(source / "arch/x86").glob("Makefile*")):
        shutil.copyfile(makefile, home / common / makefile.relative_to(source))
    shutil.copytree(source / "scripts", kbuild / "scripts", symlinks=True)
    no_objects = shutil.ignore_patterns("*.o", "*.cmd")
    shutil.copytree(
        out / "scripts", kbuild / "scripts", symlinks=True, dirs_exist_ok=True, ignore=no_objects
    )
    (kbuild / "tools/objtool").mkdir(parents=True)
    shutil.copy(out / "tools/objtool/objtool", kbuild / "tools/objtool/objtool")
    for folder in (own, home / common):
        for part in ("scripts", "tools"):
            (folder / part).symlink_to(f"../../lib/linux-kbuild-{RELEASE}/{part}")


def _run(work: Path, compiler: str, argv: Sequence[str]) -> None:
    done = HostSite(str(work), "", compiler, "", None).run(argv, limit=_LIMIT)
    if not done.ok:
        raise BuildFailed(done.summary(tail=30))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--config", type=Path, default=CONFIG, help="options to add to allnoconfig")
    try:
        print(ensure(config=parser.parse_args().config))
    except LppackError as error:
        parser.exit(error.exit_code, f"{error.message}\n{error.hint or ''}\n")
