# SPDX-License-Identifier: MIT
"""Where a host is that is reached by ssh: [user@]host[:port]."""

import re
from dataclasses import dataclass

from lppack.errors import EnvironmentMissing

# No word may begin with a dash, which ssh would take for an option.
_ADDRESS = re.compile(
    r"(?:(?P<user>[A-Za-z0-9_][A-Za-z0-9_.-]*)@)?"
    r"(?P<host>[A-Za-z0-9_][A-Za-z0-9_.-]*|\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9_.-]+)?\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
)
_LENGTH = 512  # of the whole: 255 for a name in the DNS, and room for a user


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """What ssh is given, each word checked."""

    user: str | None
    host: str  # an IPv6 address without its brackets
    port: int | None

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Raise EnvironmentMissing if ``text`` is no address."""
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
        """Return the end of ssh's options, and the host."""
        user = ("-l", self.user) if self.user else ()
        port = ("-p", str(self.port)) if self.port else ()
        return (*user, *port, "--", self.host)
