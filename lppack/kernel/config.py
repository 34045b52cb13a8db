# SPDX-License-Identifier: MIT
"""Read a kernel's .config."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from lppack.errors import EnvironmentMissing
from lppack.kernel.errors import FactsError

# scripts/kconfig/confdata.c (v6.1): conf_read_simple(), and escape_string_value().
_SET = re.compile(r"CONFIG_(\w+)=(.*)")
_NOT_SET = re.compile(r"# CONFIG_(\w+) is not set")
_ESCAPED = re.compile(r"\\(.)")

# "gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0"; a cross compiler has a prefix.
_GCC = re.compile(r"((?:[\w.]+-)*gcc(?:-[\d.]+)?) \(")


class KernelConfig(Mapping[str, str]):
    """Option -> value, without CONFIG_ and without quotes; "n" for an option that is off.

    A lookup may use the name with or without CONFIG_.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)

    def __hash__(self) -> int:  # Mapping defines __eq__, and so has no hash
        return len(self._values)

    def __getitem__(self, name: str) -> str:
        return self._values[name.removeprefix("CONFIG_")]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def is_on(self, name: str) -> bool:
        """Return True if the option is y or m, as the kernel's IS_ENABLED() does."""
        return self.get(name) in ("y", "m")

    def value(self, name: str) -> str | None:
        """Return the option's value; None if it is off or unknown."""
        value = self.get(name)
        return None if value == "n" else value

    @property
    def compiler(self) -> str:
        """The compiler of the kernel, such as "gcc-12". Raise FactsError if it is no gcc."""
        text = self.value("CC_VERSION_TEXT")
        found = _GCC.match(text or "")
        if found is None:
            raise FactsError(
                f"CONFIG_CC_VERSION_TEXT does not name a gcc: {text!r}",
                hint="lppack builds only for kernels that gcc has built",
            )
        return found[1]


def parse_config(text: str, *, what: str = ".config") -> KernelConfig:
    """Read the text of a .config. Raise FactsError for an invalid line, or if it has no options."""
    values: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if found := _SET.fullmatch(line):
            values[found[1]] = _value(found[2], f"{what}:{number}")
        elif found := _NOT_SET.fullmatch(line):
            values[found[1]] = "n"
        elif line.strip() and not line.startswith("#"):
            raise FactsError(f"{what}:{number}: not a line of a kernel .config: {line[:60]!r}")
    if not values:
        raise FactsError(f"{what}: it has no options")
    return KernelConfig(values)


def read_config(path: Path) -> KernelConfig:
    """Read the .config at ``path``. Raise EnvironmentMissing or FactsError if that fails."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise EnvironmentMissing(
            f"cannot read the kernel config {path}: {error.strerror}", hint="run: lppack doctor"
        ) from error
    return parse_config(text, what=str(path))


def _value(raw: str, where: str) -> str:
    if not raw.startswith('"'):
        return raw
    if len(raw) < 2 or not raw.endswith('"'):
        raise FactsError(f"{where}: unterminated string: {raw[:60]!r}")
    return _ESCAPED.sub(r"\1", raw[1:-1])
