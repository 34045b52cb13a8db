# SPDX-License-Identifier: MIT
"""bundle: write one file with all that a patch is."""

import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from lppack.model import Module, Plan, SourceTree
from lppack.model.fix import fix_json
from lppack.names import MANIFEST
from lppack.stages.bundle import FORMAT, SUFFIX, SUMS, sha256_of
from lppack.stages.ids import FILE, ids
from lppack.stages.provenance import statement
from lppack.stages.test_sources import test_files
from lppack.store import write_atomic


def file_name(plan: Plan) -> str:
    return f"{plan.name}-{plan.version}_{plan.kernel.release}{SUFFIX}"


def bundle(
    module: Module,
    tree: SourceTree,
    folder: Path,
    *,
    released: Iterable[tuple[str, str]] = (),
    options: Mapping[str, Any] = MappingProxyType({}),
) -> Path:
    """Write the bundle into ``folder``: the same bytes for the same input.

    ``released``: what `release` found; ``options``: of the command; provenance has both.
    """
    plan = module.plan
    checks = {"inlining": plan.inlining.value, "complete": plan.complete.value}
    if plan.doubts:
        checks["not proved"] = "; ".join(plan.doubts)
    checks |= dict(released)
    files: dict[str, bytes] = {
        f"{plan.module}.ko": module.ko.read_bytes(),
        MANIFEST: plan.manifest.path.read_bytes(),
        "plan.json": _json(_plan_json(plan)),
    }
    if module.engine is not None:
        files[module.engine.name] = module.engine.read_bytes()
    built = {name: data for name, data in files.items() if name.endswith(".ko")}
    built |= {f"test/targets/{ko.name}": ko.read_bytes() for ko in module.targets}
    built |= {f"test/programs/{file.name}": file.read_bytes() for file in module.programs}
    facts = {**checks, **dict(module.provenance)}
    files["provenance.json"] = _json(statement(plan, built, facts, options))
    files |= {f"sources/{name}": text.encode() for name, text in tree.files}
    files |= {f"sources/{name}": path.read_bytes() for name, path in tree.copies}
    if plan.manifest.follows:
        followed = plan.manifest.folder / plan.manifest.follows
        files[f"sources/{plan.manifest.follows}"] = followed.read_bytes()
    files |= built
    # What `rebuild` needs besides.
    files |= {f"test/sources/{name}": file.read_bytes() for name, file in test_files(plan)}
    if (numbers := ids(plan.manifest.folder).path) is not None:
        files[f"sources/{FILE}"] = numbers.read_bytes()
    sums = "".join(f"{sha256_of(data)}  {name}\n" for name, data in sorted(files.items()))
    files[SUMS] = sums.encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in sorted(files.items()):
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    path = folder / file_name(plan)
    write_atomic(path, packed.getvalue())
    return path


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()


def _plan_json(plan: Plan) -> dict[str, Any]:
    spec = plan.manifest.test
    return {
        "format": FORMAT,
        "name": plan.name,
        "version": plan.version,
        "module": plan.module,
        "release": plan.kernel.release,
        "kernel": plan.kernel.version,
        "engine": plan.engine,
        "mode": plan.mode.name,
        "converts": plan.converts,
        "world": bool(plan.manifest.world),
        "irreversible": bool(plan.manifest.irreversible),
        "replaces": list(plan.manifest.replaces),
        "functions": [
            [entry.name or "vmlinux", function.old]
            for entry in plan.patched
            for function in entry.functions
        ],
        "fixes": [fix_json(fix) for fix in plan.manifest.fixes],
        "decisions": [
            {"what": item.what, "value": item.value, "why": item.why} for item in plan.decisions
        ],
        "test": {
            "targets": list(spec.targets),
            **({"late": True} if spec.late else {}),
            "programs": list(spec.programs),
            "boot": list(spec.boot),
            "checks": [
                {"run": check.run, "limit": check.limit, "expect": dict(check.expect)}
                for check in spec.checks
            ],
        },
    }
