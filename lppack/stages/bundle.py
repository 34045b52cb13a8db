# SPDX-License-Identifier: MIT
"""Read a bundle, one file with all that a patch is, as hostile input."""

import hashlib
import io
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from lppack import abi
from lppack.consistency import EngineName, ModeName
from lppack.errors import AnswerIsNo, EnvironmentMissing
from lppack.model import Bundle, Effective, Fix
from lppack.model.checks import test_spec
from lppack.shape import read_json
from lppack.stages.bundle_plan import wrong_part
from lppack.stages.provenance import facts_of

SUFFIX = ".lpp"
SUMS = "SHA256SUMS"
FORMAT = 1  # format number of plan.json
#: Limits of a bundle in bytes, packed and unpacked.
SIZE_MAX = 256 << 20
_ENTRIES_MAX = 2000
_ANEW = "fetch it again; if its source has the same file, ask its author to build it again"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")


class BadBundle(AnswerIsNo):
    """The file is not a valid, complete bundle. Nothing was done with it."""

    kind = "bundle"


#: Sizes of a local header without its name, of a directory entry, and of the end (APPNOTE.TXT,
#: 4.3).
_LOCAL, _CENTRAL, _END = 30, 46, 22


def _is_whole(data: bytes, entries: Sequence[zipfile.ZipInfo]) -> bool:
    """Return True if the file contains only its files and their directory, and these agree.

    The checksums cover nothing else.
    """
    at = 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if entry.header_offset != at:
            return False
        at += _LOCAL + len(entry.filename) + entry.compress_size
    begin, count = at, len(entries)
    for entry in entries:
        local = data[entry.header_offset :][:_LOCAL]
        if (
            data[at + 6 : at + 32] != local[4:]
        ):  # the fields from the version to the length of the extra field
            return False
        at += _CENTRAL + len(entry.filename)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, at - begin, begin, 0)
    return data[at:] == end


def sha256_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def packed(path: Path) -> bytes:
    """Return the bytes of a bundle's file. Raise BadBundle, EnvironmentMissing."""
    if path.is_dir():
        raise EnvironmentMissing(
            f"{path} is a folder, not a bundle", hint=f"to build a bundle: lppack build {path}"
        )
    if not path.is_file():
        why = "is not an ordinary file" if path.exists() else "does not exist"
        raise EnvironmentMissing(f"{path} {why}", hint="to build a bundle: lppack build PATCH")
    try:
        if path.stat().st_size > SIZE_MAX:
            raise BadBundle(f"{path} is larger than any bundle")
        return path.read_bytes()
    except OSError as error:
        raise BadBundle(f"{path} cannot be read: {error}", hint=_ANEW) from None


def contents(path: Path, data: bytes | None = None) -> dict[str, bytes]:
    """Return every file of a bundle, after checking its checksum; ``data``: the result of packed().

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
                    raise BadBundle(
                        f"{path} contains a file with the name "
                        f"{ascii(entry.filename)}, which is not allowed"
                    )
            if not _is_whole(data, entries):
                raise BadBundle(
                    f"{path} has bytes that belong to no file in it, or its directory "
                    "contradicts a file",
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
        for line in files.pop(SUMS, b"").decode("ascii", "replace").splitlines()
    )
    wrong = [name for name, data in files.items() if sums.get(name) != sha256_of(data)]
    wrong += [name for name in sums if name not in files]
    if wrong or not files:
        raise BadBundle(
            f"{path}: {wrong[0] if wrong else SUMS} is missing or not what {SUMS} says",
            hint=f"the file was damaged or changed: {_ANEW}",
        )
    folders = {str(parent) for name in files for parent in PurePosixPath(name).parents}
    if folders & files.keys():
        raise BadBundle(f"{path}: {min(folders & files.keys())} is both a file and a folder")
    return files


def read(path: Path) -> Bundle:
    """Read the bundle at ``path``. Raise BadBundle."""
    return parse(path, contents(path))


def parse(path: Path, files: Mapping[str, bytes]) -> Bundle:
    """Parse ``files``, the result of contents() for ``path``. Raise BadBundle."""
    try:
        plan: dict[str, Any] = read_json(files["plan.json"], clean=False)
        provenance = facts_of(read_json(files["provenance.json"]))
        if isinstance(plan, dict) and plan.get("format") != FORMAT:
            raise BadBundle(
                f"{path} is of format {plan.get('format')!r}, this lppack reads {FORMAT}",
                hint="build it again with this version of lppack, or use the version that built it",
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
            module_sha256=sha256_of(files[f"{module}.ko"]),
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
    except (TypeError, ValueError, AttributeError) as error:
        why = ascii(str(error))[:200]
        raise BadBundle(f"{path}: its plan cannot be read: {why}", hint=_ANEW) from None


def _srcversion(ko: bytes) -> str | None:
    # An entry of .modinfo; scripts/mod/modpost.c: add_srcversion() (v6.1).
    found = re.search(rb"\0srcversion=([0-9A-F]{1,32})\0", ko)
    return found[1].decode() if found else None


def _engine(files: Mapping[str, bytes], engine: str) -> str | None:
    """Return the checksum of lppack_engine.ko; raise KeyError if it is needed and missing."""
    if engine != EngineName.CONSISTENCY:
        return None
    return sha256_of(files[f"{abi.ENGINE}.ko"])


def extract(path: Path, folder: Path) -> None:
    """Write the files of the bundle below ``folder``."""
    write_files(contents(path), folder)


def write_files(files: Mapping[str, bytes], folder: Path) -> None:
    """Write ``files``, the result of contents(), below ``folder``."""
    for name, data in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
