# SPDX-License-Identifier: MIT
import io
import lzma
import stat
import struct
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from lppack.errors import EnvironmentMissing
from lppack.hosts import initramfs
from lppack.model import Kernel

RELEASE = "6.1.0-0-test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    name: str
    ino: int
    mode: int
    nlink: int
    mtime: int
    device: tuple[int, int]
    data: bytes


def entries(archive: bytes) -> list[Entry]:
    """A reader of "newc" by its document, buffer-format.rst; archives may follow each other."""
    at, found = 0, []
    while at < len(archive):
        if archive[at] == 0:
            at += 1
            continue
        assert at % 4 == 0
        assert archive[at : at + 6] == b"070701"
        fields = [int(archive[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        name_end = at + 110 + fields[11]
        start = -(-name_end // 4) * 4
        found.append(
            Entry(
                name=archive[at + 110 : name_end - 1].decode(),
                ino=fields[0],
                mode=fields[1],
                nlink=fields[4],
                mtime=fields[5],
                device=(fields[9], fields[10]),
                data=archive[start : start + fields[6]],
            )
        )
        at = -(-(start + fields[6]) // 4) * 4
    return found


def module(depends: str) -> bytes:
    """The smallest ELF that has a .modinfo."""
    info = b"license=GPL\0depends=" + depends.encode() + b"\0"
    names = b"\0.modinfo\0.shstrtab\0"
    sections = struct.pack("<IIQQQQIIQQ", *([0] * 10))
    sections += struct.pack("<IIQQQQIIQQ", 1, 1, 2, 0, 64, len(info), 0, 0, 1, 0)
    sections += struct.pack("<IIQQQQIIQQ", 10, 3, 0, 0, 64 + len(info), len(names), 0, 0, 1, 0)
    head = b"\x7fELF\2\1\1" + bytes(9)
    table = 64 + len(info) + len(names)
    head += struct.pack("<HHIQQQIHHHHHH", 1, 62, 1, 0, 0, table, 0, 64, 0, 0, 64, 3, 2)
    return head + info + names + sections


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    modules = tmp_path / "lib/modules" / RELEASE
    files = {
        "kernel/drivers/virtio/virtio.ko": "",
        "kernel/drivers/virtio/virtio-ring.ko": "virtio",
        "kernel/drivers/virtio/virtio_pci.ko": "virtio,virtio_ring,virtio_pci_legacy_dev",
        "kernel/drivers/char/virtio_console.ko": "virtio_ring,virtio",
        "kernel/fs/other.ko": "",
    }
    for name, depends in files.items():
        (modules / name).parent.mkdir(parents=True, exist_ok=True)
        (modules / name).write_bytes(module(depends))
    (modules / "modules.builtin").write_text("kernel/drivers/virtio/virtio-pci-legacy-dev.ko\n")
    return Kernel(
        release=RELEASE,
        version="#1 test",
        suite="bookworm",
        root=tmp_path,
        image=tmp_path / "boot/vmlinuz",
        config=tmp_path / "boot/config",
        modules=modules,
        headers=tmp_path / "usr/src",
    )


@pytest.fixture
def made(kernel: Kernel, tmp_path: Path) -> Path:
    (tmp_path / "agent").write_bytes(b"the agent")
    (tmp_path / "busybox").write_bytes(b"the busybox")
    out = tmp_path / "out/initramfs.cpio"
    out.parent.mkdir()
    return initramfs.make(kernel, tmp_path / "agent", tmp_path / "busybox", out)


def test_modules_come_after_what_they_need(kernel: Kernel) -> None:
    order = [path.name for path in initramfs.modules_in_order(kernel, initramfs.MODULES)]
    assert order == ["virtio.ko", "virtio-ring.ko", "virtio_pci.ko", "virtio_console.ko"]


def test_module_that_is_built_in_is_left_out(kernel: Kernel) -> None:
    (kernel.modules / "modules.builtin").write_text(
        "kernel/drivers/virtio/virtio_pci.ko\nkernel/drivers/char/virtio_console.ko\n"
    )
    assert initramfs.modules_in_order(kernel, initramfs.MODULES) == ()


def test_module_that_is_nowhere_is_said(kernel: Kernel) -> None:
    (kernel.modules / "kernel/drivers/virtio/virtio.ko").unlink()
    with pytest.raises(EnvironmentMissing, match="has no module virtio:"):
        initramfs.modules_in_order(kernel, initramfs.MODULES)


def test_compressed_module_is_unpacked(kernel: Kernel, made: Path, tmp_path: Path) -> None:
    plain = kernel.modules / "kernel/drivers/virtio/virtio.ko"
    plain.with_suffix(".ko.xz").write_bytes(lzma.compress(plain.read_bytes()))
    plain.unlink()
    again = initramfs.make(kernel, tmp_path / "agent", tmp_path / "busybox", tmp_path / "again")
    assert again.read_bytes() == made.read_bytes()


def test_initramfs_has_what_a_guest_needs(made: Path) -> None:
    found = {entry.name: entry for entry in entries(made.read_bytes())}
    assert found["init"].data == b"the agent"
    assert found["init"].mode == stat.S_IFREG | 0o755
    assert found["usr/bin/busybox"].data == b"the busybox"
    assert found["usr/bin/sh"].data == b"busybox"
    assert found["bin"].mode == stat.S_IFLNK | 0o777
    assert found["dev/console"].mode == stat.S_IFCHR | 0o600
    assert found["dev/console"].device == (5, 1)
    assert found["dev/null"].device == (1, 3)
    listed = found["modules.list"].data.decode().split()
    assert [Path(name).name for name in listed] == [
        *("virtio.ko", "virtio-ring.ko", "virtio_pci.ko", "virtio_console.ko")
    ]
    assert {name.lstrip("/") for name in listed} <= set(found)
    assert "modules/other.ko" not in found


def test_directories_come_before_what_is_in_them(made: Path) -> None:
    seen = {"."}
    for entry in entries(made.read_bytes()):
        assert str(Path(entry.name).parent) in seen
        seen.add(entry.name)


def test_same_input_makes_the_same_bytes(kernel: Kernel, made: Path, tmp_path: Path) -> None:
    again = initramfs.make(kernel, tmp_path / "agent", tmp_path / "busybox", tmp_path / "again")
    assert again.read_bytes() == made.read_bytes()
    assert {entry.mtime for entry in entries(again.read_bytes())} == {0}


def test_nothing_appears_if_the_initramfs_cannot_be_made(kernel: Kernel, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        initramfs.make(kernel, tmp_path / "no-agent", tmp_path / "busybox", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def tar_of(*members: tuple[tarfile.TarInfo, bytes]) -> io.BytesIO:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as packed:
        for info, data in members:
            info.size = len(data)
            packed.addfile(info, io.BytesIO(data))
    out.seek(0)
    return out


def member(
    name: str, kind: bytes = tarfile.REGTYPE, link: str = "", at: float = 0
) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode, info.mtime = kind, link, 0o755, at
    return info


def test_appended_tree_follows_and_leaves_init_alone(made: Path) -> None:
    before = made.read_bytes()
    initramfs.append_tree(
        made,
        tar_of(
            (member("./etc", tarfile.DIRTYPE), b""),
            (member("./init"), b"another"),
            (member("./etc/passwd", at=86400.5), b"root"),
        ),
    )
    after = made.read_bytes()
    assert after.startswith(before)
    added = entries(after[len(before) :])
    assert [entry.name for entry in added] == ["etc", "etc/passwd", "TRAILER!!!"]
    assert (added[1].data, added[1].mtime) == (b"root", 86400)


def test_appended_link_replaces_a_link_of_ours(made: Path) -> None:
    """An empty file of the same name comes first, as the kernel replaces a link by a file only."""
    before = len(made.read_bytes())
    initramfs.append_tree(made, tar_of((member("usr/bin/sh", tarfile.SYMTYPE, "dash"), b"")))
    empty, link, _ = entries(made.read_bytes()[before:])
    assert (empty.name, stat.S_ISREG(empty.mode), empty.data) == ("usr/bin/sh", True, b"")
    assert (link.name, stat.S_ISLNK(link.mode), link.data) == ("usr/bin/sh", True, b"dash")


def test_appended_hard_link_shares_the_inode(made: Path) -> None:
    before = len(made.read_bytes())
    initramfs.append_tree(
        made, tar_of((member("a"), b"text"), (member("b", tarfile.LNKTYPE, "a"), b""))
    )
    first, second, _ = entries(made.read_bytes()[before:])
    assert first.ino == second.ino
    assert first.nlink == second.nlink == 2
    assert (first.data, second.data) == (b"text", b"")


def test_appended_tree_may_be_a_directory(made: Path, tmp_path: Path) -> None:
    (tmp_path / "tree/etc").mkdir(parents=True)
    (tmp_path / "tree/etc/hosts").write_text("127.0.0.1")
    before = len(made.read_bytes())
    initramfs.append_tree(made, tmp_path / "tree")
    names = [entry.name for entry in entries(made.read_bytes()[before:])]
    assert names == ["etc", "etc/hosts", "TRAILER!!!"]
