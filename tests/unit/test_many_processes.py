# SPDX-License-Identifier: MIT
"""Many processes on one empty cache: killed, out of space, or on damaged entries.

The packages are small and made on the spot; all else is what every command runs.
"""

import contextlib
import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from lppack import entries, proc, store
from lppack.debian import kernels, linux_source
from lppack.debian.tree import kernel_in
from lppack.kernel.facts import open_facts
from lppack.kernel.image import unpacked
from lppack.model import Kernel
from lppack.stages import cache
from lppack.stages.build import build_program
from tests.kit import fake_btf
from tests.kit import fake_image as fake
from tests.kit.fake_source import FakeSource, SourcePackage

ROOT = Path(__file__).parents[2]
RELEASES = ("6.1.0-9-amd64", "6.1.0-9-cloud-amd64")
COMMON = ("linux-headers-6.1.0-9-common (= 6.1.9-1)", "linux-kbuild-6.1 (>= 6.1.9-1)")


@dataclass
class Counted:
    """A source of packages that notes each download in one file for all processes."""

    log: Path

    def note(self, name: str) -> None:
        with self.log.open("a") as file:
            file.write(f"{name}\n")


class Kernels(FakeSource):
    def __init__(self, log: Path) -> None:
        names = ["linux-headers-6.1.0-9-common", "linux-kbuild-6.1", "tool"]
        names += [f"linux-{kind}-{one}" for kind in ("image", "headers") for one in RELEASES]
        needs: dict[str, tuple[str, ...]] = {f"linux-headers-{one}": COMMON for one in RELEASES}
        super().__init__({name: {"6.1.9-1": "bookworm"} for name in names}, needs)
        self._log = Counted(log)

    def download(self, name: str, version: str | None, into: Path) -> Path:
        self._log.note(f"{name} {version}")
        return super().download(name, version, into)


class Sources(SourcePackage):
    def __init__(self, log: Path) -> None:
        super().__init__()
        self._log = Counted(log)

    def download(self, name: str, version: str | None, into: Path) -> Path:
        self._log.note(f"{name} {version}")
        with store.scratch() as folder:  # the disk may be full where it goes
            return Path(shutil.copy(super().download(name, version, folder), into))


@dataclass(frozen=True)
class CopyingSite:
    """Where the compiler copies, slowly enough to be killed."""

    work: str
    compiler: str = "cp"
    kernel: str = ""
    sources: str = ""

    def run(self, argv: Sequence[str], *, limit: float) -> proc.Done:
        time.sleep(0.05)
        shutil.copyfile(argv[-1], argv[-2])
        return proc.Done(argv=tuple(argv), rc=0, out="", err="", seconds=0)


class CopyingBuilder:
    name = "host"

    @contextlib.contextmanager
    def open(
        self, work: Path, kernel: Kernel | None, *, sources: Path | None = None
    ) -> Iterator[CopyingSite]:
        yield CopyingSite(str(work))

    def identity(self, kernel: Kernel | None = None) -> dict[str, str]:
        return {"builder": self.name}


def write_kernel(root: Path) -> None:
    """The one kernel whose facts are decoded."""
    (root / "boot").mkdir(parents=True)
    (root / "lib/modules" / fake.RELEASE).mkdir(parents=True)
    vmlinux = fake.vmlinux(exports=fake.EXPORTS, btf=fake_btf.of_the_fake().bytes())
    fake.write_image(root / f"boot/vmlinuz-{fake.RELEASE}", vmlinux)
    (root / f"boot/config-{fake.RELEASE}").write_text("CONFIG_LIVEPATCH=y\n")


def work(place: Path) -> None:
    """All that a command asks of the cache; each answer is right."""
    os.environ["XDG_CACHE_HOME"] = str(place / "cache")
    packages = Kernels(place / "downloads")
    for release in random.sample(RELEASES, len(RELEASES)):
        kernel = kernels.fetch(release, source=packages)
        assert kernel.image.stat().st_size == 0x300, kernel.image
        assert (kernel.root / "usr/src/linux-headers-6.1.0-9-common").is_dir()
    tool = kernels.fetch_file("tool", "bin/tool", source=packages)
    assert tool.read_text() == "6.1.9-1"
    tree = linux_source.source_tree("linux-source-6.1 6.1.192-2", source=Sources(packages._log.log))
    assert (tree / "mm/slab.h").read_text() == "/* slab */\n"
    own = kernel_in(place / "root", fake.RELEASE, package=None, suite="bookworm")
    with open_facts(own) as facts:
        assert facts.copies("alpha_open")
    assert unpacked(own).read_bytes()[:4] == b"\x7fELF"
    made = build_program(ROOT / "tests/docker/hello.c", CopyingBuilder())
    assert made.read_bytes() == (ROOT / "tests/docker/hello.c").read_bytes()


def _child(place: Path, number: int) -> None:
    entries.release()
    random.seed(number)
    try:
        work(place)
    except BaseException:
        (place / f"error-{number}").write_text(traceback.format_exc())
        os._exit(1)
    os._exit(0)


def start(place: Path, count: int) -> list[multiprocessing.process.BaseProcess]:
    context = multiprocessing.get_context("fork")
    children: list[multiprocessing.process.BaseProcess] = []
    for number in range(count):
        child = context.Process(target=_child, args=(place, number))
        child.start()
        children.append(child)
    return children


def ended(children: list[multiprocessing.process.BaseProcess], place: Path) -> list[int | None]:
    for child in children:
        child.join(120)
    said = [file.read_text() for file in place.glob("error-*")]
    assert not said, said[0]
    return [child.exitcode for child in children]


def leftovers(place: Path) -> list[Path]:
    return [path for path in place.rglob("*") if path.name.startswith(store.DRAFT)]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_kernel(tmp_path / "root")
    entries.release()
    yield tmp_path
    entries.release()


@pytest.mark.parametrize("_round", range(3))
def test_eight_at_once_fetch_each_file_once(place: Path, _round: int) -> None:
    assert ended(start(place, 8), place) == [0] * 8
    downloads = (place / "downloads").read_text().splitlines()
    assert sorted(downloads) == sorted(set(downloads))
    assert len(downloads) == 8  # two images, two headers, common, kbuild, the tool, the sources
    assert not leftovers(place)
    assert not [fault for entry in cache.listed() for fault in cache.damaged(entry)]


@pytest.mark.parametrize("seed", range(3))
def test_some_are_killed(place: Path, seed: int) -> None:
    draw = random.Random(seed)
    children = start(place, 8)
    for child in children[:4]:
        time.sleep(draw.uniform(0, 0.15))
        child.kill()
    codes = ended(children, place)
    assert codes[4:] == [0] * 4
    cache.sweep()
    assert not leftovers(place)
    assert not [fault for entry in cache.listed() for fault in cache.damaged(entry)]
    assert ended(start(place, 1), place) == [0]


def test_each_damaged_file_is_made_again(place: Path) -> None:
    assert ended(start(place, 1), place) == [0]
    kinds = set()
    for entry in cache.listed():
        for file in sorted(entry.path.rglob("*") if entry.path.is_dir() else [entry.path]):
            if not file.is_file() or file.stat().st_size == 0 or not file.exists():
                continue
            data = bytearray(file.read_bytes())
            data[len(data) // 2] ^= 0x55
            file.write_bytes(data)
            kinds.add(entry.kind)
    assert {"kernels", "sources", "packages", "facts", "vmlinux", "programs"} <= kinds
    assert ended(start(place, 4), place) == [0] * 4


_FULL = """
mount -t tmpfs -o size=$1 none "$2/cache" || exit 99
"$3" -m tests.unit.test_many_processes "$2"
code=$?
find "$2/cache" -name '.draft-*'
[ $code = 4 ] || exit $code
mount -o remount,size=64m "$2/cache" && exec "$3" -m tests.unit.test_many_processes "$2"
"""


@pytest.mark.slow  # and needs the right to mount, which `invoke check` does not ask for
@pytest.mark.parametrize("size", ["16k", "64k", "96k", "128k", "192k", "256k"])
def test_a_full_disk_is_said_and_the_next_run_works(place: Path, size: str) -> None:
    (place / "cache").mkdir()
    own = [] if os.geteuid() == 0 else ["--map-root-user"]
    done = subprocess.run(
        ["unshare", "--mount", *own, "sh", "-c", _FULL, "sh", size, str(place), sys.executable],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines() == ["refused"], done.stdout
    assert "refused" in done.stdout, "the disk was large enough: the test shows nothing"
    assert "No space left on device" in done.stderr or "full" in done.stderr, done.stderr


def main() -> int:
    from lppack.errors import EnvironmentMissing

    try:
        work(Path(sys.argv[1]))
    except EnvironmentMissing as error:
        sys.stdout.write("refused\n")
        sys.stderr.write(f"{error.message}\n{error.hint}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
