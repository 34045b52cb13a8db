# SPDX-License-Identifier: MIT
"""Build a bundle again from its own sources."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lppack import store
from lppack.consistency import EngineName, ModeName
from lppack.errors import EnvironmentMissing
from lppack.proc import Say
from lppack.shape import read_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """The comparison of a bundle with its second build."""

    patch: str
    version: int
    kernel: str
    wrong: tuple[str, ...]  # files whose bytes differ
    otherwise: tuple[str, ...]  # differences in provenance.json
    identical: bool  # True: the whole file is equal, byte for byte


def rebuild(path: Path, *, builder: str | None, on_line: Say) -> Rebuilt:
    """Plan and build the patch in a bundle as its provenance says; ``builder``: another builder.

    Raise BadBundle; EnvironmentMissing: its kernel is not available.
    """
    from lppack.pipeline.build import make_bundle
    from lppack.pipeline.check import check_release, make_plan
    from lppack.stages.bundle import BadBundle, contents, parse
    from lppack.stages.provenance import options_of
    from lppack.stages.same import disagreements, unpack

    was = contents(path)
    bundle = parse(path, was)
    said = dict(bundle.provenance)
    try:
        options: dict[str, Any] = options_of(read_json(was["provenance.json"]))
        mode = ModeName(options["mode"]).value if "mode" in options else None
        engine = EngineName(options["engine"]).value if "engine" in options else "auto"
    except (KeyError, TypeError, ValueError) as error:
        raise BadBundle(f"{path}: its provenance cannot be read: {ascii(str(error))}") from None
    chosen = builder or said.get("builder", "docker")
    checks = bool(options.get("release") or options.get("prove"))
    with store.scratch() as folder:
        plan = make_plan(
            unpack(bundle, was, folder),
            kernel=bundle.release,
            engine=engine,
            mode=mode,
            deep=on_line if "deep" in options else None,
            prove=on_line if checks else None,
            builder=chosen,
        )
        if plan.kernel.version != bundle.kernel_version:
            raise EnvironmentMissing(
                f"{path} is for {bundle.release} {bundle.kernel_version}, and the package sources "
                f"have {plan.kernel.version}",
                hint="add a source that has that version, as the archive of all old packages has",
            )
        released = (
            check_release(
                plan,
                unproved="unproved" in options,
                inlining_unchecked="inlining_unchecked" in options,
                accepted=options.get("accepted", ()),
            )
            if options.get("release")
            else ()
        )
        built = make_bundle(
            plan,
            folder / "out",
            builder=chosen,
            on_line=on_line,
            released=released,
            options=options,
        )
        now = contents(built.path)
        identical = built.path.read_bytes() == path.read_bytes()
    wrong, otherwise = disagreements(was, now)
    return Rebuilt(
        patch=bundle.series,
        version=bundle.version,
        kernel=bundle.release,
        wrong=tuple(wrong),
        otherwise=tuple(otherwise),
        identical=identical,
    )
