# SPDX-License-Identifier: MIT
"""What stands around a diff, and the diff as it was before a mailer encoded it."""

import base64
import quopri

import pytest

from lppack.csource.changes import read_diff
from lppack.drafting.mail import decoded, read_mail
from lppack.errors import AnswerIsNo

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


def test_a_mailbox_whose_lines_end_as_mail_was_sent() -> None:
    second = plain(BODY.replace("fs/a.c", "fs/b.c").replace("int a;", "int a=3D;"))
    text = decoded((quoted(BODY) + second).replace("\n", "\r\n"))
    assert [file.path for file in read_diff(text)] == ["fs/a.c", "fs/b.c"]
    assert "int a=3D;" in text, "it is no quoted-printable"
    assert "a mail's */" in text


def bare(mail: str) -> str:
    """A mail as it is saved to a file of its own, without the line of a mailbox before it."""
    return mail.partition("\n")[2]


@pytest.mark.parametrize("between", ["", "\n"])
@pytest.mark.parametrize("first", [plain, as_base64, attached, quoted])
@pytest.mark.parametrize("second", [as_base64, quoted, attached])
def test_files_of_mails_that_were_put_together(first: object, second: object, between: str) -> None:
    assert callable(first) and callable(second)
    other = BODY.replace("fs/a.c", "fs/b.c")
    text = decoded(bare(first(BODY)).rstrip("\n") + "\n" + between + bare(second(other)))
    assert [file.path for file in read_diff(text)] == ["fs/a.c", "fs/b.c"]


def test_plain_text_below_a_mail_in_base64() -> None:
    other = bare(plain(BODY.replace("fs/a.c", "fs/b.c"))).replace(
        "Content-Transfer-Encoding: 8bit\n", ""
    )
    text = decoded(bare(as_base64(BODY)) + other)
    assert [file.path for file in read_diff(text)] == ["fs/a.c", "fs/b.c"]


def test_a_mail_whose_text_begins_with_the_name_of_its_author() -> None:
    text = decoded(bare(quoted(f"From: B <b@example.org>\nSubject: of b\n\n{BODY}")))
    assert DIFF in text


def test_an_attached_diff_of_any_name() -> None:
    text = decoded(attached(BODY).replace("a.patch", "fix"))
    assert [file.path for file in read_diff(text)] == ["fs/a.c"]


CODED = base64.encodebytes(BODY.encode("latin-1")).decode()
PART = "--XX\nContent-Type: {}\nContent-Transfer-Encoding: {}\n\n{}\n--XX--\n"
MIXED = HEAD.format("1/1", 'Content-Type: multipart/mixed; boundary="XX"')


@pytest.mark.parametrize(
    ("lost", "what"),
    [
        (CODED, "base64 without the header"),
        (f"Subject: x\n\n{CODED}", "base64 without the header"),
        (bare(as_base64(BODY)).replace(CODED[40:50], "!" * 10), "base64"),
        (MIXED + PART.format("text/plain", "base64", "!" + CODED), "not encoded as base64"),
        (MIXED + PART.format("text/plain", "x-own", CODED), "not encoded as x-own"),
        (MIXED + PART.format("text/html", "base64", CODED), "text/html"),
        (MIXED + PART.format("application/gzip", "base64", "H4sI"), "application/gzip"),
        (
            MIXED
            + PART.format(
                "text/plain", "base64", base64.encodebytes(BODY.encode("utf-16")).decode()
            ),
            "zero bytes",
        ),
        (
            quoted(BODY).rstrip("\n") + "\nSubject: x\n\n" + BODY.replace("fs/a.c", "fs/b.c"),
            "quoted",
        ),
    ],
)
def test_a_part_that_cannot_be_read_is_not_left_out(lost: str, what: str) -> None:
    with pytest.raises(AnswerIsNo, match=what):
        decoded(f"{DIFF}-- \n2.39.5\n\n{lost}")


@pytest.mark.parametrize("sent", [quoted, as_base64, attached, plain])
def test_a_mail_whose_text_was_encoded_with_the_ends_of_its_lines(sent: object) -> None:
    assert callable(sent)
    text = decoded(sent(BODY.replace("\n", "\r\n")))
    assert "\r" not in text
    assert DIFF in text


def test_what_only_talks_of_an_encoding_stays_as_it_is() -> None:
    for text in (DIFF, plain(f"Content-Transfer-Encoding: base64\n{BODY}"), f"x=20\n{DIFF}"):
        assert decoded(text) == text


# -- whose it is, what it is called, and which commit it is

OWN, OTHER, CULPRIT = "a" * 40, "b" * 40, "c" * 12
AFTER = "---\n a.c | 2 +-\n\ndiff --git a/a.c b/a.c\n--- a/a.c\n+++ b/a.c\n@@ -1 +1 @@\n-a\n+b\n"


def latin(text: str) -> str:
    """As it is read: a character for each byte."""
    return text.encode().decode("latin-1")


@pytest.mark.parametrize(
    ("text", "commit"),
    [
        ("", None),
        (AFTER, None),
        (f"From {OWN} Mon Sep 17 00:00:00 2001\nSubject: x\n", OWN),
        (f"commit {OWN}\nAuthor: Jo Doe\n", OWN),
        (f"commit {OWN} (HEAD -> main, tag: v6.1)\nAuthor: Jo Doe\n", OWN),
        # The commit of the kernel that is followed, not its copy in a stable tree.
        (f"commit {OTHER}\nAuthor: Jo Doe\n\n    x\n\n    commit {OWN} upstream.\n", OWN),
        (f"From {OTHER} Mon\nSubject: x\n\n[ Upstream commit {OWN} ]\n", OWN),
        (f"From {OTHER} Mon\nSubject: x\n\ncommit {OWN.upper()} upstream.\n", OWN.upper()),
        (f"From {OTHER} Mon\nSubject: x\n\n(cherry picked from commit {OWN})\n", OWN),
        # A sentence whose line happens to begin so is about another commit.
        (f'From {OWN} Mon\nSubject: x\n\nSince\ncommit {CULPRIT} ("a: b") it fails.\n', OWN),
        (f'From {OWN} Mon\nSubject: x\n\nSince\ncommit {CULPRIT}\n("a: b") it fails.\n', OWN),
        (f"Subject: x\n\nIt fails since\ncommit {CULPRIT} introduced it.\n", None),
        (f'commit {OWN} upstream.\n\nSince\ncommit {CULPRIT} ("a: b") it fails.\n', OWN),
        (f'commit {OWN}\n\n    As of\n    commit {CULPRIT} ("a: b") it fails.\n', OWN),
        (f'Subject: x\n\nFixes: {CULPRIT} ("a: b")\n', None),
        (f"From {OWN} Mon\nSubject: x\n\nIt was\ncommit {OTHER}\nin another tree.\n", OWN),
        ("commit 1234567 upstream.\n", None),  # too short to name one
        (f"commit {OWN}f\n", None),  # and too long
    ],
)
def test_which_commit_it_is(text: str, commit: str | None) -> None:
    assert read_mail(text + AFTER).commit == commit


@pytest.mark.parametrize(
    ("line", "subject"),
    [
        ("Subject: net: fix it", "net: fix it"),
        ("Subject: [PATCH 6.1 01/10] net: fix it", "net: fix it"),
        ("Subject: [PATCH]net: fix\n a long line\n\tof it", "net: fix a long line of it"),
        ("Subject: net: caf\u00e9", "net: caf\u00e9"),
        ("Subject: =?UTF-8?q?net:=20caf=C3=A9?=", "net: caf\u00e9"),
        ("Subject: =?UTF-8?q?[PATCH]=20net:=20caf=C3=A9?=", "net: caf\u00e9"),
        ("Subject: =?utf-8?b?bmV0OiBj?=\n =?utf-8?b?YWbDqQ==?=", "net: caf\u00e9"),
        ("Subject: =?nonsense?q?x?=", "=?nonsense?q?x?="),
        ("Subject: a\x1b[31mb\x0cc", "a[31mb c"),
        ("Subject: [PATCH] ", None),
        ("Subject:", None),
        ("X-Subject: no", None),
    ],
)
def test_what_it_is_called(line: str, subject: str | None) -> None:
    assert read_mail(latin(f"{line}\n{AFTER}")).subject == subject


@pytest.mark.parametrize(
    ("line", "author"),
    [
        ("From: Jo Doe <jo@example.org>", "Jo Doe <jo@example.org>"),
        ("From: =?UTF-8?q?J=C3=B6?= <jo@example.org>", "J\u00f6 <jo@example.org>"),
        ("From: J\u00f6 <jo@example.org>", "J\u00f6 <jo@example.org>"),
        ("From: \x1b[2J", "[2J"),
        (f"From: {'x' * 300}", "x" * 200),
        ("From: ", None),
        (f"From {OWN} Mon", None),
    ],
)
def test_whose_it_is(line: str, author: str | None) -> None:
    assert read_mail(latin(f"{line}\n{AFTER}")).author == author


def test_the_diff_itself_names_nobody() -> None:
    said = read_mail(f"Subject: x\n{AFTER}From: me\n")
    assert said.author is None


def test_the_cve() -> None:
    assert read_mail("see CVE-2026-12345, CVE-2026-0001").cve == "CVE-2026-12345"
    assert read_mail("XCVE-2026-1234 CVE-2026-123").cve is None
