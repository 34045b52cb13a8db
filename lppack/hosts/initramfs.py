# SPDX-License-Identifier: MIT
"""The root of a guest: an initramfs (cpio "newc") with the agent, busybox and a few modules.

Written without root and without cpio(1), and byte for byte the same for the same input. The format
is Documentation/driver-api/early-userspace/buffer-format.rst; the reader is init/initramfs.c.
"""

import contextlib
import gzip
import io
import itertools
import lzma
import os
import stat
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from lppack.errors import EnvironmentMissing
from lppack.model import Kernel

#: What the agent's port needs; each may be built in instead.
MODULES = ("virtio_pci", "virtio_console")

_APPLETS = (
    "[ ash awk base64 basename cat chmod chown cmp cp cut date dd df diff dirname dmesg du"
    " echo egrep env expr false find free grep gunzip gzip head hexdump hostname id ifconfig"
    " insmod ionice ip kill killall ln ls lsmod md5sum mkdir mkfifo mknod mktemp modinfo"
    " mount mv nc nproc od pidof ping printf ps pwd readlink realpath renice rm rmdir rmmod"
    " sed seq setsid sh sha256sum sleep sort stat sync sysctl tail tar taskset tee test time"
    " timeout top touch tr true truncate tty umount uname uniq unlink uptime usleep vi wc"
    " wget which xargs xxd xz yes zcat"
)
APPLETS = tuple(_APPLETS.split())

# The layout of Debian since the merge of /usr, so that a Debian root can be unpacked over this one.
_MERGED = {"bin": "usr/bin", "sbin": "usr/sbin"}
_DIRECTORIES = (
    *("dev", "etc", "mnt", "modules", "proc", "root", "run", "sys", "tmp", "var"),
    *("usr", "usr/bin", "usr/sbin"),
)
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    name: str  # without a leading slash
    mode: int
    size: int = 0
    uid: int = 0
    gid: int = 0
    ino: int = 0
    nlink: int = 1
    mtime: int = 0
    device: tuple[int, int] = (0, 0)

    def header(self) -> bytes:
        name = self.name.encode("utf-8", "surrogateescape") + b"\0"
        numbers = (
            *(self.ino, self.mode, self.uid, self.gid, self.nlink),
            *(self.mtime, self.size, 0, 0, *self.device, len(name), 0),
        )
        return _padded(b"070701" + b"".join(b"%08X" % number for number in numbers) + name)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


class _Cpio:
    """A writer of cpio entries; each archive ends with its trailer."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._inodes = itertools.count(1)

    def add(
        self, name: str, mode: int, data: bytes = b"", device: tuple[int, int] = (0, 0)
    ) -> None:
        entry = _Entry(name=name, mode=mode, size=len(data), ino=next(self._inodes), device=device)
        self._out.write(entry.header() + _padded(data))

    def stream(self, entry: _Entry, data: IO[bytes]) -> None:
        self._out.write(entry.header())
        left = entry.size
        while left:
            chunk = data.read(min(left, _CHUNK))
            if not chunk:
                raise EOFError(f"{entry.name} is shorter than its header says")
            self._out.write(chunk)
            left -= len(chunk)
        self._out.write(b"\0" * (-entry.size % 4))

    def end(self) -> None:
        self._out.write(_Entry(name="TRAILER!!!", mode=0).header())
        # An archive starts at a multiple of 4 (init/initramfs.c: do_start()); cpio(1) pads to 512.
        self._out.write(b"\0" * (-self._out.tell() % 512))


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[IO[bytes]]:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("wb") as file:
            yield file
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def make(
    kernel: Kernel, agent: Path, busybox: Path, out: Path, modules: tuple[str, ...] = MODULES
) -> Path:
    """Write to ``out`` a root for a guest of ``kernel``; its /init is ``agent``."""
    contents: dict[str, tuple[int, bytes]] = {
        name: (stat.S_IFDIR | 0o755, b"") for name in _DIRECTORIES
    }
    contents["tmp"] = (stat.S_IFDIR | 0o1777, b"")
    for name, target in _MERGED.items():
        contents[name] = (stat.S_IFLNK | 0o777, target.encode())
    contents["init"] = (stat.S_IFREG | 0o755, agent.read_bytes())
    contents["usr/bin/busybox"] = (stat.S_IFREG | 0o755, busybox.read_bytes())
    for applet in APPLETS:
        contents[f"usr/bin/{applet}"] = (stat.S_IFLNK | 0o777, b"busybox")
    names = []
    for module in modules_in_order(kernel, modules):
        names.append(f"/modules/{_stem(module)}.ko\n")
        contents[names[-1].strip("/\n")] = (stat.S_IFREG | 0o644, _unpacked(module))
    contents["modules.list"] = (stat.S_IFREG | 0o644, "".join(names).encode())
    with out.open("wb") as file:
        cpio = _Cpio(file)
        for name in sorted(contents, key=lambda name: PurePosixPath(name).parts):
            cpio.add(name, *contents[name])
        # Documentation/admin-guide/devices.txt; the kernel opens /dev/console for /init.
        cpio.add("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
        cpio.add("dev/null", stat.S_IFCHR | 0o666, device=(1, 3))
        cpio.end()
    return out


# ---- modules ----


def modules_in_order(kernel: Kernel, wanted: tuple[str, ...]) -> tuple[Path, ...]:
    """Return the files of ``wanted`` and of their dependencies, in the order in which to load them.

    Read each module's ``.modinfo`` rather than modules.dep: depmod generates that from it, and a
    kernel package that was unpacked but not installed has none.
    """
    files = {_plain(_stem(path)): path for path in sorted(kernel.modules.rglob("*.ko*"))}
    builtin_list = kernel.modules / "modules.builtin"
    builtin = {
        _plain(_stem(Path(line)))
        for line in (builtin_list.read_text().split() if builtin_list.is_file() else ())
    }
    order: dict[str, Path] = {}

    def visit(name: str) -> None:
        if name in order or name in builtin:
            return
        if name not in files:
            raise EnvironmentMissing(
                f"kernel {kernel.release} has no module {name}: not in {kernel.modules}",
                hint="run: lppack doctor --fix",
            )
        for needed in _depends(files[name]):
            visit(needed)
        order[name] = files[name]

    for name in wanted:
        visit(_plain(name))
    return tuple(order.values())


def those_there(kernel: Kernel, wanted: tuple[str, ...]) -> tuple[str, ...]:
    """Return the modules in ``wanted`` that this kernel has, as files or built in."""
    found = []
    for name in wanted:
        with contextlib.suppress(EnvironmentMissing):
            modules_in_order(kernel, (name,))
            found.append(name)
    return tuple(found)


def _plain(name: str) -> str:
    return name.replace("-", "_")


def _stem(path: Path) -> str:
    return path.name.partition(".ko")[0]


def _unpacked(path: Path) -> bytes:
    data = path.read_bytes()
    match path.suffix:
        case ".ko":
            return data
        case ".xz":
            return lzma.decompress(data)
        case ".gz":
            return gzip.decompress(data)
    raise EnvironmentMissing(f"{path}: modules compressed as {path.suffix} cannot be read")


def _depends(module: Path) -> tuple[str, ...]:
    try:
        section = ELFFile(io.BytesIO(_unpacked(module))).get_section_by_name(".modinfo")
    except ELFError as error:
        raise EnvironmentMissing(f"{module} is not a kernel module: {error}") from error
    for field in section.data().split(b"\0") if section else ():
        key, _, value = field.decode(errors="replace").partition("=")
        if key == "depends":
            return tuple(_plain(name) for name in value.split(",") if name)
    return ()


# ---- a whole tree on top ----


def append_tree(out: Path, tree: Path | IO[bytes]) -> None:
    """Add to the initramfs ``out`` a second archive, unpacked over the first.

    ``tree`` is a directory, a tar file or a stream of tar (``docker export``). Its files replace
    files of the first archive, also /bin/sh, but not /init.
    """
    if isinstance(tree, Path) and tree.is_dir():
        with tempfile.TemporaryFile() as spool:
            with tarfile.open(fileobj=spool, mode="w", format=tarfile.PAX_FORMAT) as packed:
                for path in sorted(tree.rglob("*")):
                    packed.add(path, str(path.relative_to(tree)), recursive=False)
            spool.seek(0)
            append_tree(out, spool)
        return
    if isinstance(tree, Path):
        with tree.open("rb") as file:
            append_tree(out, file)
        return
    with _whole(out) as file, tarfile.open(fileobj=tree, mode="r|*") as packed:
        with out.open("rb") as before:
            while chunk := before.read(_CHUNK):
                file.write(chunk)
        _copy(packed, _Cpio(file))


def _copy(packed: tarfile.TarFile, cpio: _Cpio) -> None:
    kinds = {
        tarfile.DIRTYPE: stat.S_IFDIR,
        tarfile.CHRTYPE: stat.S_IFCHR,
        tarfile.BLKTYPE: stat.S_IFBLK,
        tarfile.FIFOTYPE: stat.S_IFIFO,
    }
    inodes: dict[str, int] = {}
    for ino, member in enumerate(packed, start=1):
        name = str(PurePosixPath(member.name.lstrip("/")))
        if name in (".", "init"):
            continue
        entry = _Entry(
            name=name,
            mode=kinds.get(member.type, stat.S_IFREG) | (member.mode & 0o7777),
            uid=member.uid,
            gid=member.gid,
            ino=ino,
            # Python compares this time to find out whether its compiled files are current.
            mtime=int(member.mtime) & 0xFFFFFFFF,
            # A stream does not show which files have hard links. init/initramfs.c: maybe_link()
            # looks at nlink only to remember the file, and links later ones of the same inode.
            nlink=1 if member.type in kinds else 2,
        )
        if member.isreg():
            inodes[name] = ino
            data = packed.extractfile(member)
            assert data is not None
            cpio.stream(replace(entry, size=member.size), data)
        elif member.islnk():
            first = str(PurePosixPath(member.linkname.lstrip("/")))
            if first in inodes:
                cpio.stream(replace(entry, ino=inodes[first]), io.BytesIO())
        elif member.issym():
            target = member.linkname.encode("utf-8", "surrogateescape")
            # do_name() removes what is there if it is of another type, and do_symlink() does not
            # replace a link by a link: so an empty file goes in between.
            cpio.stream(replace(entry, nlink=1, mode=stat.S_IFREG), io.BytesIO())
            link = replace(entry, nlink=1, mode=stat.S_IFLNK | 0o777, size=len(target))
            cpio.stream(link, io.BytesIO(target))
        elif member.type in kinds:
            device = (member.devmajor, member.devminor) if member.isdev() else (0, 0)
            cpio.stream(replace(entry, device=device), io.BytesIO())
    cpio.end()
