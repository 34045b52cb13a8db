# SPDX-License-Identifier: MIT
"""The host behind its live patches: which kernel it runs, and whether that can be patched."""

from dataclasses import dataclass

from lppack import abi
from lppack.engines.protocol import Engine
from lppack.errors import HostError
from lppack.hosts.protocol import Host
from lppack.stages.status import PatchReport, status


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStatus:
    """All that `status` shows of a host."""

    kernel: str  # its release
    can_patch: bool  # False: it was built without CONFIG_LIVEPATCH
    patches: tuple[PatchReport, ...]


def host_status(engine: Engine, host: Host) -> HostStatus:
    """Report the host's kernel, and every live patch. Raise HostError if it does not answer."""
    try:
        host.list(abi.LIVEPATCH)
        can_patch = True
    except HostError as error:
        if not error.absent:
            raise
        can_patch = False
    return HostStatus(
        kernel=host.read(abi.OSRELEASE).strip(),
        can_patch=can_patch,
        patches=status(engine, host.name),
    )
