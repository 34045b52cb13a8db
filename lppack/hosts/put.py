# SPDX-License-Identifier: MIT
"""Write data to files on a host."""

import json
import os
from pathlib import Path
from typing import Any

from lppack.hosts.protocol import Host


def put_json(host: Host, path: str, value: Any) -> None:
    """Write a file on the host, whole or not at all. Raise HostError."""
    put_bytes(host, path, (json.dumps(value, indent=1) + "\n").encode())


def put_bytes(host: Host, path: str, data: bytes, *, mode: int = 0o600) -> None:
    """Write a file on the host, whole or not at all. Raise HostError."""
    # Not in /tmp, where the file would stay after a SIGKILL.
    handle = os.memfd_create("lppack", os.MFD_CLOEXEC)
    try:
        with open(handle, "wb", closefd=False) as file:
            file.write(data)
        host.put(Path(f"/proc/self/fd/{handle}"), path, mode=mode)
    finally:
        os.close(handle)
