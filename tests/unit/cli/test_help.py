# SPDX-License-Identifier: MIT
"""explain: one page for a rule, a flag, a mode, an exit code."""

from lppack.analyse.simulate import Verdict
from lppack.pipeline.explain import verdict_pages
from lppack.rules.registry import every
from tests.kit.command import lppack


def test_every_verdict_has_a_page() -> None:
    assert set(verdict_pages()) == {*Verdict, "finishes"}
    page = lppack("explain", "may-stall").out
    assert "do_epoll_wait" in page
    assert "kswapd" in lppack("explain", "never-finishes").out


def test_a_command_is_explained_by_its_help() -> None:
    ran = lppack("explain", "simulate")
    assert ran.rc == 4
    assert "hint: lppack simulate --help" in ran.err


def test_every_rule_can_be_explained() -> None:
    from lppack.cli.help import _pages

    pages = _pages()
    assert all(entry.page in pages[entry.id] for entry in every())
    ran = lppack("explain", "version-grows")
    assert ran.out.startswith("version-grows (error; checked by validate, with --from OLD)\n\n")
