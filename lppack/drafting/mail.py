# SPDX-License-Identifier: MIT
"""What stands around a diff: in a mail, or in a commit."""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message

_HASH = re.compile(
    r"^\s*(?:\[ *Upstream commit |commit |\(cherry picked from commit |From )([0-9a-f]{12,40})\b",
    re.MULTILINE | re.IGNORECASE,
)
_SUBJECT = re.compile(r"^Subject: (?:\[[^\]]*\] *)?(.+(?:\n[ \t].+)*)", re.MULTILINE)
_AUTHOR = re.compile(r"^From: *([^\r\n]+?) *$", re.MULTILINE)
_CVE = re.compile(r"\bCVE-\d{4}-\d{4,}\b")


# The line before each mail of a mailbox: git format-patch, and mailers.
_MAILBOX = re.compile(r"(?:\A|(?<=\n\n))(?=From \S+ [^\n]*\d\d:\d\d:\d\d[^\n]*\d{4}\r?\n)")
_ENCODED = re.compile(
    r"^Content-(?:Transfer-Encoding: *(?:quoted-printable|base64)|Type: *multipart/)",
    re.MULTILINE | re.IGNORECASE,
)
_HEADER = re.compile(r"(?:From [^\n]*\n)?[A-Za-z][\w-]*:")
_PATCH = (".patch", ".diff")


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


def decoded(text: str) -> str:
    """Return ``text`` with each mail's text, and its attached diffs, as they were before they were
    encoded to be sent; what is no such mail stays as it is."""
    if not _ENCODED.search(text):
        return text
    return "".join(_one_mail(mail) for mail in _MAILBOX.split(text))


def _one_mail(text: str) -> str:
    head = re.split(r"\r?\n\r?\n", text, maxsplit=1)[0]
    if not (_HEADER.match(text) and _ENCODED.search(head)):
        return text
    parts = _texts(message_from_bytes(text.encode("latin-1", errors="replace")))
    return "\n\n".join([head.replace("\r\n", "\n"), *parts])


def _texts(mail: Message) -> Iterator[str]:
    for part in mail.walk():
        name = part.get_filename() or ""
        is_text = part.get_content_maintype() == "text" and part.get_content_subtype() != "html"
        if not part.is_multipart() and (is_text or name.endswith(_PATCH)):
            data = part.get_payload(decode=True)
            assert isinstance(data, bytes)
            text = data.decode("latin-1")
            yield text if text.endswith("\n") else f"{text}\n"


def _author_of(text: str) -> str | None:
    """Who sent the diff; None: it does not say."""
    found = _AUTHOR.search(text.partition("\n--- ")[0])
    if found is None:
        return None
    name = found[1].encode("latin-1", errors="replace").decode("utf-8", errors="replace")
    with contextlib.suppress(HeaderParseError, LookupError, UnicodeError):
        name = str(make_header(decode_header(name)))
    return "".join(char for char in name if char.isprintable())[:200].strip() or None
