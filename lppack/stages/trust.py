# SPDX-License-Identifier: MIT
"""Signatures of bundles: an SSH signature over all bytes of a bundle, in a file beside it."""

import base64
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from lppack import proc, store
from lppack.errors import AnswerIsNo, EnvironmentMissing

#: Namespace of a bundle's signature; signatures of mails or other files are not accepted.
NAMESPACE = "lppack-bundle"
#: Namespace of the index that agents read.
INDEX_NAMESPACE = "lppack-index"
#: File of allowed signers (ssh-keygen(1)). If it exists, only bundles that one has signed are
#: applied.
POLICY = Path("/etc/lppack/allowed_signers")
SUFFIX = ".sig"
#: Messages of ssh-keygen for lines that it skips: sshsig.c of OpenSSH.
_UNREAD = re.compile(
    r"^.*:\d+: (?:missing key|invalid key|bad options|unsupported|line too).*$", re.M
)
#: The name of a signer that is one name, and no pattern.
_PLAIN = re.compile(rb"[A-Za-z0-9@._+-]+")
SIZE_MAX = 64 << 10  # bytes of a signature; an RSA signature has 2 KiB
_LIMIT = 60.0  # seconds; the key may be on a slow card


class NotTrusted(AnswerIsNo):
    """No allowed signer has signed the bundle. Nothing was done with it."""

    kind = "signature"


def signature_of(bundle: Path) -> Path:
    return bundle.with_name(bundle.name + SUFFIX)


def sign(
    bundle: Path, data: bytes, key: Path, *, force: bool = False, namespace: str = NAMESPACE
) -> Path:
    """Sign the bytes of a bundle with an SSH key; return the file of the signature.

    Raise EnvironmentMissing if the key or the SSH agent does not sign. Without ``force``, also
    raise it if another key has signed before.
    """
    if not key.is_file():
        raise EnvironmentMissing(f"the key {key} is not a file", hint="make one: ssh-keygen")
    _need_program()
    words = ["ssh-keygen", "-Y", "sign", "-q", "-f", str(key), "-n", namespace]
    done = proc.run(words, limit=_LIMIT, env=_agent(), data=data)
    if not done.ok or "SSH SIGNATURE" not in done.out:
        raise EnvironmentMissing(
            f"{bundle} was not signed\n{done.summary()}",
            hint="a key with a passphrase has to be in the agent: ssh-add",
        )
    place = signature_of(bundle)
    before = place.read_bytes() if place.is_file() else None
    if before is not None and not force and _key_of(before) != _key_of(done.out.encode()):
        raise EnvironmentMissing(
            f"{place} exists, by another key; it was left as it is",
            hint="to replace it, give --force",
            reason="signed-by-another",
        )
    store.write_atomic(place, done.out.encode())
    return signature_of(bundle)


def verify(bundle: Path, data: bytes, signers: Path, *, namespace: str = NAMESPACE) -> str:
    """Return the allowed signer of ``data``, the bytes of ``bundle``.

    Raise NotTrusted if there is none, EnvironmentMissing if ``signers`` cannot be read.
    """
    store.refuse_special(signers)
    try:
        lines = signers.read_bytes().splitlines()
    except OSError as error:
        raise EnvironmentMissing(
            f"the allowed signers cannot be read: {signers}: {error.strerror}",
            hint="for its format see ssh-keygen(1), ALLOWED SIGNERS",
        ) from None
    _need_program()
    signature = _signature(bundle)
    with tempfile.TemporaryDirectory(prefix="lppack-") as folder:
        # Both checks use the same copy.
        copy = Path(folder) / "signature"
        copy.write_bytes(signature)
        about = ["-s", str(copy), "-f", str(signers)]

        def has_signed(principal: str) -> bool:
            words = ["ssh-keygen", "-Y", "verify", "-n", namespace, "-I", principal, *about]
            return proc.run(words, limit=_LIMIT, data=data).ok

        likely = _likely(lines, signature)
        if likely is not None and has_signed(likely):
            return likely
        found = proc.run(["ssh-keygen", "-Y", "find-principals", *about], limit=_LIMIT)
        for principal in dict.fromkeys(found.out.splitlines()) if found.ok else ():
            if has_signed(principal):
                return principal
        words = ["ssh-keygen", "-Y", "check-novalidate", "-n", namespace, "-s", str(copy)]
        whole = proc.run(words, limit=_LIMIT, data=data)
    if found.ok:
        raise NotTrusted(
            f"{signature_of(bundle)} is not a signature of these bytes by "
            f"{', '.join(found.out.split())} for {namespace}",
            hint="the bundle or its signature was changed, or the key may not sign bundles: fetch "
            "both again",
            reason="wrong-signature",
        )
    if not whole.ok:
        raise NotTrusted(
            f"{signature_of(bundle)} is not a signature of these bytes for {namespace}",
            hint="the bundle or its signature was changed, or is of something else: fetch both "
            "again",
            reason="wrong-signature",
        )
    if unread := _UNREAD.search(found.err):
        raise EnvironmentMissing(
            f"the allowed signers cannot be read: {unread[0].strip()}",
            hint="for its format see ssh-keygen(1), ALLOWED SIGNERS",
        )
    by = whole.out.split(" with ")[-1].strip()
    raise NotTrusted(
        f"{bundle} is signed with {by}, which {signers} does not allow",
        hint="if you trust the key, add it there; see: ssh-keygen(1), ALLOWED SIGNERS",
        reason="unknown-signer",
    )


def _likely(lines: Sequence[bytes], signature: bytes) -> str | None:
    """Return the name in the only line of the allowed signers that holds the signature's key.

    None: ssh-keygen has to search them. A guess that saves one run of it: it verifies the name.
    """
    key = base64.b64encode(_key_of(signature) or b"")
    rows = [line.split() for line in lines if key and key in line and line[:1] != b"#"]
    if len(rows) != 1 or not _PLAIN.fullmatch(rows[0][0]):
        return None
    return rows[0][0].decode()


def _key_of(signature: bytes) -> bytes | None:
    """Return the public key in a signature; None if it is no signature. PROTOCOL.sshsig of
    OpenSSH."""
    lines = [line for line in signature.split(b"\n") if line and not line.startswith(b"-----")]
    try:
        blob = base64.b64decode(b"".join(lines), validate=True)
    except ValueError:
        return None
    size = int.from_bytes(blob[10:14], "big")
    return blob[14 : 14 + size] if blob.startswith(b"SSHSIG") else None


def read_signature(bundle: Path) -> bytes | None:
    """Return the signature beside a bundle, without checking it; None if it cannot be read."""
    try:
        return _signature(bundle)
    except (NotTrusted, EnvironmentMissing):
        return None


def required(given: Path | None) -> Path | None:
    """Return the file of allowed signers that apply uses; None if no signature is required."""
    return given or (POLICY if os.path.lexists(POLICY) else None)


def _signature(bundle: Path) -> bytes:
    place = signature_of(bundle)
    store.refuse_special(place)
    try:
        with place.open("rb") as file:
            data = file.read(SIZE_MAX + 1)
    except FileNotFoundError:
        raise NotTrusted(
            f"{bundle} is not signed: there is no {place.name} beside it",
            hint="fetch it from the source of the bundle; its author runs: "
            f"lppack sign {bundle} --key KEY",
            reason="unsigned",
        ) from None
    except OSError as error:
        raise EnvironmentMissing(f"{place} cannot be read: {error.strerror}") from None
    if len(data) > SIZE_MAX:
        raise NotTrusted(f"{place} is larger than any signature", reason="wrong-signature")
    return data


def _need_program() -> None:
    if shutil.which("ssh-keygen") is None:
        raise EnvironmentMissing(
            "ssh-keygen, which makes and checks signatures, was not found",
            hint="install it: apt-get install openssh-client",
        )


def _agent() -> dict[str, str]:
    name = "SSH_AUTH_SOCK"
    return {name: os.environ[name]} if name in os.environ else {}
