# SPDX-License-Identifier: MIT
"""One answer over ssh, read as hostile input."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lppack.hosts.framed import Framed, Nonsense, plain

NUMBER, BOOT = "0123456789abcdef" * 2, "12345678-1234-1234-1234-123456789abc"
BEGIN, END = f"\n{NUMBER} begin\n", f"\n{NUMBER} end 7 {BOOT}\n"


def read(*parts: str | bytes, most: int = 100) -> Framed:
    framed = Framed(NUMBER, most)
    for part in parts:
        framed.feed(part.encode() if isinstance(part, str) else part)
    return framed


def test_a_whole_answer() -> None:
    framed = read(BEGIN, "hello\n", END)
    assert (framed.done, framed.text, framed.rc, framed.boot) == (True, "hello\n", 7, BOOT)
    assert not framed.cut


def test_of_the_errors_the_end_says_no_more() -> None:
    framed = read(BEGIN, "no such file", f"\n{NUMBER} end\n")
    assert (framed.done, framed.text, framed.rc, framed.boot) == (True, "no such file", None, None)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    text=st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=600),
    cuts=st.lists(st.integers(0, 900), max_size=6),
)
def test_it_is_the_same_however_it_comes_in_pieces(text: str, cuts: list[int]) -> None:
    data = f"motd{BEGIN}{text}{END}".encode()
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    framed = read(*(data[a:b] for a, b in zip(places, places[1:], strict=False)), most=1000)
    assert (framed.done, framed.text, framed.rc) == (True, text, 7)


def test_what_login_scripts_print_is_no_answer_and_not_without_end() -> None:
    assert read("Welcome!\n" * 1000, BEGIN, "x", END).text == "x"
    with pytest.raises(Nonsense, match="65536 bytes came that are not an answer"):
        read("Welcome!\n" * 8000)


def test_what_is_too_much_is_counted_and_not_kept() -> None:
    framed = read(BEGIN, *["x" * 1000] * 50, END, most=100)
    assert (framed.done, framed.cut, framed.text) == (True, True, "x" * 100)
    assert framed.total == 50_000 + len(BEGIN) + len(END)
    assert read(BEGIN, "x" * 99, END, most=100).cut is False


@pytest.mark.parametrize(
    "end",
    [
        END.replace(NUMBER, NUMBER[::-1]),
        END.replace(" end", " END"),
        END.replace(" 7 ", " 7777 "),
        END.replace(" 7 ", " -1 "),
        END.replace(BOOT, "not-a-boot-id"),
        END[1:],  # in the middle of a line
        END[:-1],
    ],
)
def test_a_line_that_is_not_the_last_one_ends_nothing(end: str) -> None:
    framed = read(BEGIN, "x", end)
    assert not framed.done and framed.rc is None


def test_what_comes_afterwards_is_of_nobody() -> None:
    framed = read(BEGIN, "x", END, "y" * 1000, BEGIN, "z", END)
    assert framed.text == "x"
    assert framed.total == len(BEGIN) + 1 + len(END)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"a\tb\n", "a\tb\n"),
        (b"\x1b[2J", "\ufffd[2J"),
        (b"a\rb", "a\ufffdb"),
        (b"\x00\x7f", "\ufffd\ufffd"),
        ("\x9b2J".encode(), "\ufffd2J"),  # CSI in one character
        (b"\xff", "\ufffd"),
        ("\u00e9".encode(), "\u00e9"),
    ],
)
def test_no_byte_moves_a_terminals_cursor(data: bytes, text: str) -> None:
    assert plain(data) == text
