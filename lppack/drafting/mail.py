# SPDX-License-Identifier: MIT
"""Read the text around a diff: of a mail or a commit."""

import base64
import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.errors import (
    HeaderParseError,
    InvalidBase64CharactersDefect,
    InvalidBase64LengthDefect,
)
from email.header import decode_header, make_header
from email.message import Message

from lppack.errors import AnswerIsNo

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


# The head of a mail; in a mailbox with the line that git format-patch and mailers write before it.
_HEAD = re.compile(
    r"(?:^From \S+ [^\n]*\d\d:\d\d:\d\d[^\n]*\d{4}\n)?"
    r"(?:^[A-Za-z][\w-]*:[^\n]*\n(?:[ \t]+\S[^\n]*\n)*+)++",
    re.MULTILINE,
)
_OF_A_MAIL = {"message-id", "mime-version", "received", "content-type", "content-transfer-encoding"}
_BOUNDARY = re.compile(r'^Content-Type:[^\n]*(?:\n[ \t][^\n]*)*?boundary="?([^"\s;]+)', re.M | re.I)
_ENCODED = re.compile(
    r"^Content-(?:Transfer-Encoding:\s*(?!7bit|8bit|binary)\w|Type:\s*multipart/)",
    re.MULTILINE | re.IGNORECASE,
)
_KNOWN = {"7bit", "8bit", "binary", "base64", "quoted-printable", "x-uuencode", "uuencode"}
_HEADER = re.compile(r"(?:From [^\n]*\n)?[A-Za-z][\w-]*:")
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]*[ \t]*\n)*+(?:[A-Za-z0-9+/]+={0,2}[ \t]*(?:\n|\Z))?")
_LEFT_IN_BASE64 = re.compile(r"(?:^[A-Za-z0-9+/]{40,}\n)+(?:[A-Za-z0-9+/]+={0,2}$)?", re.MULTILINE)
# "=" of a changed or unchanged line of a diff that no encoder has written.
_NOT_QUOTED = re.compile(r"^[ +-][^\n]*=(?![0-9A-Fa-f]{2}|[ \t]*$)", re.MULTILINE)
_DEFECTS = (InvalidBase64CharactersDefect, InvalidBase64LengthDefect)
_NO_DIFF = re.compile(r"image/|text/html$|application/(?:pgp|(?:x-)?pkcs7)-signature$")


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
    encoded to be sent; what is no such mail stays as it is. Lines end as the kernel's do.

    Raise AnswerIsNo if a part of a mail cannot be read: its changes would be missing.
    """
    text = text.replace("\r\n", "\n")
    found = "".join(map(_one_mail, _mails(text))) if _ENCODED.search(text) else text
    if any(_has_diff(_of_base64(lines[0])) for lines in _LEFT_IN_BASE64.finditer(found)):
        raise _unread("a diff in base64 without the header of its mail")
    return found


def _mails(text: str) -> Iterator[str]:
    """Yield each mail. Between mails that were put together there may be no line."""
    start = 0
    for match in _HEAD.finditer(text):
        here = text[start : match.start()]
        names = {name.lower() for name in re.findall(r"^[\w-]+(?=:)", match[0], re.MULTILINE)}
        own = match[0].startswith("From ") or (names & {"from", "subject"} and names & _OF_A_MAIL)
        ends = text.startswith("\n", match.end())
        if here and own and ends and not _is_open(here):
            yield here
            start = match.start()
    yield text[start:]


def _is_open(text: str) -> bool:
    """Return True if ``text`` is a mail of several parts that has not ended."""
    found = _BOUNDARY.search(text.partition("\n\n")[0])
    return found is not None and f"\n--{found[1]}--" not in text


def _one_mail(text: str) -> str:
    head, _, body = text.partition("\n\n")
    if not (_HEADER.match(text) and _ENCODED.search(head)):
        return text
    mail = message_from_bytes(text.encode("latin-1", errors="replace"))
    rest = ""
    if not mail.is_multipart() and _encoding(mail) == "base64":
        # A mailing list, or a person who joins mails, may have added plain text below.
        coded = _BASE64.match(body)
        assert coded is not None  # it may be empty
        mail.set_payload(coded[0])
        rest = decoded(body[coded.end() :])
        if _LEFT_IN_BASE64.search(rest):
            raise _unread("a text in base64, in which is something else")
    return "\n\n".join([head, *_texts(mail)]) + rest


def _texts(mail: Message) -> list[str]:
    """Return the texts of a mail, and what else has a diff."""
    found, pages = [], False
    for part in mail.walk():
        if part.is_multipart():
            continue
        name, kind = part.get_filename() or part.get_content_type(), part.get_content_type()
        data = part.get_payload(decode=True)
        assert isinstance(data, bytes)
        text = data.decode("latin-1").replace("\r\n", "\n")
        if kind == "text/html":
            pages |= "@@ -" in text
        elif part.get_content_maintype() == "text" or _has_diff(text):
            _check(part, name, text)
            found.append(text if text.endswith("\n") else f"{text}\n")
        elif not _NO_DIFF.match(kind):
            raise _unread(f"{name}: it is no text")
    if pages and not any(map(_has_diff, found)):
        raise _unread("text/html")
    return found


def _check(part: Message, name: str, text: str) -> None:
    """Check that a text was decoded as it was encoded. Raise AnswerIsNo."""
    encoding = _encoding(part)
    raw = str(part.get_payload()).replace("\r\n", "\n")
    unquoted = encoding == "quoted-printable" and bool(_NOT_QUOTED.search(raw))
    broken = any(isinstance(one, _DEFECTS) for one in part.defects)
    if unquoted or broken or encoding not in _KNOWN:
        raise _unread(f"{name}: it is not encoded as {encoding}")
    if "\0" in text:
        raise _unread(f"{name}: it has zero bytes, as UTF-16 has")


def _encoding(part: Message) -> str:
    return str(part.get("Content-Transfer-Encoding", "7bit")).strip().lower()


def _has_diff(text: str) -> bool:
    return bool(re.search(r"^@@ -\d", text, re.MULTILINE))


def _of_base64(text: str) -> str:
    with contextlib.suppress(ValueError):
        return base64.b64decode(text).decode("latin-1")
    return ""


def _unread(what: str) -> AnswerIsNo:
    return AnswerIsNo(
        f"a part of the mail cannot be read: {ascii(what)[1:-1]}",
        hint="save the diffs that it has, and give them as one file without mails around them",
    )


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
