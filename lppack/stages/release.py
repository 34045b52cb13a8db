# SPDX-License-Identifier: MIT
"""release: a bundle that goes out was held against everything that can be checked, or says not."""

from lppack.errors import AnswerIsNo
from lppack.model import InliningCheck, Plan


class NotReleased(AnswerIsNo):
    """A check that a release needs was not made. Nothing was built."""

    kind = "not-released"


def release(plan: Plan, *, inlining_unchecked: bool) -> tuple[tuple[str, str], ...]:
    """What provenance.json says of the checks. Raises NotReleased.

    ``inlining_unchecked``: the author's word that the missing check is known and accepted.
    """
    if plan.inlining is InliningCheck.CHECKED:
        return (("release", "every check was made"),)
    why = next(item.why for item in plan.decisions if item.what == "inlining")
    if not inlining_unchecked:
        hint = "say that you know it: --inlining-unchecked"
        if not plan.modules:
            hint = f"add --deep; or {hint}"
        raise NotReleased(f"{plan.name}: inlining was not checked: {why}", hint=hint)
    return (("release", "inlining was not checked, as --inlining-unchecked allows"),)
