# SPDX-License-Identifier: MIT
"""sign: sign the finished module, and the engine beside it, with the kernel's sign-file.

This is the last stage, because any later change of the bytes would invalidate the signature.
"""

import hashlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lppack import abi, proc, store
from lppack.elf.module import read_module
from lppack.errors import BuildFailed, EnvironmentMissing
from lppack.kernel.config import read_config
from lppack.model import Kernel, Module
from lppack.rules.module import faults
from lppack.rules.view import Against

_LIMIT = 60.0  # seconds; the key may be on a slow card
#: scripts/sign-file.c (v6.1): the passphrase of the key.
_PIN = "KBUILD_SIGN_PIN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """The key and the certificate; the key never enters a container."""

    key: Path  # private key, PEM
    certificate: Path  # X.509, PEM or DER; the kernel must trust it


def sign(module: Module, signer: Signer) -> Module:
    """Return the signed ``module``; the same key gives the same bytes (PKCS#1 v1.5 has no time).

    Raise EnvironmentMissing (no key, no sign-file) and BuildFailed; then nothing was written.
    """
    for what, file in (("key", signer.key), ("certificate", signer.certificate)):
        if not file.is_file():
            raise EnvironmentMissing(f"the {what} {file} is not a file")
    program = sign_file_of(module.plan.kernel)
    against = Against(release=module.plan.kernel.release, engine=module.plan.by_engine)
    sha256 = hashlib.sha256(signer.certificate.read_bytes()).hexdigest()
    folder = module.work / "signed" / sha256[:16]
    folder.mkdir(parents=True, exist_ok=True)
    hash_ = read_config(module.plan.kernel.config).value("MODULE_SIG_HASH") or "sha256"
    argv = [str(program), hash_, str(signer.key), str(signer.certificate)]
    signed = replace(
        module,
        ko=_signed(module.ko, folder, argv),
        engine=module.engine and _signed(module.engine, folder, argv),
        provenance=(*module.provenance, ("signed_with_certificate_sha256", sha256)),
    )
    found = faults(read_module(signed.ko.read_bytes()), against)
    if found:
        raise BuildFailed("\n".join(f"{module.ko.name}, signed: {fault}" for fault in found))
    return signed


def sign_file_of(kernel: Kernel) -> Path:
    """Return the path of scripts/sign-file in the kernel's headers. Raise EnvironmentMissing."""
    places = (
        *kernel.headers.glob("scripts/sign-file"),
        *sorted(kernel.root.glob("usr/lib/linux-kbuild-*/scripts/sign-file")),
    )
    for place in places:
        if place.is_file():
            return place
    raise EnvironmentMissing(
        f"the headers of {kernel.release} have no scripts/sign-file",
        hint="Debian's linux-kbuild package has it; or build the kernel's scripts",
    )


def _signed(ko: Path, folder: Path, argv: Sequence[str]) -> Path:
    """Return a signed copy of ``ko`` in ``folder``."""
    out = folder / ko.name
    pin = {_PIN: os.environ[_PIN]} if _PIN in os.environ else {}
    with tempfile.TemporaryDirectory(dir=folder) as place:
        draft = Path(place) / ko.name
        done = proc.run([*argv, str(ko), str(draft)], limit=_LIMIT, env=pin)
        if not done.ok:
            raise BuildFailed(
                f"{ko.name} was not signed\n{done.summary()}",
                hint="the key is PEM, and the certificate belongs to it; a passphrase is read "
                f"from the environment: {_PIN}",
            )
        data = draft.read_bytes()
    if not data.startswith(ko.read_bytes()) or not data.endswith(abi.MODULE_SIGNATURE):
        raise BuildFailed(f"{argv[0]} changed {ko.name}, or appended no signature")
    store.write_atomic(out, data)
    return out
