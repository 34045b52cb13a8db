# SPDX-License-Identifier: MIT
"""What stands around a diff: in a mail, or in a commit."""

import contextlib
import re
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header

_HASH = re.compile(
    r"^\s*(?:\[ *Upstream commit |commit |\(cherry picked from commit |From )([0-9a-f]{12,40})\b",
    re.MULTILINE | re.IGNORECASE,
)
_SUBJECT = re.compile(r"^Subject: (?:\[[^\]]*\] *)?(.+(?:\n[ \t].+)*)", re.MULTILINE)
_AUTHOR = re.compile(r"^From: *([^\r\n]+?) *$", re.MULTILINE)
_CVE = re.compile(r"\bCVE-\d{4}-\d{4,}\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """None: it does not say."""

    subject: str | None
    author: str | None
    commit: str | None
    cve: str | None


def read_mail(text: str) -> Mail:
    """Read what is said beside the diff; ``text`` has a character for each byte (latin-1)."""
    subject = _SUBJECT.search(text)
    commit, cve = _HASH.findall(text), _CVE.search(text)
    return Mail(
        subject=" ".join(subject[1].split()) if subject else None,
        author=_author_of(text),
        commit=commit[-1] if commit else None,
        cve=cve[0] if cve else None,
    )


def _author_of(text: str) -> str | None:
    """Who sent the diff; None: it does not say."""
    found = _AUTHOR.search(text.partition("\n--- ")[0])
    if found is None:
        return None
    name = found[1].encode("latin-1", errors="replace").decode("utf-8", errors="replace")
    with contextlib.suppress(HeaderParseError, LookupError, UnicodeError):
        name = str(make_header(decode_header(name)))
    return "".join(char for char in name if char.isprintable())[:200].strip() or None
