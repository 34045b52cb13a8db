# SPDX-License-Identifier: MIT
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lppack.document import Pointer
from lppack.rules import history
from lppack.rules.registry import VERSION, VersionRule
from lppack.rules.runner import Fault
from tests.kit.samples import document, full, patch_folder
from tests.unit.rules.cases import functions, shadow


@dataclass(frozen=True)
class HistoryCase:
    """FULL with changes after FULL with other changes; headers stand in ext.h."""

    rule: VersionRule
    title: str
    changes: dict[str, Any]
    before: dict[str, Any] = field(default_factory=dict)
    faults: list[Pointer] = field(default_factory=list)  # none: the rule is content
    header: str | None = None  # None: as before

    @property
    def fails(self) -> bool:
        return bool(self.faults)

    def found(self, folder: Path) -> list[Fault]:
        now, then = patch_folder(folder / "now"), patch_folder(folder / "then")
        if self.header is not None:
            (now / "ext.h").write_text(self.header)
        before = document(full(**{"version": 1, **self.before}), then)
        return list(self.rule(document(full(**self.changes), now), before))


OTHER = "struct conn_ext {\n\tunsigned int limit; /* of a connection */\n};\n"
STATE = {"id": 7, "version": 1}
SAME = "/* moved */ struct conn_ext { unsigned\n long limit; };\n"

CASES = (
    *(
        HistoryCase(rule, "the next version", {"replaces": ["conn-limit"]})
        for rule in (entry.rule for entry in VERSION.entries())
    ),
    HistoryCase(history.version_takes_the_place, "it does not", {}, {}, [()]),
    HistoryCase(
        history.version_takes_the_place, "of another", {"replaces": ["x"]}, {}, [("replaces",)]
    ),
    HistoryCase(history.version_takes_the_place, "of another series", {}, {"name": "conn"}),
    HistoryCase(
        history.version_takes_the_place,
        "by an engine that cannot",
        {"needs": ["LEAVE_PATCHED_SET", "SWITCH_KERNEL", "TRANSFORM_ON_ACCESS"]},
    ),
    HistoryCase(history.series_is_the_same, "another", {}, {"name": "conn"}, [("name",)]),
    HistoryCase(
        history.series_is_the_same,
        "another, with states of its own",
        {"replaces": ["conn"], "states": [STATE]},
        {"name": "conn", "transforms": None, "shadow_variables": None, "states": [STATE]},
    ),
    HistoryCase(history.version_grows, "the same", {}, {"version": 2}, [("version",)]),
    HistoryCase(history.version_grows, "less", {"version": 1}, {"version": 3}, [("version",)]),
    HistoryCase(
        history.states_are_handed_on,
        "all, and more",
        {"states": [{"id": 7, "version": 2}, {"id": 8, "version": 1}], "replaces": ["conn-limit"]},
        {"states": [{"id": 7, "version": 1}]},
    ),
    HistoryCase(
        history.states_are_handed_on,
        "one is missing",
        {"replaces": ["conn-limit"]},
        {"states": [{"id": 7, "version": 1}]},
        [("states",)],
    ),
    HistoryCase(
        history.states_are_handed_on,
        "a lower version",
        {"states": [{"id": 7, "version": 1}]},
        {"states": [{"id": 7, "version": 2}]},
        [("states",)],
    ),
    HistoryCase(
        history.layout_has_its_own_version,
        "another type",
        shadow(type="struct ext"),
        faults=[("shadow_variables", 0, "type")],
    ),
    HistoryCase(
        history.layout_has_its_own_version,
        "other members",
        {},
        faults=[("shadow_variables", 0, "version")],
        header=OTHER,
    ),
    HistoryCase(
        history.layout_has_its_own_version,
        "other members, and another version",
        shadow(version=3),
        header=OTHER,
    ),
    HistoryCase(history.layout_has_its_own_version, "other spaces", {}, header=SAME),
    HistoryCase(
        history.layout_has_its_own_version,
        "the same under another name",
        shadow(type="struct conn_ext_2"),
        header=SAME.replace("conn_ext", "conn_ext_2"),
    ),
    HistoryCase(
        history.shadow_variable_is_still_listed,
        "a new layout instead of it",
        {**shadow(version=3), "replaces": ["conn-limit"]},
        faults=[("shadow_variables",)],
    ),
    HistoryCase(
        history.shadow_variable_is_still_listed,
        "a new layout beside it",
        {
            "shadow_variables": [
                *full()["shadow_variables"],
                *shadow(version=3)["shadow_variables"],
            ],
            "replaces": ["conn-limit"],
        },
    ),
    HistoryCase(
        history.shadow_variable_is_still_listed, "side by side", {"shadow_variables": None}
    ),
    HistoryCase(history.transform_is_still_there, "it is gone", {"transforms": None}, faults=[()]),
    HistoryCase(history.fix_is_not_lost, "it is", {"fixes": None}, faults=[()]),
    HistoryCase(
        history.function_is_still_patched,
        "one is not",
        functions({"old": "conn_open", "new": "lp_conn_open"}),
        faults=[("objects",)],
    ),
)
