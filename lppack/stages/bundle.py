# SPDX-License-Identifier: MIT
"""bundle: one file with all that a patch is; and reading it back, as hostile input."""

import hashlib
import io
import json
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

from lppack import abi
from lppack.consistency import EngineName, ModeName
from lppack.errors import AnswerIsNo, EnvironmentMissing
from lppack.model import Bundle, Effective, Fix, Module, Plan, SourceTree
from lppack.model.fix import fix_json
from lppack.stages.bundle_plan import wrong_part
from lppack.stages.ids import FILE, ids
from lppack.stages.provenance import facts_of, statement
from lppack.stages.test_sources import test_files
from lppack.stages.validate import test_spec
from lppack.store import write_atomic

SUFFIX = ".lpp"
_SUMS = "SHA256SUMS"
_FORMAT = 1  # of plan.json
#: Of a bundle, packed and unpacked.
SIZE_MAX = 256 << 20
_ENTRIES_MAX = 2000
_ANEW = "fetch it again; if it is so at its source, its author builds it again"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")


class BadBundle(AnswerIsNo):
    """The file is not a whole bundle. Nothing was done with it."""

    kind = "bundle"


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
        "manifest.yaml": plan.manifest.path.read_bytes(),
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
    sums = "".join(f"{_sha(data)}  {name}\n" for name, data in sorted(files.items()))
    files[_SUMS] = sums.encode()
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


#: Of a local header without its name, of an entry of the directory, and the end: APPNOTE.TXT, 4.3.
_LOCAL, _CENTRAL, _END = 30, 46, 22


def _is_whole(data: bytes, entries: Sequence[zipfile.ZipInfo]) -> bool:
    """Whether the files and their directory are all that there is, and agree with each other: the
    sums cover nothing else."""
    at = 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if entry.header_offset != at:
            return False
        at += _LOCAL + len(entry.filename) + entry.compress_size
    begin, count = at, len(entries)
    for entry in entries:
        local = data[entry.header_offset :][:_LOCAL]
        if data[at + 6 : at + 32] != local[4:]:  # from the version to the length of the extra field
            return False
        at += _CENTRAL + len(entry.filename)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, at - begin, begin, 0)
    return data[at:] == end


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()


def _plan_json(plan: Plan) -> dict[str, Any]:
    spec = plan.manifest.test
    return {
        "format": _FORMAT,
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


def packed(path: Path) -> bytes:
    """Return the bytes of a bundle's file. Raise BadBundle, EnvironmentMissing."""
    if path.is_dir():
        raise EnvironmentMissing(
            f"{path} is a folder, not a bundle", hint=f"make one with: lppack build {path}"
        )
    if not path.is_file():
        raise EnvironmentMissing(f"{path} does not exist", hint="make one with: lppack build PATCH")
    try:
        if path.stat().st_size > SIZE_MAX:
            raise BadBundle(f"{path} is larger than any bundle")
        return path.read_bytes()
    except OSError as error:
        raise BadBundle(f"{path} cannot be read: {error}", hint=_ANEW) from None


def contents(path: Path, data: bytes | None = None) -> dict[str, bytes]:
    """Return every file of a bundle, checked against its sums; ``data``: what packed() returned.

    Raise BadBundle, EnvironmentMissing.
    """
    data = packed(path) if data is None else data
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            total = sum(entry.file_size for entry in entries)
            if len(entries) > _ENTRIES_MAX or total > SIZE_MAX:
                raise BadBundle(f"{path} is larger than any bundle")
            for entry in entries:
                if not _NAME.fullmatch(entry.filename):
                    raise BadBundle(f"{path} holds the name {ascii(entry.filename)}")
            if not _is_whole(data, entries):
                raise BadBundle(
                    f"{path} has bytes that belong to no file in it, or contradict one",
                    hint=_ANEW,
                )
            files = {entry.filename: archive.read(entry) for entry in entries}
    except (
        OSError,
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        ValueError,
        RuntimeError,
        EOFError,
    ) as error:
        raise BadBundle(f"{path} cannot be read: {error}", hint=_ANEW) from None
    sums = dict(
        (line[66:], line[:64])
        for line in files.pop(_SUMS, b"").decode("ascii", "replace").splitlines()
    )
    wrong = [name for name, data in files.items() if sums.get(name) != _sha(data)]
    wrong += [name for name in sums if name not in files]
    if wrong or not files:
        raise BadBundle(
            f"{path}: {wrong[0] if wrong else _SUMS} is missing or not what {_SUMS} says",
            hint=f"it was damaged or changed: {_ANEW}",
        )
    folders = {str(parent) for name in files for parent in PurePosixPath(name).parents}
    if folders & files.keys():
        raise BadBundle(f"{path}: {min(folders & files.keys())} is both a file and a folder")
    return files


def read(path: Path) -> Bundle:
    """Read the bundle at ``path``. Raise BadBundle."""
    return parse(path, contents(path))


def parse(path: Path, files: Mapping[str, bytes]) -> Bundle:
    """Read a bundle from what contents() returned for ``path``. Raise BadBundle."""
    try:
        plan: dict[str, Any] = json.loads(files["plan.json"])
        provenance = facts_of(json.loads(files["provenance.json"]))
        if isinstance(plan, dict) and plan.get("format") != _FORMAT:
            raise BadBundle(
                f"{path} is of format {plan.get('format')!r}, this lppack reads {_FORMAT}",
                hint="rebuild it with this lppack, or use the lppack that built it",
            )
        if (wrong := wrong_part(plan)) is not None:
            raise BadBundle(f"{path}: its plan.json is not a valid plan: {wrong}", hint=_ANEW)
        module = plan["module"]
        return Bundle(
            path=path,
            series=plan["name"],
            version=plan["version"],
            module=module,
            release=plan["release"],
            kernel_version=plan["kernel"],
            engine=EngineName(plan["engine"]),
            mode=ModeName(plan["mode"]),
            converts=plan["converts"],
            world=plan.get("world", False),
            irreversible=plan.get("irreversible", False),
            replaces=tuple(plan["replaces"]),
            module_sha256=_sha(files[f"{module}.ko"]),
            srcversion=_srcversion(files[f"{module}.ko"]),
            engine_sha256=_engine(files, plan["engine"]),
            signed=files[f"{module}.ko"].endswith(abi.MODULE_SIGNATURE),
            provenance=tuple(sorted(provenance.items())),
            functions=tuple((object_, function) for object_, function in plan["functions"]),
            fixes=tuple(
                Fix(
                    cve=fix["cve"],
                    commit=fix["commit"],
                    functions=tuple(fix["functions"]),
                    effective=Effective(fix["effective"]),
                )
                for fix in plan["fixes"]
            ),
            test=test_spec(plan["test"]),
        )
    except KeyError as error:
        raise BadBundle(f"{path} lacks {error.args[0]}", hint=_ANEW) from None
    except (TypeError, ValueError, AttributeError, RecursionError) as error:
        why = ascii(str(error))[:200]
        raise BadBundle(f"{path}: its plan cannot be read: {why}", hint=_ANEW) from None


def _srcversion(ko: bytes) -> str | None:
    # An entry of .modinfo; scripts/mod/modpost.c: add_srcversion() (v6.1).
    found = re.search(rb"\0srcversion=([0-9A-F]{1,32})\0", ko)
    return found[1].decode() if found else None


def _engine(files: Mapping[str, bytes], engine: str) -> str | None:
    """Return the sum of lppack_engine.ko; KeyError if it is missing where it is needed."""
    if engine != EngineName.CONSISTENCY:
        return None
    return _sha(files[f"{abi.ENGINE}.ko"])


def extract(path: Path, folder: Path) -> None:
    """Write the files of the bundle below ``folder``."""
    write_files(contents(path), folder)


def write_files(files: Mapping[str, bytes], folder: Path) -> None:
    """Write what contents() returned below ``folder``."""
    for name, data in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
