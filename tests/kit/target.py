# SPDX-License-Identifier: MIT
"""The target of the example conn-limit, in a guest."""

import time
from collections.abc import Callable
from pathlib import Path

from lppack import abi
from lppack.hosts.guest import GuestHost
from lppack.model import Bundle

NEW = 1 << 31


class Target:
    """The target module, spoken to through its /proc file."""

    def __init__(self, host: GuestHost, bundle: Bundle, files: Path) -> None:
        self.host = host
        self.bundle = bundle
        self.files = files
        self.ko = files / f"{bundle.module}.ko"

    def sh(self, command: str) -> str:
        return self.host.run(["/bin/sh", "-c", command], limit=20.0).out.strip()

    def words(self) -> dict[str, int]:
        rows = (line.split() for line in self.host.read("/proc/conn").splitlines())
        return {name: int(word, 16) for name, word in rows}

    def forms(self) -> dict[str, str]:
        return {name: "new" if word & NEW else "old" for name, word in self.words().items()}

    def tell(self, *commands: str) -> None:
        for command in commands:
            self.host.write("/proc/conn", command)

    def background(self, *commands: str) -> None:
        self.sh("".join(f"echo '{command}' > /proc/conn 2> /dev/null & " for command in commands))

    def reverse(self) -> None:
        """In the background, as an operator's tool does: again while the kernel says EAGAIN."""
        parameter = abi.parameter(self.bundle.module, "convert")
        self.sh(f"while ! echo 0 > {parameter}; do :; done 2> /dev/null &")

    def parameter(self, name: str) -> str:
        return self.host.read(abi.parameter(self.bundle.module, name)).strip()

    def hold(self, point: str) -> None:
        self.host.write(f"/proc/{self.bundle.module}", point or "\n")

    def held(self) -> int:
        held = self.host.read(f"/proc/{self.bundle.module}").splitlines()[0]
        return int(held.removeprefix("held "))

    def wait_until_held(self, count: int) -> None:
        end = time.monotonic() + 20
        while self.held() != count:
            assert time.monotonic() < end, f"held: {self.held()}, wanted {count}"
            time.sleep(0.05)

    def insmod(self) -> None:
        """Loads it again, after a test has let it go."""
        self.host.put(self.files / "test/targets/conn.ko", "/tmp/conn.ko", mode=0o600)
        assert self.host.run(["insmod", "/tmp/conn.ko"], limit=20.0).rc == 0

    def sleepers(self, function: str) -> int:
        """How many threads have ``function`` on their stacks; one that ends meanwhile is passed
        over."""
        return int(self.sh(f"grep -l -w {function} /proc/[0-9]*/stack 2> /dev/null | wc -l"))

    def until(self, seen: Callable[[], bool]) -> None:
        end = time.monotonic() + 120  # a guard: the machine may have much else to do
        while not seen():
            assert time.monotonic() < end
            time.sleep(0.1)
