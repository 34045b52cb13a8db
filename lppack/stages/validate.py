# SPDX-License-Identifier: MIT
"""validate: turn a Document into a Manifest, or report all of its problems at once."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lppack.consistency import ModeName, Transform
from lppack.document import Document
from lppack.errors import Level, ManifestError, Problem
from lppack.model import (
    Counts,
    Effective,
    Fix,
    FunctionPatch,
    Hooks,
    Manifest,
    ObjectPatch,
    ShadowVariable,
    State,
    SymbolUse,
    TransformPatch,
    Visits,
    Workload,
    WorldTransform,
)
from lppack.model.checks import test_spec
from lppack.rules.folder import problems_of
from lppack.rules.needs import parse_needs
from lppack.rules.shape import shape_problems


def validate(document: Document) -> Manifest:
    """Return the manifest of ``document``. Raise ManifestError with every error in it."""
    manifest, _ = validated(document)
    return manifest


def validated(document: Document) -> tuple[Manifest, tuple[Problem, ...]]:
    """Return the manifest as validate() does, and the warnings."""
    found = problems_of(document)
    errors = [problem for problem in found if problem.level is Level.ERROR]
    if errors:
        raise ManifestError(errors)
    return _to_manifest(document), found


def manifest_kept(document: Document) -> Manifest:
    """Return the manifest of a bundle, after checking only its schema. Raise ManifestError.

    The files that it names are not beside it; they were checked when the bundle was built.
    """
    if problems := list(shape_problems(document)):
        raise ManifestError(problems)
    return _to_manifest(document)


def _to_manifest(document: Document) -> Manifest:
    data: dict[str, Any] = document.data
    needs = parse_needs(data["needs"])
    assert needs is not None  # needs-name-each-axis-once has passed
    transforms = data.get("transforms", ())
    world = needs.transform is Transform.TRANSFORM_WORLD
    return Manifest(
        path=document.path,
        name=data["name"],
        version=data["version"],
        description=data["description"],
        license=data["license"],
        author=data["author"],
        fixes=tuple(_fix(entry) for entry in data.get("fixes", ())),
        kernels=tuple(data["kernels"]),
        needs=needs,
        mode=ModeName(data["mode"]) if "mode" in data else None,
        sources=tuple(data["sources"]),
        headers=tuple(data.get("headers", ())),
        objects=tuple(_object(entry) for entry in data["objects"]),
        transforms=() if world else tuple(_transform(entry) for entry in transforms),
        world=tuple(_world(entry) for entry in transforms) if world else (),
        shadow_variables=_shadows(data.get("shadow_variables", ())),
        kernel_headers=tuple(data.get("kernel_headers", ())),
        follows=data.get("follows"),
        replaces=tuple(data.get("replaces", ())),
        states=tuple(
            State(id=entry["id"], version=entry["version"], what="the author's")
            for entry in data.get("states", ())
        ),
        workload=_workload(document.folder, data["workload"]) if "workload" in data else None,
        interdependent=tuple(tuple(group) for group in data.get("interdependent", ())),
        test=test_spec(data.get("test", {})),
    )


def _fix(entry: dict[str, Any]) -> Fix:
    return Fix(
        cve=entry.get("cve"),
        commit=entry.get("commit"),
        functions=tuple(entry.get("functions", ())),
        effective=Effective(entry.get("effective", "patched")),
    )


def object_name(name: str) -> str | None:
    """Return the object's name; None for vmlinux, as in the kernel."""
    return None if name == "vmlinux" else name


def _object(entry: dict[str, Any]) -> ObjectPatch:
    return ObjectPatch(
        name=object_name(entry["name"]),
        functions=tuple(
            FunctionPatch(old=item["old"], new=item["new"], sympos=item.get("sympos"))
            for item in entry.get("functions", ())
        ),
        hooks=Hooks(**entry.get("hooks", {})),
        symbols=tuple(_symbol(item) for item in entry.get("symbols", ())),
    )


def _symbol(item: str | dict[str, Any]) -> SymbolUse:
    if isinstance(item, str):
        return SymbolUse(name=item, c_name=item, sympos=None)
    name = item["name"]
    return SymbolUse(
        name=name,
        c_name=item.get("as", name),
        sympos=item.get("sympos"),
        module=item.get("module"),
    )


def _transform(entry: dict[str, Any]) -> TransformPatch:
    return TransformPatch(
        name=entry["name"],
        object=object_name(entry["object"]),
        type=entry["type"],
        marker=entry["marker"],
        take=entry["lock"]["take"],
        release=entry["lock"]["release"],
        context=entry["context"],
        forward=entry["forward"],
        reverse=entry.get("reverse"),
    )


def _world(entry: dict[str, Any]) -> WorldTransform:
    return WorldTransform(
        name=entry["name"],
        object=object_name(entry["object"]),
        type=entry["type"],
        marker=entry["marker"],
        for_each=entry["for_each"],
        prepare=entry.get("prepare"),
        check=entry.get("check"),
        forward=entry["forward"],
        reverse=entry["reverse"],
        finish=entry.get("finish"),
        max_stop_ms=entry["max_stop_ms"],
    )


def _shadows(entries: Sequence[dict[str, Any]]) -> tuple[ShadowVariable, ...]:
    newest: dict[str, int] = {}
    for entry in entries:
        newest[entry["name"]] = max(entry["version"], newest.get(entry["name"], 0))
    return tuple(_shadow(entry, newest[entry["name"]]) for entry in entries)


def _shadow(entry: dict[str, Any], newest: int) -> ShadowVariable:
    return ShadowVariable(
        name=entry["name"],
        version=entry["version"],
        type=entry["type"],
        attached_to=entry["attached_to"],
        transform=entry["transform"],
        constructor=entry.get("constructor"),
        newest=entry["version"] == newest,
    )


def _workload(folder: Path, entry: dict[str, Any]) -> Workload:
    def path(item: dict[str, Any], key: str) -> Path | None:
        return folder / item[key] if key in item else None

    return Workload(
        calls=tuple((name, tuple(called)) for name, called in entry.get("calls", {}).items()),
        threads=tuple(tuple(functions) for functions in entry.get("threads", ())),
        sleeps=tuple(entry.get("sleeps", ())),
        stacks=path(entry, "stacks"),
        counts=Counts(entry.get("counts", Counts.SAMPLES)),
        watched=entry.get("watched"),
        visits=tuple(
            Visits(**{**item, "histogram": path(item, "histogram")})
            for item in entry.get("visits", ())
        ),
    )
