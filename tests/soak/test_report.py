# SPDX-License-Identifier: MIT
"""The report in a real browser: it steps, by buttons and keys, and asks nobody for anything."""

import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lppack import doctor
from lppack.doctor import Finding
from tests.kit.command import EXAMPLES, lppack


class Browser:
    """Chromium without a window, spoken to through two pipes."""

    def __init__(self, folder: Path) -> None:
        down_read, down_write = os.pipe()
        up_read, up_write = os.pipe()
        # It reads from 3 and writes to 4, and takes no others.
        script = f'exec "$@" 3<&{down_read} 4>&{up_write} {down_read}<&- {up_write}>&-'
        self._process = subprocess.Popen(
            [
                *("/bin/bash", "-c", script, "bash", "chromium", "--headless", "--no-sandbox"),
                *("--disable-gpu", f"--user-data-dir={folder}", "--remote-debugging-pipe"),
                "about:blank",
            ],
            pass_fds=(down_read, up_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(down_read)
        os.close(up_write)
        self._write = os.fdopen(down_write, "wb", buffering=0)
        self._read = os.fdopen(up_read, "rb")
        self._numbers = itertools.count(1)
        self._rest = b""
        self.events: list[dict[str, Any]] = []
        pages = self.ask("Target.getTargets")["targetInfos"]
        page = next(p["targetId"] for p in pages if p["type"] == "page")
        self._session = ""
        self._session = self.ask("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._write.close()
        self._read.close()

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            more = os.read(self._read.fileno(), 1 << 16)
            assert more, "the browser is gone"
            self._rest += more
        text, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        return message

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        if getattr(self, "_session", ""):
            message["sessionId"] = self._session
        self._write.write(json.dumps(message).encode() + b"\0")
        while True:
            got = self._message()
            if got.get("id") == number:
                assert "error" not in got, got
                result: dict[str, Any] = got["result"]
                return result
            self.events.append(got)

    def open(self, page: Path) -> None:
        self.events.clear()
        self.ask("Page.navigate", url=page.as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._message())

    def value(self, expression: str) -> Any:
        done = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key)

    @property
    def complaints(self) -> list[str]:
        """What the page logged, and what it fetched but itself."""
        logged = [
            json.dumps(event["params"])
            for event in self.events
            if event.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown")
        ]
        fetched = [
            event["params"]["request"]["url"]
            for event in self.events
            if event.get("method") == "Network.requestWillBeSent"
        ]
        return logged + fetched[1:]


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    if shutil.which("chromium") is None:
        lacking = Finding(name="chromium", ok=False, packages=("chromium",), fix="install chromium")
        doctor.fix([lacking], lambda _line: None)
    made = Browser(tmp_path / "profile")
    yield made
    made.close()


@pytest.fixture
def report(tmp_path: Path) -> Path:
    file = tmp_path / "report.html"
    ran = lppack("simulate", EXAMPLES / "conn-limit", "--mode", "null-model", "--report", file)
    assert ran.rc == 9
    return file


SAID = "document.querySelector('.player output').textContent"
SHOWN = "document.querySelector('.player .steps .here th').textContent"
CURSOR = "Number(document.querySelector('.player .now').getAttribute('x'))"


def test_a_run_is_stepped_through(browser: Browser, report: Path) -> None:
    browser.open(report)
    assert browser.complaints == []
    assert browser.value(SAID) == "step 5 of 5: T1 calls the new conn_syn() (R3)", "where it ends"
    at_the_end = browser.value(CURSOR)
    browser.value("document.querySelector('[data-go=back]').click()")
    assert (browser.value(SAID)[:12], browser.value(SHOWN)) == ("step 4 of 5:", "4")
    assert browser.value(CURSOR) < at_the_end
    browser.value("document.querySelector('[data-go=back]').focus()")
    browser.press("ArrowLeft")
    assert browser.value(SHOWN) == "3"
    browser.press("Home")
    assert browser.value(SAID).startswith("step 0 of 5:")
    assert browser.value("document.querySelector('[data-go=back]').ariaDisabled") == "true"
    browser.press("ArrowRight")
    assert browser.value(SHOWN) == "1"
    browser.press("End")
    assert browser.value(SHOWN) == "5"
    assert browser.complaints == []


def test_paper_shows_every_run(browser: Browser, report: Path) -> None:
    browser.open(report)
    assert not browser.value("[...document.querySelectorAll('details')].every(d => d.open)")
    browser.value("dispatchEvent(new Event('beforeprint'))")
    assert browser.value("[...document.querySelectorAll('details')].every(d => d.open)")


def test_no_other_script_runs(browser: Browser, report: Path) -> None:
    """The policy holds also where text has got into the page as a script."""
    report.write_text(report.read_text().replace("<main>", "<main><script>hacked = 1</script>"))
    browser.open(report)
    assert browser.value("typeof hacked") == "undefined"
    assert any("Content Security Policy" in line for line in browser.complaints)
    assert browser.value(SHOWN) == "5", "ours does"
