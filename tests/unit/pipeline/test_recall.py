# SPDX-License-Identifier: MIT
"""What was built before is found again by all that its bytes depend on, and by nothing less."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lppack.debian import tree
from lppack.errors import Level, Problem
from lppack.model import Completeness
from lppack.pipeline import recall as recalling
from lppack.pipeline.pairs import Options, Pair, PairState
from lppack.pipeline.recall import code_digest, kernel_of, recall, remember
from tests.kit.bundles import made as bundle_made
from tests.kit.command import EXAMPLES
from tests.kit.fake_source import make_tree
from tests.kit.samples import manifest, plan

WARNING = Problem(
    file="m.yaml", line=1, column=2, level=Level.WARNING, rule="r", message="odd", hint=None
)


class Built:
    """A patch that was built once for a kernel on disk, and is remembered."""

    def __init__(self, folder: Path) -> None:
        kernel = make_tree(folder / "tree")
        patch = Path(shutil.copytree(EXAMPLES / "proc-cmdline", folder / "patch"))
        self.pair = Pair(patch=patch, kernel=str(kernel))
        self.options = Options(output=folder / "out", builder="host")
        self.bundle = bundle_made(folder / "in", folder)
        self.kernel = tree.from_tree(kernel)
        self.options.output.mkdir()
        of = plan(
            manifest(patch), kernel=self.kernel, complete=Completeness.PROVED, warnings=(WARNING,)
        )
        remember(self.pair, self.options, of, self.bundle)


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Built:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    kernel = tree.from_tree(make_tree(tmp_path / "tree"))
    # The compiler is asked for once in a process; here it has been.
    monkeypatch.setattr(recalling, "_identities", {("host", kernel.suite): "a compiler"})
    return Built(tmp_path)


def test_it_is_found_again_whole(built: Built) -> None:
    found = recall(built.pair, built.options)
    assert found is not None
    assert (found.state, found.kernel) == (PairState.CACHED, built.kernel.release)
    assert found.bundle is not None
    assert found.bundle.path.parent == built.options.output
    assert found.bundle.path.read_bytes() == built.bundle.read_bytes()
    assert (found.complete, found.warnings) == ("proved", (WARNING,))


def changed_source(built: Built) -> None:
    file = built.pair.patch / "cmdline.c"
    file.write_text(file.read_text() + "\n")


def another_file(built: Built) -> None:
    (built.pair.patch / "more.h").write_text("")


def renamed_file(built: Built) -> None:
    (built.pair.patch / "README.md").rename(built.pair.patch / "README.txt")


def another_image(built: Built) -> None:
    built.kernel.image.write_bytes(built.kernel.image.read_bytes() + b"x")
    recalling._image.cache_clear()


def no_note(built: Built) -> None:
    for note in (built.options.output.parent / "cache").rglob("note.json"):
        note.write_text("{")


@pytest.mark.parametrize(
    "change", [changed_source, another_file, renamed_file, another_image, no_note]
)
def test_of_what_has_changed_nothing_is_recalled(
    built: Built, change: Callable[[Built], None]
) -> None:
    change(built)
    assert recall(built.pair, built.options) is None
    assert not any(built.options.output.iterdir())


def test_other_options_build_something_else(built: Built) -> None:
    for options in (
        replace(built.options, mode="kpatch"),
        replace(built.options, engine="consistency"),
    ):
        assert recall(built.pair, options) is None


@pytest.mark.parametrize("key", ["deep", "prove", "release", "check"])
def test_what_has_to_be_looked_at_again_is(built: Built, key: str) -> None:
    assert recall(built.pair, replace(built.options, **{key: True})) is None  # type: ignore[arg-type]


def test_what_is_signed_is_built_anew(built: Built) -> None:
    assert recall(built.pair, replace(built.options, sign_key=Path("key"))) is None


def test_another_compiler_builds_something_else(
    built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recalling, "_identities", {("host", built.kernel.suite): "another"})
    assert recall(built.pair, built.options) is None


def test_what_is_no_patch_is_not_recalled(built: Built) -> None:
    (built.pair.patch / "manifest.yaml").unlink()
    assert recall(built.pair, built.options) is None


def test_the_kernel_is_that_of_the_pair(built: Built) -> None:
    assert kernel_of(built.pair) == built.kernel


def test_the_code_of_lppack_is_one(tmp_path: Path) -> None:
    assert code_digest() == code_digest.__wrapped__()
    assert len(code_digest()) == 64
