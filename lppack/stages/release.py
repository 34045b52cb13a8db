# SPDX-License-Identifier: MIT
"""Refuse to release a bundle that is not proved complete, unless the author accepts this
explicitly."""

from collections.abc import Collection

from lppack.errors import AnswerIsNo
from lppack.model import Completeness, InliningCheck, Plan


class NotReleased(AnswerIsNo):
    """A check that a release requires was not run, or failed. Nothing was built."""

    kind = "not-released"


def release(
    plan: Plan, *, unproved: bool, inlining_unchecked: bool, accepted: Collection[str]
) -> tuple[tuple[str, str], ...]:
    """Return the results of the checks, for provenance.json.

    ``unproved`` and ``inlining_unchecked``: the author accepts that the check is missing.
    ``accepted``: rules whose warnings the author accepts. A proof that failed is always refused.
    Raise NotReleased.
    """
    named = sorted({warning.rule for warning in plan.warnings})
    if left := [rule for rule in named if rule not in accepted]:
        warned = "\n".join(str(w) for w in plan.warnings if w.rule in left)
        raise NotReleased(
            f"{plan.name}: the rules warn of it\n{warned}",
            hint="correct it; or accept it: " + " ".join(f"--accept {rule}" for rule in left),
        )
    accepts = (("warnings", f"accepted: {', '.join(named)}"),) if named else ()
    return (*_proof(plan, unproved, inlining_unchecked), *accepts)


def _proof(plan: Plan, unproved: bool, inlining_unchecked: bool) -> tuple[tuple[str, str], ...]:
    if plan.complete is Completeness.PROVED:
        return (("release", "proved: by the sources' object code and the patch's text"),)
    why = "; ".join(plan.doubts) or "it was not compared with a change of the kernel's sources"
    if plan.complete is Completeness.INCOMPLETE:
        raise NotReleased(
            f"{plan.name} is incomplete: {why}",
            hint="carry what is left out, or take it out of the change that the patch follows",
        )
    if not unproved:
        raise NotReleased(
            f"{plan.name} is not proved to be complete: {why}",
            hint="name the change in the manifest (follows: change.diff); or accept that: "
            "--unproved",
        )
    if plan.inlining is InliningCheck.CHECKED:
        return (("release", "not proved, as --unproved allows; inlining was checked"),)
    why = next(item.why for item in plan.decisions if item.what == "inlining")
    if not inlining_unchecked:
        hint = "accept that: --inlining-unchecked"
        if not plan.modules:
            hint = f"add --deep; or {hint}"
        raise NotReleased(f"{plan.name}: inlining was not checked: {why}", hint=hint)
    return (
        (
            "release",
            "not proved, and inlining was not checked, as --unproved and --inlining-unchecked "
            "allow",
        ),
    )
