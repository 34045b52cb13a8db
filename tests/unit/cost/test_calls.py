# SPDX-License-Identifier: MIT
"""Files that count calls: what funccount, ftrace and perf write, and what they do not."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lppack.cost.calls import CallFile, CallSource, call_rates, read_calls
from lppack.errors import ManifestError

FUNCCOUNT = """\
Tracing 2 functions for "b'tcp_*'"... Hit Ctrl-C to end.
^C
FUNC                                    COUNT
b'tcp_v4_rcv'                             500
tcp_v6_rcv [ipv6]                          20
Detaching...
"""
PROFILE = """\
  Function                               Hit    Time            Avg             s^2
  --------                               ---    ----            ---             ---
  tcp_v4_rcv                             300    88.000 us       4.000 us        1.250 us
  tcp_v6_rcv                               7    1.000 us        0.100 us        0.000 us
"""
STAT = """\

 Performance counter stats for 'system wide':

         1,234,567      probe:tcp_v4_rcv                                          (49.98%)
     <not counted>      probe:tcp_v6_rcv
                 0      probe:udp_rcv
        80,128.22 msec cpu-clock                 #    8.000 CPUs utilized
     2,000,000,000      cycles                    #    2.500 GHz
     4,000,000,000      instructions              #    2.00  insn per cycle

      10.000000000 seconds time elapsed

"""
REPORT = """\
# To display the perf.data header info, please use --header/--header-only options.
#
# Samples: 12K of event 'probe:tcp_v4_rcv'
# Event count (approx.): 12345
#
# Overhead  Command      Shared Object      Symbol
# ........  ...........  .................  ..............
#
    90.00%  ksoftirqd/0  [kernel.kallsyms]  [k] tcp_v4_rcv
"""
SCRIPT = """\
ksoftirqd/0    13 [000]   100.000000: probe:tcp_v4_rcv: (ffffffff81a00000)
        ffffffff81a00000 tcp_v4_rcv+0x0 ([kernel.kallsyms])

     swapper     0 [001]   102.000000:          3 probe:tcp_v4_rcv: (ffffffff81a00000)
  a b c     77/78 [001]   104.000000: probe:udp_rcv: (ffffffff81a00010)
"""


def read(folder: Path, text: str | bytes) -> CallFile:
    file = folder / "calls.txt"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_calls(file)


@pytest.mark.parametrize(
    ("text", "kind", "counts", "seconds"),
    [
        (FUNCCOUNT, CallSource.FUNCCOUNT, {"tcp_v4_rcv": 500, "tcp_v6_rcv": 20}, None),
        (PROFILE, CallSource.PROFILE, {"tcp_v4_rcv": 300, "tcp_v6_rcv": 7}, None),
        ("  Function     Hit\n  --------  ---\n  f  3\n", CallSource.PROFILE, {"f": 3}, None),
        (STAT, CallSource.STAT, {"tcp_v4_rcv": 1234567, "udp_rcv": 0}, 10.0),
        (REPORT, CallSource.REPORT, {"tcp_v4_rcv": 12345}, None),
        (SCRIPT, CallSource.SCRIPT, {"tcp_v4_rcv": 4, "udp_rcv": 1}, 4.0),
    ],
)
def test_what_each_tool_writes(
    tmp_path: Path, text: str, kind: CallSource, counts: dict[str, int], seconds: float | None
) -> None:
    made = read(tmp_path, text)
    assert (made.kind, made.counts, made.seconds) == (kind, counts, seconds)


def test_perf_stat_knows_what_an_instruction_costs(tmp_path: Path) -> None:
    made = read(tmp_path, STAT)
    assert (made.cycles_per_instruction, made.ghz) == (0.5, 2.5)


def test_what_was_not_counted_is_not_zero(tmp_path: Path) -> None:
    counts = read(tmp_path, STAT).counts
    assert counts["udp_rcv"] == 0
    assert "tcp_v6_rcv" not in counts


def test_funccount_by_intervals_and_with_addresses(tmp_path: Path) -> None:
    text = "ADDR             FUNC      COUNT\nffffffff811b2b21 vfs_open  33\n\n"
    assert read(tmp_path, text * 2).counts == {"vfs_open": 66}
    text = "".join(f"10:00:0{i}\nFUNC     COUNT\nvfs_open  33\n\n" for i in range(3))
    assert read(tmp_path, text).counts == {"vfs_open": 99}


TIME = "# Samples: 4K of event 'cycles'\n# Event count (approx.): 99\n"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "is not a count of calls"),
        ("hello\n", 1, "is not a count of calls"),
        ("FUNC   COUNT\n", 1, "counts no function, as funccount would"),
        ("FUNC   COUNT\nf -4\n", 2, "is not a row of funccount"),
        ("FUNC   COUNT\nf 4 5\n", 2, "is not a row of funccount"),
        ("FUNC   COUNT\n4 4\n", 2, "is not a row of funccount"),
        ("FUNC   COUNT\nf 99999999999999999999\n", 2, "is not a number of calls"),
        (PROFILE + "  f\n", 5, "is not a row of a function profile"),
        (PROFILE + "  f  many\n", 5, "is not a row of a function profile"),
        (PROFILE + "FUNC  COUNT\nf 4\n", 5, "funccount begins in a file of function profile"),
        (STAT + STAT, 23, "a second result of perf stat"),
        (STAT.replace("1,234,567", "1,23,567"), 4, "is no row of perf stat"),
        (STAT.replace("      10.0", "       0.0"), 11, "is not a time to count in"),
        ("   Performance counter stats for 'x':\n\n 5  cycles\n", 1, "counts no function"),
        (STAT.replace("1,234,567", "1" + 1500 * ",000"), 4, "is no row of perf stat"),
        (TIME, 1, "cycles is not a probe of a function"),
        (REPORT.replace("rcv'", "rcv__return'"), 3, "counts returns, not calls"),
        ("swapper 0 [001] 10.123456: cycles: ffffffff\n", 1, "is not a probe of a function"),
        (SCRIPT + "what is this\n", 6, "is no event of perf script"),
        ("FUNC   COUNT\n\x1b[31mf 4\n", 2, "holds '\\x1b'"),
        (b"FUNC   COUNT\n\xff 4\n", 2, "is not UTF-8"),
    ],
)
def test_what_is_not_understood_is_named(
    tmp_path: Path, text: str | bytes, line: int, words: str
) -> None:
    with pytest.raises(ManifestError) as caught:
        read(tmp_path, text)
    problem = caught.value.problems[0]
    assert words in problem.message
    assert (problem.line, problem.file) == (line, str(tmp_path / "calls.txt"))


def test_what_is_no_file_and_what_is_too_large(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="cannot be read"):
        read_calls(tmp_path / "nothing")
    with pytest.raises(ManifestError, match="not an ordinary file"):
        read_calls(Path("/dev/null"))
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate((256 << 20) + 1)
    with pytest.raises(ManifestError, match="larger than 256 MiB"):
        read_calls(large)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.sampled_from([FUNCCOUNT, PROFILE, STAT, REPORT, SCRIPT]),
    st.integers(0, 500),
    st.text(max_size=12),
)
def test_any_damage_is_a_count_or_a_refusal(
    tmp_path: Path, text: str, at: int, damage: str
) -> None:
    hurt = text[:at] + damage + text[at + len(damage) :]
    try:
        made = read(tmp_path, hurt.encode("utf-8", "surrogatepass"))
    except ManifestError as error:
        assert all(problem.line >= 1 for problem in error.problems)
    else:
        assert all(count >= 0 for count in made.counts.values())
        assert made.seconds is None or made.seconds > 0


def files(folder: Path, **texts: str) -> list[Path]:
    made = [folder / name for name in texts]
    for path, text in zip(made, texts.values(), strict=True):
        path.write_text(text)
    return made


def test_profiles_of_all_cpus_are_added_up(tmp_path: Path) -> None:
    rates = call_rates(files(tmp_path, function0=PROFILE, function1=PROFILE), 10.0)
    assert rates.per_second == pytest.approx({"tcp_v4_rcv": 60.0, "tcp_v6_rcv": 1.4})


def test_the_time_of_a_file_goes_before_what_is_given(tmp_path: Path) -> None:
    rates = call_rates(files(tmp_path, stat=STAT), 99.0)
    assert rates.per_second == pytest.approx({"tcp_v4_rcv": 123456.7, "udp_rcv": 0.0})


@pytest.mark.parametrize(
    ("texts", "seconds", "words"),
    [
        ({"a": FUNCCOUNT}, None, "does not say how long it counted"),
        ({"a": FUNCCOUNT, "b": STAT}, 5.0, "counts tcp_v4_rcv, and so does"),
        ({"a": FUNCCOUNT, "b": FUNCCOUNT}, 5.0, "counts tcp_v4_rcv, and so does"),
    ],
)
def test_files_that_do_not_go_together(
    tmp_path: Path, texts: dict[str, str], seconds: float | None, words: str
) -> None:
    with pytest.raises(ManifestError, match=words):
        call_rates(files(tmp_path, **texts), seconds)


def test_no_file_counts_twice(tmp_path: Path) -> None:
    (path,) = files(tmp_path, function0=PROFILE)
    with pytest.raises(ManifestError, match="was given twice"):
        call_rates([path, path], 10.0)
