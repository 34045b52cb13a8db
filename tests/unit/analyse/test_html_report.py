# SPDX-License-Identifier: MIT
"""The HTML report: whole in itself, true to what was found, and no place for hostile text."""

import base64
import hashlib
import re
from collections import Counter
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from lppack import consistency, resources
from lppack.analyse.html_report import BEGINS, html_report
from lppack.analyse.sample import Sampled
from lppack.analyse.simulate import Simulation, compare, mode_of, recommended
from lppack.consistency import Leave, ModeName, Needs, Switch
from lppack.forecast.predict import Interval, Prediction, ThreadHolder
from lppack.model import Manifest
from lppack.stages.load import load
from lppack.stages.validate import validate
from tests.kit.command import EXAMPLES, lppack

HOSTILE = (
    "</script><script>alert(1)</script>\"'><img src=x onerror=alert(2)><!-- {{ 7 * 7 }} \u202e"
)
_FETCHES = {"src", "href", "srcset", "action", "data", "poster", "background", "xlink:href"}
_EMPTY = {"meta", "br"}


class Page(HTMLParser):
    """What a browser would make of it."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == [], "every element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes.append((tag, dict(attrs)))
        if tag not in _EMPTY:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open:
            self.text.setdefault(self._open[-1], []).append(data)

    def of_class(self, name: str) -> list[dict[str, str | None]]:
        return [a for _, a in self.attributes if name in (a.get("class") or "").split()]

    @property
    def words(self) -> str:
        return "\n".join(t for tag, said in self.text.items() if tag != "script" for t in said)


def breaks_out(page: Page) -> list[str]:
    """What runs or fetches anything that is not ours."""
    found = []
    if page.text.get("script") != [(resources.template_dir() / "report/report.js").read_text()]:
        found.append("script")
    for tag, attributes in page.attributes:
        found += [f"{tag} {name}" for name in attributes if name in _FETCHES | {"style"}]
        found += [f"{tag} {name}" for name in attributes if name.startswith("on")]
    if re.search(r"url\(|@import", "".join(page.text["style"])):
        found.append("style")
    found += [tag for tag in page.tags if tag in {"img", "iframe", "link", "object", "base"}]
    return found


def manifest(name: str = "conn-limit", **changes: Any) -> Manifest:
    return replace(validate(load(EXAMPLES / name)), **changes)


def prediction(comm: str = "web", *, never: bool = False) -> Prediction:
    end = float("inf") if never else 0.5
    time = Interval(value=end, low=0.25, high=end)
    return Prediction(
        limit=60.0,
        seed=0,
        at_once=Interval(value=0.1, low=0.05, high=0.2),
        stall=Interval(value=float(never), low=float(never), high=float(never)),
        times=(("p50", time), ("p90", time), ("p99", time)),
        curve=(time,) * 40,
        blockers=(
            ThreadHolder(
                comm=comm,
                function="conn_wait",
                kthread=False,
                threads=4,
                inside=0.3,
                share=1.0,
                never=never,
            ),
        ),
        unknown=(f"how long {comm} stays",),
    )


@cache
def explored() -> tuple[Simulation, ...]:
    return compare(manifest())


def made(patch: Manifest, mode: ModeName | None = None, sampled: Prediction | None = None) -> str:
    every = explored() if patch.name == "conn-limit" else compare(patch)
    drawn = [Sampled(of, sampled, True) for of in consistency.MODES] if sampled else []
    about = next(one for one in every if one.mode.name is mode_of(patch, mode))
    return html_report(patch, every, recommended(every), about, drawn)


@pytest.fixture(scope="module")
def safe() -> str:
    return made(manifest())


@pytest.fixture(scope="module")
def unsafe() -> str:
    return made(manifest(), ModeName.NULL_MODEL)


def test_it_needs_nothing_else(safe: str) -> None:
    assert safe.startswith(BEGINS)
    assert "http" not in safe.replace("http-equiv", "")
    assert breaks_out(Page(safe)) == []


def test_the_policy_lets_this_script_run_and_nothing_else(safe: str) -> None:
    page = Page(safe)
    policy = next(a["content"] for _, a in page.attributes if "http-equiv" in a)
    for tag in ("script", "style"):
        digest = hashlib.sha256("".join(page.text[tag]).encode()).digest()
        assert f"{tag}-src 'sha256-{base64.b64encode(digest).decode()}'" in (policy or "")
    assert (policy or "").startswith("default-src 'none'")


def test_the_verdict_and_the_modes_side_by_side(safe: str) -> None:
    page = Page(safe)
    assert "conn-limit 1: hybrid is safe" in page.text["title"]
    assert page.of_class("verdict") == [{"class": "verdict is-safe"}]
    for mode in consistency.MODES:
        assert mode.name.value in page.text["th"]
    assert page.text["small"].count("weakest that is safe") == 1
    assert sum(cell.endswith("reached") for cell in page.text["td"]) == 2
    assert page.text["td"].count("not seen*") == 2


def test_every_run_can_be_stepped_through(unsafe: str) -> None:
    page = Page(unsafe)
    players = page.of_class("player")
    assert [player["id"] for player in players] == ["null-model-1", "null-model-2", "run"]
    assert [("bad" in (p["class"] or ""), "open" in p) for p in players] == [
        *((True, True), (True, False), (False, False))
    ]
    assert page.tags["button"] == 4 * len(players)
    assert all(a.get("aria-label") for tag, a in page.attributes if tag == "button")
    assert len(page.of_class("controls")) == len(players)
    assert all("hidden" in controls for controls in page.of_class("controls")), "without script"
    steps = [run.steps for run in explored()[0].violations]
    for run in steps:
        for step in run:
            assert f"{step.does} " in page.text["td"]
    pictures = [a for tag, a in page.attributes if tag == "svg" and "data-step" in a]
    assert all(a["role"] == "img" and a["aria-label"] for a in pictures)


def test_light_dark_and_paper(safe: str) -> None:
    style = "".join(Page(safe).text["style"])
    assert "@media (prefers-color-scheme: dark)" in style
    assert "@media print" in style
    assert '<html lang="en">' in safe


def test_what_is_sampled_is_drawn() -> None:
    page = Page(made(manifest(), sampled=prediction()))
    assert page.tags["polyline"] == 6
    assert page.tags["figure"] == 6
    assert "web in conn_wait (4 threads, 30% of the time)" in page.words
    assert "500 ms (250 ms to 500 ms)" in page.words


def test_what_has_no_end_is_drawn_as_far_as_it_goes() -> None:
    page = Page(made(manifest(), sampled=prediction(never=True)))
    assert not [a for tag, a in page.attributes if tag == "polyline"]
    assert page.words.count("not within 60 s") == 6
    assert "no end" in page.words


def test_hostile_text_stays_text() -> None:
    page = Page(made(manifest(description=HOSTILE), sampled=prediction(HOSTILE)))
    assert breaks_out(page) == []
    assert HOSTILE in page.text["bdi"]
    assert f"how long {HOSTILE} stays" in page.text["bdi"]
    assert page.tags["script"] == 1


def test_text_that_breaks_out_would_be_seen(safe: str) -> None:
    broken = safe.replace("Bound the number", f"<script>alert(1)</script>{'<img src=x onerror=y>'}")
    with pytest.raises(AssertionError):  # <img> is never closed
        Page(broken)
    found = breaks_out(Page(broken.replace("onerror=y>", "onerror=y></img>")))
    assert found == ["script", "img src", "img onerror", "img"]


def test_a_patch_of_hooks_alone() -> None:
    page = Page(made(manifest("fixes/tcp-reordering")))
    assert "no function is replaced: the hooks act, and what they do is not simulated" in page.words


@pytest.mark.slow
def test_on_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    patch = EXAMPLES / "conn-limit"
    ran = lppack("simulate", patch, "--report", file, "--format", "json")
    assert (ran.rc, ran.json["verdict"]) == (0, "safe")
    assert ran.err == f"written: {file}\n"
    again = lppack("simulate", patch, "--mode", "null-model", "--report", file)
    assert again.rc == 9, "and the report is there"
    assert "null-model is unsafe" in Page(file.read_text()).text["title"][0]
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_nothing_but_a_report_is_overwritten(tmp_path: Path) -> None:
    mine = tmp_path / "manifest.yaml"
    mine.write_text("lppack: 1\n")
    patch = EXAMPLES / "proc-cmdline"
    ran = lppack("simulate", patch, "--report", mine)
    assert ran.rc == 4
    assert "is not a report of lppack simulate, so it is not overwritten" in ran.err
    assert mine.read_text() == "lppack: 1\n"
    ran = lppack("simulate", patch, "--report", "/dev/zero", limit=60.0)
    assert ran.rc == 4, "it is not read to its end"
    assert "/dev/zero is not a report" in ran.err
    below = lppack("simulate", patch, "--report", mine / "report.html")
    assert below.rc == 4
    assert "report.html: " in below.err and "is not a folder" in below.err
    nowhere = lppack("simulate", patch, "--report", tmp_path / "new" / "report.html")
    assert nowhere.rc == 4
    assert "is not a folder" in nowhere.err
    assert not (tmp_path / "new").exists()
    assert nowhere.out == "", "said before anything is explored"
    assert lppack("simulate", patch, "--report", "x", "--replay", "y").rc == 2


@pytest.mark.slow
def test_a_report_is_written_where_a_link_leads_to_and_into_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    page, link = tmp_path / "pages" / "one.html", tmp_path / "link.html"
    page.touch()
    link.symlink_to(page)
    for _ in range(2):
        assert lppack("simulate", EXAMPLES / "proc-cmdline", "--report", link).rc == 0
        assert link.is_symlink()
        assert page.read_text().startswith("<!doctype html>")
    link.unlink()
    link.symlink_to(link)
    ran = lppack("simulate", EXAMPLES / "proc-cmdline", "--report", link)
    assert ran.rc == 4
    assert "link.html cannot be written" in ran.err


def test_nothing_declared_does_not_hide_what_never_finishes() -> None:
    free = Needs(leave=Leave.LEAVE_FUNCTION, switch=Switch.SWITCH_FUNCTION)
    patch = manifest("proc-cmdline", needs=free)
    page = Page(made(patch, sampled=prediction(never=True)))
    assert page.text["title"][0].endswith("is never-finishes")
    calm = Page(made(patch))
    assert calm.text["title"][0].endswith("is safe")
    assert "That says little: nothing is declared that must hold." in calm.words
