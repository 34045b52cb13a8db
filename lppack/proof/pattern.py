# SPDX-License-Identifier: MIT
"""Search a text for one of many names."""

import re
from collections.abc import Collection, Iterable


class NamePattern:
    """Matches one of the names, or the parts from which a macro pastes one (sk_##name)."""

    def __init__(self, names: Collection[str]) -> None:
        self._words = {name.encode() for name in names if name}
        heads, tails = set[bytes](), set[bytes]()
        for name in names:
            parts = name.split("_")
            for at in range(1, len(parts)):
                head, tail = "_".join(parts[:at]), "_".join(parts[at:])
                if len(head) > 1:
                    heads.add(re.escape(f"{head}_".encode()))
                if len(tail) > 3:
                    tails.add(re.escape(f"_{tail}".encode()))
        self._whole = re.compile(
            rb"(?<!\w)(?:" + _any_of(map(re.escape, self._words)) + rb")(?!\w)"
        )
        forms = [rb"(?<!\w)(?:" + _any_of(heads) + rb")\s*##"] if heads else []
        forms += [rb"##\s*(?:" + _any_of(tails) + rb")(?!\w)"] if tails else []
        self._pasted = re.compile(b"|".join(forms)) if forms else None

    def search(self, text: bytes) -> bool:
        """Return whether one of the names is in ``text``. Most texts have none: the search for
        words finds that in a tenth of the time of the regular expressions."""
        if any(word in text for word in self._words) and self._whole.search(text):
            return True
        return bool(self._pasted and b"##" in text and self._pasted.search(text))


def _any_of(words: Iterable[bytes]) -> bytes:
    return b"|".join(sorted(words))
