# SPDX-License-Identifier: MIT
"""The address of a host that is reached by ssh: [user@]host[:port]."""

import re
from dataclasses import dataclass

from lppack.errors import EnvironmentMissing

# No word may begin with a dash, because ssh would treat it as an option.
_ADDRESS = re.compile(
    r"(?:(?P<user>[A-Za-z0-9_][A-Za-z0-9_.-]*)@)?"
    r"(?P<host>[A-Za-z0-9_][A-Za-z0-9_.-]*|\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9_.-]+)?\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
)
_LENGTH = 512  # characters of an address: 255 for a DNS name, and room for a user


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """The parts of an address, each of which is checked."""

    user: str | None
    host: str  # an IPv6 address without its brackets
    port: int | None

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Parse ``text``. Raise EnvironmentMissing if it is not an address."""
        found = _ADDRESS.fullmatch(text) if len(text) <= _LENGTH else None
        port = int(found["port"]) if found and found["port"] else None
        if found is None or (port is not None and not 0 < port < 65536):
            raise EnvironmentMissing(
                f"{text[:_LENGTH]!r} is not the address of a host",
                hint="give ssh:[user@]host[:port], an IPv6 address in brackets: "
                "ssh:root@web1, ssh:[2001:db8::1]:2222",
            )
        return cls(user=found["user"], host=found["host"].strip("[]"), port=port)

    def words(self) -> tuple[str, ...]:
        """Return the last arguments of ssh: options, and the host."""
        user = ("-l", self.user) if self.user else ()
        port = ("-p", str(self.port)) if self.port else ()
        return (*user, *port, "--", self.host)
