# SPDX-License-Identifier: MIT
"""A bundle that is not proved complete is released only on the author's word."""

from dataclasses import replace
from pathlib import Path

import pytest

from lppack.errors import AnswerIsNo
from lppack.model import Completeness
from lppack.stages.release import release
from tests.kit.fake_facts import DEEP
from tests.kit.planned import one, planned


def test_a_release_wants_the_proof(tmp_path: Path) -> None:
    made = planned(tmp_path, one("cmdline_proc_show"), facts=DEEP)
    proved = replace(made, complete=Completeness.PROVED)
    said = release(proved, unproved=False, inlining_unchecked=False, accepted=())
    assert said == (("release", "proved: by the sources' object code and the patch's text"),)
    with pytest.raises(AnswerIsNo, match="is not proved to be complete") as caught:
        release(made, unproved=False, inlining_unchecked=True, accepted=())
    assert "--unproved" in str(caught.value.hint)
    incomplete = replace(made, complete=Completeness.INCOMPLETE, doubts=("x differs",))
    with pytest.raises(AnswerIsNo, match="is incomplete: x differs"):
        release(incomplete, unproved=True, inlining_unchecked=True, accepted=())


def test_a_release_without_the_proof_wants_inlining_checked(tmp_path: Path) -> None:
    text = one("cmdline_proc_show")
    checked, unchecked = planned(tmp_path, text, facts=DEEP), planned(tmp_path, text)
    [(_, allowed)] = release(checked, unproved=True, inlining_unchecked=False, accepted=())
    assert allowed == "not proved, as --unproved allows; inlining was checked"
    with pytest.raises(AnswerIsNo, match="inlining was not checked") as caught:
        release(unchecked, unproved=True, inlining_unchecked=False, accepted=())
    assert caught.value.hint == "add --deep; or accept that: --inlining-unchecked"
    [(key, said)] = release(unchecked, unproved=True, inlining_unchecked=True, accepted=())
    assert key == "release"
    assert "inlining was not checked" in said
    of_module = planned(tmp_path, one("lo_open", object_="loop"), facts=DEEP)
    with pytest.raises(AnswerIsNo) as caught:
        release(of_module, unproved=True, inlining_unchecked=False, accepted=())
    assert "--deep" not in str(caught.value.hint), "it would not help"
