# SPDX-License-Identifier: MIT
"""Prices: instructions a call, calls a second, shares of a CPU; and what is not known."""

from dataclasses import replace
from pathlib import Path

import pytest

from lppack import pipeline
from lppack.consistency import MODES, EngineName, engines_of
from lppack.cost.calls import CallRates
from lppack.cost.measured import MEASURED, SEVERAL, UNPATCHED, measured_for
from lppack.cost.price import Price, price_of
from lppack.cost.words import assumptions, percent, rate
from lppack.errors import EnvironmentMissing
from tests.kit.bundles import made as bundle_made
from tests.kit.command import EXAMPLES, ROOT, check_shape, lppack

RELEASE = MEASURED[0].release
FUNCTIONS = (("vmlinux", "tcp_v4_rcv"), ("vmlinux", "udp_rcv"), ("ipv6", "tcp_v6_rcv"))
RATES = CallRates(
    per_second={"tcp_v4_rcv": 1e6, "udp_rcv": 0.0, "not_of_the_patch": 5e6},
    files=(),
    cycles_per_instruction=0.5,
    ghz=2.0,
)


def priced(rates: CallRates | None = RATES, release: str = RELEASE, **options: float) -> Price:
    return price_of(FUNCTIONS, release, rates, **options)  # type: ignore[arg-type]


def test_a_share_is_calls_times_instructions_times_their_cost() -> None:
    price = priced()
    for path in price.paths:
        # 1 M calls a second; an instruction takes half a cycle of 2 G a second.
        assert path.after == pytest.approx(path.instructions * 1e6 * 0.5 / 2e9)
        assert path.added_per_second == pytest.approx(path.added * 1e6)
        assert path.added_share == pytest.approx(path.added * 1e6 * 0.5 / 2e9)
        assert path.before == price.paths[0].after
    assert price.paths[0].path == UNPATCHED
    assert price.paths[0].added_share == 0


def test_a_function_that_is_alone_in_its_object_takes_the_shorter_path() -> None:
    rates = replace(RATES, per_second={"f": 1e6, "g": 1e6, "h": 1e6})
    medians = {path: median for path, median, _, _ in MEASURED[0].paths}
    alone, several = medians["consistency kpatch"], medians[f"consistency kpatch{SEVERAL}"]
    assert several > alone

    def price(*functions: tuple[str, str]) -> tuple[float, float]:
        paths = {path.path: path for path in price_of(functions, RELEASE, rates).paths}
        assert not [path for path in paths if SEVERAL in path]
        found = paths["consistency kpatch"]
        assert found.added_per_second is not None
        return found.instructions, found.added_per_second

    plain = MEASURED[0].unpatched
    assert price(("a", "f"), ("b", "g")) == pytest.approx((alone, 2e6 * (alone - plain)))
    assert price(("a", "f"), ("a", "g")) == pytest.approx((several, 2e6 * (several - plain)))
    mixed = 2e6 * (several - plain) + 1e6 * (alone - plain)
    assert price(("a", "f"), ("a", "g"), ("b", "h")) == pytest.approx((several, mixed))


def test_what_is_given_goes_before_what_a_file_says() -> None:
    price = priced(cycles_per_instruction=1.0, ghz=1.0)
    assert price.paths[0].after == pytest.approx(price.paths[0].instructions * 1e-3)


def test_what_no_file_names_is_not_counted_and_not_zero() -> None:
    tcp, udp, ipv6 = priced().functions
    assert (tcp.per_second, udp.per_second) == (1e6, 0.0)
    assert (ipv6.per_second, ipv6.why_not) == (None, "no file names it")
    assert "left out of the sums, because not counted: tcp_v6_rcv" in list(assumptions(priced()))


def test_without_files_there_is_no_share() -> None:
    price = priced(None)
    assert all(one.per_second is None for one in price.functions)
    assert {path.added_per_second for path in price.paths} == {None}
    assert {path.after for path in price.paths} == {None}
    assert any("--calls" in line for line in assumptions(price))


def test_without_the_cost_of_an_instruction_there_is_no_share() -> None:
    price = priced(replace(RATES, ghz=None))
    assert price.paths[1].added_per_second == pytest.approx(price.paths[1].added * 1e6)
    assert price.paths[1].after is None
    assert any("--cpi and --ghz" in line for line in assumptions(price))


def test_one_name_in_two_objects_is_not_told_apart() -> None:
    price = price_of((("a", "f"), ("b", "f")), RELEASE, replace(RATES, per_second={"f": 3.0}))
    assert [one.per_second for one in price.functions] == [None, None]
    assert "two objects" in (price.functions[0].why_not or "")


def test_a_kernel_of_the_same_series_is_priced_and_says_so() -> None:
    release = "6.1.0-1-amd64"
    price = priced(release=release)
    assert not price.exact
    assert any(f"not on {release}" in line for line in assumptions(price))
    assert priced().exact


@pytest.mark.parametrize("release", ["6.6.1", "6.10.0", "6.100", "6", "x"])
def test_a_series_that_was_not_measured_is_refused(release: str) -> None:
    with pytest.raises(EnvironmentMissing, match="no call was measured on a kernel like") as caught:
        measured_for(release)
    assert RELEASE in (caught.value.hint or "")


def test_the_table_has_each_engine_and_mode_in_order() -> None:
    paths = {f"{engine} {mode.name}" for mode in MODES for engine in engines_of(mode)}
    for one in MEASURED:
        names = [path for path, *_ in one.paths]
        assert names[0] == UNPATCHED
        assert len(set(names)) == len(names)
        assert {name.removesuffix(SEVERAL) for name in names[1:]} <= paths
        assert f"{EngineName.LIVEPATCH} hybrid" in names
        assert all(least <= median <= most for _, median, least, most in one.paths)
        assert all(added > 0 for added in one.added.values())
    known = [(one.series, one.release) for one in MEASURED]
    assert len(dict(known)) == len(known), "one row for each series"


def test_the_page_shows_the_table() -> None:
    page = (ROOT / "docs/cost.md").read_text()
    for one in MEASURED:
        for path, median, least, most in one.paths:
            kernel, spread = f"{one.release} {one.version}", f"{least:.1f} to {most:.1f}"
            row = f"| {kernel} | {path} | {median:.1f} | {spread} |"
            assert row in page, row


def test_words() -> None:
    assert [rate(value) for value in (0, 0.25, 12.4, 1234567)] == ["0", "0.25", "12", "1,234,567"]
    assert [percent(value) for value in (None, 0, 0.0123, 2.5)] == [
        "not known",
        "0%",
        "1.23%",
        "250%",
    ]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return bundle_made(tmp_path, tmp_path)


def test_the_command(tmp_path: Path, bundle: Path) -> None:
    (tmp_path / "calls").write_text("FUNC   COUNT\ncmdline_proc_show  5000\n")
    words = ("cost", bundle, "--calls", tmp_path / "calls", "--seconds", "5")
    ran = lppack(*words, "--cpi", "1", "--ghz", "1", "--format", "json")
    assert ran.rc == 0, ran.err
    check_shape("cost", ran.json)
    assert ran.json["functions"][0]["per_second"] == 1000.0
    assert ran.json["own"] == "livepatch hybrid"
    text = lppack(*words)
    assert text.rc == 0, text.err
    assert "livepatch hybrid *" in text.out
    assert "share of a CPU: not known" in text.out
    assert check_nothing(lppack("cost", bundle, "--format", "json").json)


def check_nothing(value: dict[str, object]) -> bool:
    check_shape("cost", value)
    return value["functions"] == [
        {
            "object": "vmlinux",
            "name": "cmdline_proc_show",
            "per_second": None,
            "not_counted": "no file was given",
        }
    ]


def test_what_the_command_refuses(tmp_path: Path, bundle: Path) -> None:
    (tmp_path / "calls").write_text("FUNC   COUNT\ncmdline_proc_show  many\n")
    for words, code, said in (
        (
            ("--calls", tmp_path / "calls", "--seconds", "5"),
            3,
            "calls:2:1: error[calls]: is not a row",
        ),
        (("--calls", tmp_path / "absent"), 3, "absent:1:1: error[calls]: cannot be read"),
        (("--seconds", "5"), 2, "--seconds requires --calls"),
        (("--kernel", "6.6.1-1"), 4, "no call was measured on a kernel like 6.6.1-1"),
        (("--kernel", "running"), 4, "'running' is not a kernel release"),
        (("--cpi", "0"), 2, "--cpi"),
        (("--ghz", "nan"), 2, "'nan' is not a finite number"),
        (("--cpi", "inf"), 2, "--cpi"),
    ):
        ran = lppack("cost", bundle, *words)
        assert (ran.rc, said in ran.err) == (code, True), ran.err
    assert lppack("cost", tmp_path / "calls").rc == 9, "it is no bundle"


@pytest.mark.slow
def test_the_report_of_simulate_has_prices(tmp_path: Path) -> None:
    (tmp_path / "calls").write_text("FUNC   COUNT\ncmdline_proc_show  5000\n")
    report = tmp_path / "report.html"
    host = ("--calls", tmp_path / "calls", "--seconds", "5", "--cpi", "1", "--ghz", "1")
    ran = lppack("simulate", EXAMPLES / "proc-cmdline", "--report", report, *host)
    assert ran.rc == 0, ran.err
    page = report.read_text()
    assert f"What calls cost on {RELEASE}" in page
    assert "<td>1,000</td>" in page
    without = lppack("simulate", EXAMPLES / "proc-cmdline", *host)
    assert (without.rc, "lppack cost" in without.err) == (2, True)
    bad = lppack("simulate", EXAMPLES / "proc-cmdline", "--report", report, "--calls", "absent")
    assert bad.rc == 3


def test_a_patch_is_priced_on_each_kernel_that_it_names() -> None:
    manifest = pipeline.compare_modes(EXAMPLES / "proc-cmdline").manifest
    prices = pipeline.price_manifest(manifest, pipeline.HostCalls())
    assert [price.release for price in prices][0] == RELEASE
    exact = replace(manifest, kernels=("6.1.0-1-amd64", "6.6.*"))
    assert [p.release for p in pipeline.price_manifest(exact, pipeline.HostCalls())] == [
        "6.1.0-1-amd64"
    ]
