# SPDX-License-Identifier: MIT
"""Read the text around a diff: of a mail or a commit."""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message

# The commit that a stable tree has a copy of, or that was picked.
_UPSTREAM = re.compile(
    r"^\s*(?:\[ *Upstream commit ([0-9a-f]{12,40})\b|commit ([0-9a-f]{12,40}) upstream"
    r"|\(cherry picked from commit ([0-9a-f]{12,40})\b)",
    re.MULTILINE | re.IGNORECASE,
)
# The first line of git format-patch, and of git show; a sentence may begin a line with "commit" and
# the hash of another one, after which stands its subject in brackets.
_OWN = re.compile(
    r"^(?:From ([0-9a-f]{40}) |commit ([0-9a-f]{12,40})[ \t]*(?:\((?!\")|$)(?!\s*\(\"))",
    re.MULTILINE,
)
_SUBJECT = re.compile(r"^Subject: *(.+(?:\n[ \t].+)*)", re.MULTILINE)
_PREFIX = re.compile(r"^\[[^\]]*\] *")
_AUTHOR = re.compile(r"^From: *([^\r\n]+?) *$", re.MULTILINE)
_CVE = re.compile(r"\bCVE-\d{4}-\d{4,}\b")


# The line before each mail of a mailbox: git format-patch, and mailers.
_MAILBOX = re.compile(r"(?:\A|(?<=\n\n))(?=From \S+ [^\n]*\d\d:\d\d:\d\d[^\n]*\d{4}\n)")
_ENCODED = re.compile(
    r"^Content-(?:Transfer-Encoding: *(?:quoted-printable|base64)|Type: *multipart/)",
    re.MULTILINE | re.IGNORECASE,
)
_HEADER = re.compile(r"(?:From [^\n]*\n)?[A-Za-z][\w-]*:")
_PATCH = (".patch", ".diff")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """The description of a diff; a field is None if it is missing."""

    subject: str | None
    author: str | None
    commit: str | None
    cve: str | None


def read_mail(text: str) -> Mail:
    """Read the description of a diff; ``text`` has one character for each byte (latin-1)."""
    cve = _CVE.search(text)
    hashes = _UPSTREAM.findall(text)[-1:] or _OWN.findall(text)[:1]
    return Mail(
        subject=_subject_of(text),
        author=_author_of(text),
        commit=next((one for found in hashes for one in found if one), None),
        cve=cve[0] if cve else None,
    )


def _subject_of(text: str) -> str | None:
    found = _SUBJECT.search(text)
    return _PREFIX.sub("", _plain(" ".join(found[1].split()))) or None if found else None


def decoded(text: str) -> str:
    """Return ``text`` with each mail's text, and its attached diffs, as they were before they were
    encoded to be sent; what is no such mail stays as it is. Lines end as the kernel's do."""
    text = text.replace("\r\n", "\n")
    if not _ENCODED.search(text):
        return text
    return "".join(_one_mail(mail) for mail in _MAILBOX.split(text))


def _one_mail(text: str) -> str:
    head = text.partition("\n\n")[0]
    if not (_HEADER.match(text) and _ENCODED.search(head)):
        return text
    parts = _texts(message_from_bytes(text.encode("latin-1", errors="replace")))
    return "\n\n".join([head, *parts])


def _texts(mail: Message) -> Iterator[str]:
    for part in mail.walk():
        name = part.get_filename() or ""
        is_text = part.get_content_maintype() == "text" and part.get_content_subtype() != "html"
        if not part.is_multipart() and (is_text or name.endswith(_PATCH)):
            data = part.get_payload(decode=True)
            assert isinstance(data, bytes)
            text = data.decode("latin-1").replace("\r\n", "\n")
            yield text if text.endswith("\n") else f"{text}\n"


def _author_of(text: str) -> str | None:
    """Return the sender of the diff; None if it is not named."""
    found = _AUTHOR.search(text.partition("\n--- ")[0])
    if found is None:
        return None
    return _plain(found[1])[:200].strip() or None


def _plain(value: str) -> str:
    """Return the text of a header, without what is no letter of it."""
    text = value.encode("latin-1", errors="replace").decode("utf-8", errors="replace")
    with contextlib.suppress(HeaderParseError, LookupError, UnicodeError):
        text = str(make_header(decode_header(text)))
    return "".join(char for char in text if char.isprintable())
