# SPDX-License-Identifier: MIT
"""What may follow what: ``validate --from`` says it, and the kernel does the same.

What the kernel does is klp_is_patch_compatible(), kernel/livepatch/state.c: a patch that replaces
others knows all their states, and none in an earlier version. lppack makes the states: of the
series, each transform, and each shadow variable in its layout."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from lppack import pipeline
from lppack.abi import PatchPhase
from lppack.errors import ApplyRefused, Level
from lppack.hosts.guest import GuestHost
from lppack.model import Kernel
from lppack.stages.apply import Control, apply, settle, undo
from tests.guest.story import Patch, make

pytestmark = pytest.mark.guest

FOLDER = Path(__file__).parent / "patches/pairs"
_MANIFEST = yaml.safe_load((FOLDER / "manifest.yaml").read_text())
_A = _MANIFEST["transforms"][0]
_B = {
    **{key: value.replace("_a_", "_b_") for key, value in _A.items() if isinstance(value, str)},
    "name": "b",
    "lock": {"take": "lp_b_lock", "release": "lp_b_unlock"},
}
_EXT = _MANIFEST["shadow_variables"][0]
_NO_DATA: dict[str, Any] = {
    "needs": ["LEAVE_PATCHED_SET", "SWITCH_THREAD"],
    "sources": ["pairs_none.c"],
    "transforms": None,
    "shadow_variables": None,
    "states": None,
}
_STATE = {**_NO_DATA, "states": _MANIFEST["states"]}
_OTHER = "struct pair_ext {\n\tunsigned long"


@dataclass(frozen=True)
class Pair:
    """The patch after version 1 of it, each with these keys of the manifest changed."""

    title: str
    fits: bool
    new: dict[str, Any]
    old: dict[str, Any] = field(default_factory=dict)
    header: tuple[str, str] | None = None  # what is written instead of what in the new header
    handed_over: bool = False  # an id file gives the new name the ids of the old


PAIRS = (
    Pair("the next version", True, {}),
    Pair("one that leaves a version out", True, {"version": 3}),
    Pair("an earlier version", False, {"version": 1}, {"version": 2}),
    Pair("a state in a later version", True, {"states": [{"id": 4712, "version": 3}]}),
    Pair("a state in an earlier version", False, {"states": [{"id": 4712, "version": 1}]}),
    Pair("a state that is gone", False, {"states": None}),
    Pair("one more state", True, {"states": [{"id": 4712, "version": 2}, {"id": 9, "version": 1}]}),
    Pair(
        "one more transform", True, {"transforms": [_A, _B], "sources": ["pairs_a.c", "pairs_b.c"]}
    ),
    Pair("all data gone", False, _NO_DATA),
    Pair("a shadow variable that is gone", False, {"shadow_variables": None}),
    Pair("a new layout instead of the old", False, {"shadow_variables": [{**_EXT, "version": 2}]}),
    Pair("a new layout beside the old", True, {"shadow_variables": [_EXT, {**_EXT, "version": 2}]}),
    Pair("another layout under the old version", False, {}, header=(_OTHER, f"{_OTHER} more,")),
    Pair("another name for the same layout", True, {}, header=("seen;", "seen; /* how often */")),
    Pair("another series that names it", False, {"name": "pairs-b"}),
    Pair("another series that has its ids", True, {"name": "pairs-b"}, handed_over=True),
    Pair("another series, where there is no data", True, {**_NO_DATA, "name": "pairs-b"}, _NO_DATA),
    Pair("another series that has its state", True, {**_STATE, "name": "pairs-b"}, _STATE),
    Pair("another series that lacks its state", False, {**_NO_DATA, "name": "pairs-b"}, _STATE),
    Pair(
        "another series that does not name it",
        False,
        {**_NO_DATA, "name": "pairs-b", "replaces": ["pairs-b"]},
        _NO_DATA,
    ),
)


def _folder(place: Path, changes: dict[str, Any], header: tuple[str, str] | None = None) -> Path:
    folder = Path(shutil.copytree(FOLDER, place))
    data = {key: value for key, value in (_MANIFEST | changes).items() if value is not None}
    (folder / "manifest.yaml").write_text(yaml.safe_dump(data))
    if header:
        text = (folder / "pairs.h").read_text()
        assert header[0] in text
        (folder / "pairs.h").write_text(text.replace(*header))
    return folder


@pytest.fixture(scope="module")
def built(kernel: Kernel, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Patch]:
    def build(folder: Path) -> Patch:
        return make(folder, kernel, tmp_path_factory.mktemp("built"))

    return build


@pytest.fixture
def nothing_is_left(control: Control, guest: GuestHost) -> Iterator[None]:
    yield
    for state in control.engine.patches():
        undo(control, state.module)


@pytest.mark.usefixtures("nothing_is_left")
@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.title)
def test_the_kernel_does_what_validate_says(
    pair: Pair, control: Control, built: Callable[[Path], Patch], tmp_path: Path
) -> None:
    old = _folder(tmp_path / "old", pair.old)
    new = _folder(tmp_path / "new", {"version": 2, **pair.new}, pair.header)
    if pair.handed_over:
        _, names = pipeline.ids_of(old)
        rows = [f"  {name.replace('pairs', 'pairs-b', 1)}: {id_}" for name, id_ in names.items()]
        (new / "lppack-ids.yaml").write_text("\n".join(["lppack-ids: 1", "ids:", *rows, ""]))
    problems = pipeline.check_patch(new, (), old=old).problems
    errors = [problem for problem in problems if problem.level is Level.ERROR]
    assert pair.fits == (not errors), errors

    before, after = built(old), built(new)
    apply(control, before.bundle, before.ko)
    if pair.fits:
        control.engine.load(after.module, after.ko)
        state, _ = settle(control, after.module, PatchPhase.PATCHED, 30.0)
        assert state.phase is PatchPhase.PATCHED
        assert control.host.read("/proc/cmdline").strip() == after.module
    else:
        with pytest.raises(ApplyRefused) as caught:
            control.engine.load(after.module, after.ko)
        assert "is not compatible with the already installed livepatches" in str(caught.value.hint)
        assert control.host.read("/proc/cmdline").strip() == before.module
