# SPDX-License-Identifier: MIT
"""Bundles that were applied to a host, and are kept on it for `revert --to`."""

import base64
import binascii
import re
from pathlib import Path

from lppack.engines.modules import names
from lppack.errors import WARNING, ApplyRefused, HostError
from lppack.hosts.protocol import Host
from lppack.hosts.put import put_bytes
from lppack.model import Bundle
from lppack.stages import trust
from lppack.stages.bundle import SIZE_MAX
from lppack.stages.drive import Control, answered
from lppack.stages.journal import FOLDER

KEPT = f"{FOLDER}/bundles"
_VERSIONS = 3  # of each series; older ones are removed
_PART = 1 << 20  # bytes to read at once; an answer of a guest has at most 4 MiB
_LIMIT = 30.0  # seconds for one part
_READ = f'dd if="$1" bs={_PART} skip="$2" count=1 2> /dev/null | base64'


def keep(control: Control, bundle: Bundle, data: bytes, signature: bytes | None) -> None:
    """Store a bundle that was applied, and its signature, on the host."""
    host = control.host
    if host.lock is None:
        return  # lppack stores nothing on such a host
    path = _path(bundle.series, bundle.version)
    try:
        put_bytes(host, path, data)
        away = []
        if signature is not None:
            put_bytes(host, path + trust.SUFFIX, signature)
        else:
            away.append(path + trust.SUFFIX)
        away += [
            _path(bundle.series, version) + suffix
            for version in versions(host, bundle.series)[:-_VERSIONS]
            for suffix in ("", trust.SUFFIX)
            if version != bundle.version
        ]
        if not away:
            return
        host.run(["rm", "-f", *away], limit=_LIMIT)
    except HostError as error:
        control.say(
            f"{WARNING}the bundle cannot be kept on {host.name}, and revert --to "
            f"{bundle.version} will not find it: {error.message}"
        )


def versions(host: Host, series: str) -> list[int]:
    """Return the stored versions, the oldest first. Raise HostError."""
    found = names(host, f"{KEPT}/{series}")
    return sorted(int(m[1]) for name in found if (m := re.fullmatch(r"(\d+)\.lpp", name)))


def fetch(control: Control, series: str, version: int, folder: Path) -> Path:
    """Write the stored bundle and its signature into ``folder``. Raise ApplyRefused."""
    host = control.host
    have = answered(control, lambda: versions(host, series))
    if version not in have:
        kept = ", ".join(map(str, have))
        raise ApplyRefused(
            f"{series} {version} is not kept on {host.name}; nothing was changed",
            hint=f"kept versions: {kept}"
            if kept
            else "give its bundle: lppack apply --allow-older",
            reason="not-kept",
        )
    path = folder / f"{series}-{version}.lpp"
    path.write_bytes(answered(control, lambda: _read(host, _path(series, version))))
    signature = _path(series, version) + trust.SUFFIX
    if f"{version}.lpp{trust.SUFFIX}" in answered(control, lambda: names(host, f"{KEPT}/{series}")):
        trust.signature_of(path).write_bytes(answered(control, lambda: _read(host, signature)))
    return path


def _path(series: str, version: int) -> str:
    return f"{KEPT}/{series}/{version}.lpp"


def _read(host: Host, path: str) -> bytes:
    data = b""
    while len(data) <= SIZE_MAX:
        done = host.run(["sh", "-c", _READ, "sh", path, str(len(data) // _PART)], limit=_LIMIT)
        try:
            part = base64.b64decode(done.out)
        except binascii.Error:
            part = b""  # the checksums of the bundle reveal missing parts
        data += part
        if len(part) < _PART:
            break
    return data
