# SPDX-License-Identifier: MIT
"""A diff is what was sent, however the mail was encoded."""

import base64
import quopri

import pytest

from lppack.csource.changes import read_diff
from lppack.drafting.mail import decoded, read_mail

DIFF = (
    "--- a/fs/a.c\n+++ b/fs/a.c\n@@ -1,3 +1,3 @@\n int a;\n-int count = 1; /* \xe9 */\n"
    "+int count = 2; /* a line that is longer than the seventy-six characters of a mail's */\n \n"
)
BODY = f"It was one = wrong.\n---\n{DIFF}-- \n2.39.5\n\n"
HEAD = (
    "From 1234567890123456789012345678901234567890 Mon Sep 17 00:00:00 2001\n"
    "From: A Person <a@example.org>\nSubject: [PATCH {0}] fs: count {0}\nMIME-Version: 1.0\n"
    "{1}\n\n"
)


def quoted(text: str, number: str = "1/2") -> str:
    data = quopri.encodestring(text.encode("latin-1")).decode()
    return HEAD.format(number, "Content-Transfer-Encoding: quoted-printable") + data + "\n"


def as_base64(text: str, number: str = "2/2") -> str:
    data = base64.encodebytes(text.encode("latin-1")).decode()
    return HEAD.format(number, "content-transfer-encoding: BASE64") + data + "\n"


def plain(text: str) -> str:
    return HEAD.format("1/1", "Content-Transfer-Encoding: 8bit") + text


def attached(text: str) -> str:
    data = base64.encodebytes(text.encode("latin-1")).decode()
    part = "--XX\nContent-Type: {}\nContent-Transfer-Encoding: {}\n\n{}\n"
    return (
        HEAD.format("1/1", 'Content-Type: multipart/mixed; boundary="XX"')
        + part.format("text/plain", "7bit", "See below.\n")
        + part.format("text/html", "7bit", "<pre>--- a/fs/b.c</pre>\n")
        + part.format('application/octet-stream; name="a.patch"', "base64", data)
        + part.format("image/png", "base64", "AAAA\n")
        + "--XX--\n"
    )


@pytest.mark.parametrize("sent", [quoted, as_base64, attached, plain])
def test_one_mail(sent: object) -> None:
    assert callable(sent)
    text = decoded(sent(BODY))
    [file] = read_diff(text)
    assert [str(line.value) for hunk in file for line in hunk] == [
        line[1:] for line in DIFF.splitlines(keepends=True)[3:]
    ]
    assert read_mail(text).author == "A Person <a@example.org>"


def test_a_mailbox_of_several() -> None:
    text = decoded(quoted(BODY) + as_base64(BODY.replace("fs/a.c", "fs/b.c")) + plain(BODY))
    assert [file.path for file in read_diff(text)] == ["fs/a.c", "fs/b.c", "fs/a.c"]
    assert read_mail(text).subject == "fs: count 1/2"


def test_what_only_talks_of_an_encoding_stays_as_it_is() -> None:
    for text in (DIFF, plain(f"Content-Transfer-Encoding: base64\n{BODY}"), f"x=20\n{DIFF}"):
        assert decoded(text) == text
