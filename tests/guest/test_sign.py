# SPDX-License-Identifier: MIT
"""Modules that are converted and then signed: what verifies the signature, and what a kernel says
that accepts only signed modules."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lppack import abi
from lppack.debian.kernels import fetch_file
from lppack.engines.livepatch import Livepatch
from lppack.errors import ApplyRefused
from lppack.hosts.guest import GuestHost, boot
from lppack.model import Bundle, Kernel
from lppack.stages.apply import Control, apply
from lppack.stages.bundle import contents, extract, read
from lppack.stages.revert import revert
from tests.kit.command import EXAMPLES, lppack
from tests.kit.packages import installed

pytestmark = pytest.mark.guest

#: include/linux/module_signature.h (v6.1): struct module_signature, its last member is the length.
_TRAILER = 12


def openssl(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["openssl", *words], capture_output=True, text=True, timeout=60)


@dataclass(frozen=True, slots=True)
class Pair:
    key: Path
    certificate: Path

    @property
    def words(self) -> tuple[str | Path, ...]:
        return "--sign-key", self.key, "--sign-cert", self.certificate


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    installed("openssl", "openssl")
    folder = tmp_path_factory.mktemp("key")
    made = Pair(folder / "key.pem", folder / "cert.pem")
    done = openssl(
        *("req", "-new", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
        *("-subj", "/CN=trial", "-keyout", made.key, "-out", made.certificate),
    )
    assert done.returncode == 0, done.stderr
    return made


def build(pair: Pair, folder: Path, name: str = "saved-cmdline") -> Bundle:
    ran = lppack("build", EXAMPLES / name, "-o", folder, *pair.words)
    assert ran.rc == 0, ran.err
    return read(Path(ran.out.strip()))


@pytest.fixture(scope="module")
def signed(pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return build(pair, tmp_path_factory.mktemp("signed"))


@pytest.fixture(scope="module")
def ko(signed: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    extract(signed.path, folder)
    return folder / f"{signed.module}.ko"


def verifies(ko: bytes, pair: Pair, folder: Path) -> bool:
    """By openssl: the CMS message in the trailer is of the bytes before it."""
    end = len(ko) - len(abi.MODULE_SIGNATURE)
    length = int.from_bytes(ko[end - 4 : end], "big")
    start = end - _TRAILER - length
    (folder / "message").write_bytes(ko[start : end - _TRAILER])
    (folder / "content").write_bytes(ko[:start])
    done = openssl(
        *("cms", "-verify", "-binary", "-inform", "DER", "-in", folder / "message"),
        *("-content", folder / "content", "-certfile", pair.certificate),
        *("-CAfile", pair.certificate, "-purpose", "any", "-out", "/dev/null"),
    )
    return done.returncode == 0


def test_the_signature_is_of_the_converted_bytes(
    signed: Bundle, ko: Path, pair: Pair, tmp_path: Path
) -> None:
    data = ko.read_bytes()
    assert verifies(data, pair, tmp_path)
    spoilt = bytearray(data)
    spoilt[len(data) // 2] ^= 1
    assert not verifies(bytes(spoilt), pair, tmp_path)
    assert signed.signed
    assert dict(signed.provenance)["signed_with_certificate_sha256"]
    # The relocations and the indices in the finished bytes, by an independent reader.
    ran = lppack("inspect", signed.path, "--kernel", signed.release)
    assert ran.rc == 0, ran.out + ran.err
    assert ".klp.sym.vmlinux.saved_command_line,0" in ran.out


def test_the_same_bytes_again(signed: Bundle, pair: Pair, tmp_path: Path) -> None:
    assert build(pair, tmp_path).path.read_bytes() == signed.path.read_bytes()


def test_the_engine_is_signed_too(pair: Pair, tmp_path: Path) -> None:
    ran = lppack(
        *("build", EXAMPLES / "proc-cmdline", "--mode", "kpatch", "-o", tmp_path), *pair.words
    )
    assert ran.rc == 0, ran.err
    modules = {n: d for n, d in contents(Path(ran.out.strip())).items() if n.endswith(".ko")}
    assert len(modules) == 2
    assert all(verifies(data, pair, tmp_path) for data in modules.values())


def test_what_cannot_be_signed(pair: Pair, tmp_path: Path) -> None:
    example = EXAMPLES / "saved-cmdline"
    other = tmp_path / "other.pem"
    assert openssl("genrsa", "-out", other, "2048").returncode == 0
    ran = lppack(
        *("build", example, "-o", tmp_path, "--sign-key", other),
        *("--sign-cert", pair.certificate),
    )
    assert ran.rc == 5
    assert "private key does not match certificate" in ran.err
    ran = lppack(
        *("build", example, "-o", tmp_path, "--sign-key", tmp_path / "none"),
        *("--sign-cert", pair.certificate),
    )
    assert ran.rc == 4
    assert "is not a file" in ran.err
    assert lppack("build", example, "-o", tmp_path, "--sign-key", pair.key).rc == 2
    assert not list(tmp_path.glob("*.lpp"))


def test_it_is_applied_and_reverted(signed: Bundle, ko: Path, control: Control) -> None:
    before = control.host.read("/proc/cmdline")
    apply(control, signed, ko)
    assert control.host.read("/proc/cmdline") != before
    revert(control, signed.series)
    assert control.host.read("/proc/cmdline") == before


def test_an_rpm_installs_it_with_its_signature(
    signed: Bundle, ko: Path, pair: Pair, tmp_path: Path
) -> None:
    """rpmbuild strips what it packs, as a rule, and a module without its signature is none."""
    installed("rpmbuild", "rpm")
    ran = lppack(
        *("package", signed.path, "--format", "rpm", "-o", tmp_path),
        *("--maintainer", "Jo Doe <jo@example.org>"),
    )
    assert ran.rc == 0, ran.err
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    shell = root / "bin/sh"  # for the scripts
    shell.write_bytes(fetch_file("busybox-static", "bin/busybox").read_bytes())
    shell.chmod(0o755)

    def rpm(*words: str | Path) -> str:
        argv = ["rpm", "--root", str(root), *map(str, words)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    rpm("--install", "--nodeps", ran.out.strip())
    name = f"livepatch-saved-cmdline-{signed.release}"
    assert rpm("--verify", "--nodeps", name) == ""
    [there] = root.rglob("*.ko")
    assert there.parent.parent.parent == root / f"usr/lib/modules/{signed.release}/updates"
    assert there.read_bytes() == ko.read_bytes()
    assert verifies(there.read_bytes(), pair, tmp_path)
    there.write_bytes(b"")
    argv = ["rpm", "--root", str(root), "--verify", "--nodeps", name]
    assert subprocess.run(argv, capture_output=True).returncode != 0, "the control"
    rpm("--erase", name)
    assert not list(root.rglob("*.ko"))


@pytest.fixture
def strict(kernel: Kernel, initramfs: Path, tmp_path: Path) -> Iterator[GuestHost]:
    words = ("module.sig_enforce=1",)
    with boot(kernel, work=tmp_path, initramfs=initramfs, cmdline=words) as host:
        yield host
        assert host.faults() == ()


def test_a_kernel_that_takes_signed_modules_only(
    strict: GuestHost, signed: Bundle, ko: Path, tmp_path: Path
) -> None:
    """It knows Debian's keys and not ours, and that can only be told by the kernel:
    kernel/module/signing.c, module_sig_check() (v6.1)."""
    control = Control(engine=Livepatch(strict), host=strict, timeout=60.0)
    ran = lppack("build", EXAMPLES / "saved-cmdline", "-o", tmp_path)
    unsigned = read(Path(ran.out.strip()))
    with pytest.raises(ApplyRefused, match="accepts only signed modules"):
        apply(control, unsigned, ko)
    with pytest.raises(ApplyRefused, match="Key was rejected by service") as refused:
        apply(control, signed, ko)
    assert "Loading of module with unavailable key is rejected" in (refused.value.hint or "")
    assert control.engine.patches() == ()
