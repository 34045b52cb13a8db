# SPDX-License-Identifier: MIT
"""Patches whose generated code was spoilt on purpose: the tests must notice."""

from dataclasses import dataclass, replace
from pathlib import Path

from lppack import pipeline
from lppack.model import Bundle, Kernel
from lppack.stages.build import build
from lppack.stages.bundle import extract, read
from lppack.stages.bundling import bundle
from lppack.stages.link import link


@dataclass(frozen=True, slots=True)
class Mutation:
    """``old`` in a generated file becomes ``new``."""

    file: str
    old: str
    new: str


def spoilt(
    patch: Path,
    kernel: Kernel,
    work: Path,
    mutation: Mutation,
    *,
    engine: str = "auto",
    mode: str | None = None,
) -> tuple[Bundle, Path]:
    """Builds a patch with test points, and with that mutation: its bundle, extracted."""
    plan = pipeline.make_plan(
        patch, kernel=kernel.release, test_points=True, engine=engine, mode=mode
    )
    tree = pipeline.make_tree(plan)
    texts = dict(tree.files)
    assert mutation.old in texts[mutation.file], "what is to be spoilt is not there any more"
    texts[mutation.file] = texts[mutation.file].replace(mutation.old, mutation.new)
    tree = replace(tree, files=tuple(sorted(texts.items())))
    module = link(build(tree, pipeline.open_builder("docker", lambda _line: None)))
    path = bundle(module, tree, work)
    extract(path, work / "files")
    return read(path), work / "files"
