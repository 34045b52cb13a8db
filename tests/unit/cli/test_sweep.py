# SPDX-License-Identifier: MIT
"""The parameters of simulate --sweep as they are typed."""

import click
import pytest

from lppack.cli.sweep import POINTS_MAX, axes_of, where
from lppack.consistency import EngineName, ModeName


def test_values_lists_and_ranges() -> None:
    words = ("threads=1..3,8,2", "preempted=no,livepatch", "mode=kpatch")
    assert axes_of(words, {}, sample=False) == {
        "mode": (ModeName.KPATCH,),
        "threads": (1, 2, 3, 8),
        "preempted": (None, EngineName.LIVEPATCH),
    }
    fixed = {"seed": 4, "hook": None, "timeout": None}
    axes = axes_of(("timeout=0.5,10", "hook=own,tick"), fixed, sample=True)
    assert axes == {
        "mode": tuple(ModeName),
        "timeout": (0.5, 10.0),
        "hook": (None, "tick"),
        "seed": (4,),
    }


def test_leading_zeros_say_nothing() -> None:
    axes = axes_of((f"kthreads={'0' * 5000},{'0' * 5000}64,0..02",), {}, sample=False)
    assert axes["kthreads"] == (0, 64, 1, 2)


@pytest.mark.parametrize(
    ("words", "sample", "said"),
    [
        ("thread=1", False, "no parameter 'thread'; did you mean threads?"),
        ("size=1", False, "there are: mode, threads, kthreads, objects, preempted"),
        ("seed=1", False, "--sweep seed requires --sample"),
        ("threads=1", True, "--sweep threads excludes --sample"),
        ("threads", False, "takes NAME=VALUES, not 'threads'"),
        ("threads=", False, "takes NAME=VALUES"),
        ("threads=0", False, "whole numbers from 1 to 64, and ranges 1..4: '0'"),
        ("threads=1..1000000000000000000000000000000", False, "whole numbers from 1 to 64"),
        ("kthreads=00000000000000000000900", False, "whole numbers from 0 to 64"),
        (f"kthreads={'0' * 5000}65", False, "whole numbers from 0 to 64"),
        (f"seed={'9' * 5000}", True, "whole numbers from 0 to"),
        ("threads=1,,2", False, "whole numbers from 1 to 64, and ranges 1..4: ''"),
        ("threads=\N{ARABIC-INDIC DIGIT THREE}", False, "whole numbers"),
        ("threads=4..1", False, "takes ranges as 1..4"),
        ("mode=hybird", False, "no value 'hybird'; did you mean hybrid?"),
        ("mode=hybrid..kpatch", False, "has no ranges"),
        ("preempted=yes", False, "there are: no, livepatch, consistency"),
        ("timeout=nan", True, "takes seconds, 0.1 at least: 'nan'"),
        ("timeout=inf", True, "takes seconds"),
        ("seed=0..99999999", True, f"at most {POINTS_MAX} values"),
        ("threads=1 threads=2", False, "was given twice"),
        ("hook=exit", True, "--sweep hook excludes --hook"),
        ("threads=1..64 kthreads=0..64 objects=1..4 preempted=no,livepatch", False, "199680 point"),
    ],
)
def test_what_is_wrong_is_said(words: str, sample: bool, said: str) -> None:
    with pytest.raises(click.UsageError) as error:
        axes_of(words.split(), {"hook": "tick"} if sample else {}, sample=sample)
    assert said in error.value.message


def test_a_farm_says_itself_how_much_it_does() -> None:
    with pytest.raises(click.UsageError, match="--jobs excludes --farm"):
        where(2, "tcp://127.0.0.1:1")
    assert where(None, "tcp://127.0.0.1:1").farm
    assert where(3, None).jobs == 3
