# SPDX-License-Identifier: MIT
"""Where kernels run; open_host() gives the host that --on names."""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager

from lppack.errors import EnvironmentMissing
from lppack.hosts.protocol import Host


def open_host(name: str) -> AbstractContextManager[Host]:
    """Return the host ``name``, as --on takes it. Raise EnvironmentMissing."""
    kind, colon, rest = name.partition(":")
    open_it = HOSTS.get(kind + colon)
    if open_it is None or bool(rest) != bool(colon):
        raise EnvironmentMissing(
            f'"{name}" is not a host',
            hint="local, guest:NAME, ssh:[user@]host[:port], or simulated",
        )
    return open_it(rest)


@contextlib.contextmanager
def _local(_rest: str) -> Iterator[Host]:
    from lppack.hosts.local import LocalHost

    if os.geteuid() != 0:
        raise EnvironmentMissing(
            "only root can load a live patch on this machine",
            hint="run it as root, or try it in a guest: lppack guest start demo",
        )
    yield LocalHost()


@contextlib.contextmanager
def _guest(name: str) -> Iterator[Host]:
    from lppack.hosts import guests

    host = guests.connect(name)
    try:
        yield host
    finally:
        host.close()


def _ssh(address: str) -> AbstractContextManager[Host]:
    from lppack.hosts import ssh

    return ssh.connect(address)


#: What --on may begin with. With a colon, the rest names one host of that kind.
HOSTS: Mapping[str, Callable[[str], AbstractContextManager[Host]]] = {
    "local": _local,
    "guest:": _guest,
    "ssh:": _ssh,
}
