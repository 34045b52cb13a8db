# SPDX-License-Identifier: MIT
"""HTML report: what the simulator found, in one file that loads no other."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from lppack import resources
from lppack.analyse.curve import Axis, Curve, axis, curve
from lppack.analyse.lanes import Drawing, drawn
from lppack.analyse.sample import Sampled
from lppack.analyse.simulate import Simulation, Verdict, patch_of
from lppack.analyse.words import part, seconds, share, who
from lppack.checker import observe, scenario
from lppack.checker.runs import RunStep
from lppack.checker.scene import Scene
from lppack.checker.semantics import Rules
from lppack.checker.story import story
from lppack.consistency import Mode, ModeName
from lppack.cost.price import Price
from lppack.cost.words import amount, assumptions, percent, rate
from lppack.forecast.predict import Prediction
from lppack.model import Manifest

#: The beginning of every report, by which a report is recognised.
BEGINS = "<!doctype html>\n<!-- a report of lppack simulate -->\n"

_SAYS = {
    Verdict.SAFE: "Nothing that the needs forbid can be reached, and the transition always ends.",
    Verdict.MAY_STALL: "Nothing that the needs forbid can be reached, but the transition need not "
    "end.",
    Verdict.NEVER_FINISHES: "The transition never ends.",
    Verdict.UNSAFE: "Something that the needs forbid can be reached: see how, step by step.",
}
_SAMPLED = {
    "finishes": Verdict.SAFE,
    "may-stall": Verdict.MAY_STALL,
    "never-finishes": Verdict.NEVER_FINISHES,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Player:
    """A run that the reader can step through."""

    id: str
    title: str
    says: str
    first: Scene
    steps: tuple[RunStep, ...]
    drawing: Drawing
    bad: bool  # it ends with something forbidden


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One mode in the comparison of all modes."""

    mode: Mode
    made: Simulation
    chosen: bool
    best: bool
    reached: frozenset[observe.Seen]
    prediction: Prediction | None  # None: not sampled
    curve: Curve | None

    @property
    def times(self) -> dict[str, str]:
        """The predicted times and probability of a stall, in words; {} if not sampled."""
        if self.prediction is None:
            return {}
        known = dict(self.prediction.times)
        return {
            "half": seconds(known.get("p50")),
            "most": seconds(known.get("p90")),
            "stall": share(self.prediction.stall),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTable:
    """What calls cost on one kernel, in words."""

    kernel: str
    functions: tuple[tuple[str, str], ...]  # name, calls a second
    paths: tuple[tuple[str, ...], ...]
    assumptions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The values that the template uses."""

    manifest: Manifest
    made: Simulation
    verdict: str  # the worse of the explored one and the sampled one
    says: str
    columns: tuple[Column, ...]
    forbidden: tuple[tuple[observe.Seen, str, str], ...]  # (flag, statement that forbids it, text)
    players: tuple[Player, ...]
    assumptions: tuple[str, ...]
    axis: Axis | None
    blockers: tuple[tuple[str, float, str], ...]  # who, share of the waiting, in words
    unknown: tuple[str, ...]
    prices: tuple[PriceTable, ...]
    style: str
    script: str

    @property
    def policy(self) -> str:
        """Content-Security-Policy: the browser runs only this script, and fetches nothing."""
        return f"default-src 'none'; style-src {_hash(self.style)}; script-src {_hash(self.script)}"


def html_report(
    manifest: Manifest,
    every: Sequence[Simulation],
    best: ModeName | None,
    made: Simulation,
    sampled: Sequence[Sampled] = (),
    prices: Sequence[Price] = (),
) -> str:
    """Return a report about ``made``, compared with ``every`` mode.

    ``best``: the recommended mode; None: there is none. ``sampled``: the predictions of all modes,
    or empty. ``prices``: the cost of the patch's calls, one for each kernel.
    """
    name = made.mode.name
    predictions = {of.mode.name: of.prediction for of in sampled}
    on = axis(list(predictions.values())) if predictions else None
    about = predictions.get(name)
    verdict, says = _headline(made, about)
    report = Report(
        manifest=manifest,
        made=made,
        verdict=verdict,
        says=says,
        columns=tuple(
            _column(each, name, best, predictions.get(each.mode.name), on) for each in every
        ),
        forbidden=tuple((flag, *observe.WORDS[flag]) for flag in made.forbidden),
        players=_players(manifest, made, every),
        assumptions=tuple(dict.fromkeys(line for each in every for line in each.assumptions)),
        axis=on,
        blockers=tuple((who(h), h.share, part(h)) for h in about.blockers) if about else (),
        unknown=about.unknown if about else (),
        prices=tuple(map(_prices, prices)),
        style=_file("report.css"),
        script=_file("report.js"),
    )
    return BEGINS + resources.render("report/report.html.j2", report=report)


def _prices(price: Price) -> PriceTable:
    return PriceTable(
        kernel=price.release,
        functions=tuple(
            (
                one.name,
                f"not counted: {one.why_not}" if one.per_second is None else rate(one.per_second),
            )
            for one in price.functions
        ),
        paths=tuple(
            (
                path.path,
                f"{path.instructions:.0f}",
                f"{path.added:.0f}",
                amount(path.added_per_second),
                percent(path.before),
                percent(path.after),
            )
            for path in price.paths
        ),
        assumptions=tuple(assumptions(price)),
    )


def _headline(made: Simulation, prediction: Prediction | None) -> tuple[str, str]:
    """Return (verdict, sentence): the worse of the explored verdict and the sampled one."""
    sampled = Verdict.SAFE if prediction is None else _SAMPLED[prediction.verdict]
    order = list(Verdict)
    if prediction is None or order.index(made.verdict) <= order.index(sampled):
        little = made.verdict is Verdict.SAFE and made.empty
        return made.verdict, f"That says little: {made.empty}." if little else _SAYS[made.verdict]
    will = "may take" if sampled is Verdict.MAY_STALL else "takes"
    return sampled, (
        "Nothing that the needs forbid can be reached. On the machine that was sampled the "
        f"transition {will} longer than {prediction.limit:g} s."
    )


def _column(
    made: Simulation,
    chosen: ModeName,
    best: ModeName | None,
    prediction: Prediction | None,
    on: Axis | None,
) -> Column:
    return Column(
        mode=made.mode,
        made=made,
        chosen=made.mode.name is chosen,
        best=made.mode.name is best,
        reached=frozenset(made.reached),
        prediction=prediction,
        curve=curve(prediction, on) if prediction and on and prediction.curve else None,
    )


def _players(
    manifest: Manifest, made: Simulation, every: Sequence[Simulation]
) -> tuple[Player, ...]:
    """Return runs: to the faults of this mode, its usual course, to the faults of other modes."""
    first, steps = story(scenario.showing(patch_of(manifest), made.mode, Rules()))
    goes = _player(
        "run",
        f"A transition in mode {made.mode.name}, there and back",
        "One run of many: three threads"
        + (
            ", two of them inside the patched functions when the patch is applied."
            if patch_of(manifest).functions
            else "; no function is replaced, so that they only switch."
        ),
        first,
        steps,
        bad=False,
    )
    others = [each for each in every if each is not made]
    return (*_wrong(made), goes, *(player for each in others for player in _wrong(each)))


def _wrong(made: Simulation) -> tuple[Player, ...]:
    return tuple(
        _player(
            f"{made.mode.name}-{number}",
            f"Mode {made.mode.name}: {run.says}",
            f"A shortest run that reaches what {run.invariant} forbids.",
            run.first,
            run.steps,
            bad=True,
        )
        for number, run in enumerate(made.violations, start=1)
    )


def _player(
    id_: str, title: str, says: str, first: Scene, steps: tuple[RunStep, ...], *, bad: bool
) -> Player:
    return Player(
        id=id_,
        title=title,
        says=says,
        first=first,
        steps=steps,
        drawing=drawn(first, steps),
        bad=bad,
    )


def _file(name: str) -> str:
    return (resources.template_dir() / "report" / name).read_text()


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
