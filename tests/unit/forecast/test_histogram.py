# SPDX-License-Identifier: MIT
"""Histograms of visits: what funclatency prints, and what it does not."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lppack.errors import ManifestError
from lppack.forecast.histogram import Histogram, read_histograms

TABLE = """\
     usecs               : count     distribution
         0 -> 1          : 0        |                                        |
         2 -> 3          : 4        |****************************************|
         4 -> 7          : 1        |**********                              |
"""


def read(folder: Path, text: str | bytes) -> tuple[Histogram, ...]:
    file = folder / "h.txt"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_histograms(file)


def micro(*buckets: tuple[int, int, int]) -> tuple[tuple[float, float, int], ...]:
    return tuple((low * 1e-6, high * 1e-6, count) for low, high, count in buckets)


def test_one_function(tmp_path: Path) -> None:
    text = f'Tracing 1 functions for "f"... Hit Ctrl-C to end.\n^C\n{TABLE}\nDetaching...\n'
    (made,) = read(tmp_path, text)
    assert made.buckets == micro((2, 4, 4), (4, 8, 1))
    assert (made.function, made.visits, made.mean) == (None, 5, None)


@pytest.mark.parametrize(
    ("words", "mean"),
    [
        ("avg = 3 usecs, total: 16 usecs, count: 5", 3.2e-6),
        ("avg = 3 nsecs, total: 16 nsecs, count: 5", 3.2e-6),  # older: the word is always nsecs
        ("avg = 3200 nsecs, total: 16000 nsecs, count: 5", 3.2e-6),
        ("avg = 9 usecs, total: 99 usecs, count: 5", None),  # such lengths are not in the table
        ("avg = 3 usecs, total: 160 usecs, count: 50", None),  # of other visits
    ],
)
def test_the_mean_is_taken_where_the_buckets_can_have_it(
    tmp_path: Path, words: str, mean: float | None
) -> None:
    (made,) = read(tmp_path, f"{TABLE}\n{words}\n")
    assert made.mean == (pytest.approx(mean) if mean else None)


def test_sections_and_intervals_are_added_up(tmp_path: Path) -> None:
    text = "".join(f"10:00:0{i}\nFunction = {name}\n{TABLE}" for i, name in enumerate(_NAMES))
    made = read(tmp_path, text)
    assert [(one.function, one.visits) for one in made] == [("vfs_read", 15), ("is_prime", 5)]


_NAMES = ("b'vfs_read'", "is_prime [6556]", "b'vfs_read'", "vfs_read")


def test_milliseconds_in_wide_columns(tmp_path: Path) -> None:
    text = (
        "     msecs                         : count     distribution\n"
        "          4294967296 -> 8589934591           : 2        |**   |\n"
    )
    (made,) = read(tmp_path, text)
    assert made.buckets == ((4294967296 * 1e-3, 8589934592 * 1e-3, 2),)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "holds no histogram"),
        ("     usecs    : count     distribution\n  0 -> 1 : 0 | |\n", 1, "with a visit"),
        ("  2 -> 3  : 4 |**|\n", 1, "before a line that names its unit"),
        (TABLE + "  8 -> 15 : many |*|\n", 5, "is not a row"),
        (TABLE + "  8 -> 15 : -4 |*|\n", 5, "is not a row"),
        (TABLE + "  7 -> 15 : 4 |*|\n", 5, "overlaps the row above"),
        (TABLE + "  15 -> 8 : 4 |*|\n", 5, "is no bucket"),
        (TABLE + f"  8 -> {1 << 64} : 4 |*|\n", 5, "is no bucket"),
        (TABLE + f"  8 -> 15 : {'9' * 30} |*|\n", 5, "is not a row"),
        (TABLE.encode() + b"\xff\n", 5, "is not UTF-8"),
    ],
)
def test_what_is_no_histogram_is_refused_with_its_place(
    tmp_path: Path, text: str | bytes, line: int, words: str
) -> None:
    with pytest.raises(ManifestError) as caught:
        read(tmp_path, text)
    (problem,) = caught.value.problems
    assert problem.line == line
    assert words in problem.message


@given(
    st.one_of(
        st.binary(max_size=300),
        st.lists(
            st.sampled_from(
                [*TABLE.splitlines(), "Function = f", "avg = 1 nsecs, total: 9 nsecs, count: 5"]
            )
        ).map("\n".join),
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_histograms_or_are_refused(tmp_path: Path, text: bytes | str) -> None:
    try:
        found = read(tmp_path, text)
    except ManifestError:
        return
    assert all(histogram.visits > 0 for histogram in found)
