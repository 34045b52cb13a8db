# SPDX-License-Identifier: MIT
"""Pages of explain about what lies in other rooms."""

from lppack import abi
from lppack.analyse.simulate import Verdict
from lppack.pipeline.explain import rule_pages, verdict_pages
from lppack.rules.registry import every


def test_each_rule_has_its_page() -> None:
    pages = rule_pages()
    entries = [*every()]
    assert set(pages) == {entry.id for entry in entries}
    for entry in entries:
        assert pages[entry.id].startswith(f"{entry.id} ({entry.level}; checked {entry.asked})\n\n")
        assert pages[entry.id].endswith(entry.page)


def test_each_verdict_has_its_page_and_a_line_fits_a_terminal() -> None:
    pages = verdict_pages()
    assert set(pages) == {*Verdict, "finishes"}
    assert all(len(line) <= 90 for page in pages.values() for line in page.splitlines())


def test_what_is_known_of_the_kernel_is_named() -> None:
    pages = verdict_pages()
    assert all(name in pages["never-finishes"] for name in abi.NEVER_LEFT)
    assert all(name in pages["may-stall"] for name in abi.SLEPT_IN)
