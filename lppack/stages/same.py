# SPDX-License-Identifier: MIT
"""Compare two builds: the same sources built elsewhere, or a bundle and its own sources."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from lppack import abi, proc, store
from lppack.builders.protocol import Builder
from lppack.errors import AnswerIsNo
from lppack.model import Bundle, Module, SourceTree
from lppack.names import MANIFEST
from lppack.shape import read_json
from lppack.stages.agreement import manifest_of
from lppack.stages.build import differences
from lppack.stages.ids import FILE
from lppack.stages.provenance import facts_of

_LINES = 40  # of diffoscope's output


class NotTheSame(AnswerIsNo):
    """Two builds of the same sources have other bytes. Nothing was written."""

    kind = "not-the-same"


def compare(module: Module, tree: SourceTree, builder: Builder) -> None:
    """Build ``tree`` again with ``builder``, and compare the files. Raise NotTheSame."""
    kept = store.cache_dir() / "modules" / module.work.name
    found = dict(differences(module, tree, builder))
    if found:
        names = ", ".join(found)
        first, data = next(iter(found.items()))
        raise NotTheSame(
            f"{module.plan.name} for {module.plan.kernel.release}: built twice, differs: {names}\n"
            + _how(kept / first, data),
            hint="check whether a source uses the directory, the date or the environment",
        )


def _how(file: Path, other: bytes) -> str:
    """Return the output of diffoscope; if it is not installed, the first byte that differs."""
    if shutil.which("diffoscope"):
        with store.scratch() as folder:
            (folder / file.name).write_bytes(other)
            done = proc.run(["diffoscope", str(file), str(folder / file.name)], limit=300)
        return "\n".join(done.out.splitlines()[:_LINES])
    data = file.read_bytes() if file.is_file() else b""
    at = next((n for n, (a, b) in enumerate(zip(data, other, strict=False)) if a != b), len(data))
    near = slice(max(at - 32, 0), at + 32)
    return (
        f"  from byte {at} of {len(data)} and {len(other)}: {data[near]!r}, {other[near]!r}; "
        "diffoscope, if it is installed, says more"
    )


def unpack(bundle: Bundle, files: Mapping[str, bytes], folder: Path) -> Path:
    """Write the patch that ``bundle`` was built from; return its folder."""
    patch = folder / bundle.series
    if (numbers := files.get(f"sources/{FILE}")) is not None:
        store.write_atomic(folder / FILE, numbers)
        (
            folder / ".git"
        ).mkdir()  # makes this folder the root of a repository, where the id file is
    store.write_atomic(patch / MANIFEST, files[MANIFEST])
    manifest = manifest_of(files)
    own = {*manifest.sources, *manifest.headers, manifest.follows}
    for name, data in files.items():
        if name.startswith("test/sources/"):
            path = name.removeprefix("test/sources/").removeprefix("programs/")
            store.write_atomic(patch / path, data)
        elif (path := name.removeprefix("sources/")) in own:
            store.write_atomic(patch / path, data)
    return patch


def disagreements(
    was: Mapping[str, bytes], now: Mapping[str, bytes]
) -> tuple[list[str], list[str]]:
    """Return the files whose bytes differ, and the differences in the provenance.

    The signature of a module is not compared.
    """
    names = sorted((was.keys() | now.keys()) - {"provenance.json"})
    wrong = [name for name in names if _unsigned(was.get(name)) != _unsigned(now.get(name))]
    before, after = (facts_of(read_json(files["provenance.json"])) for files in (was, now))
    said = [
        f"{key}: {before.get(key, '-')} then, {after.get(key, '-')} now"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]
    return wrong, said


def _unsigned(data: bytes | None) -> bytes | None:
    """Return the module without the signature that scripts/sign-file appended."""
    if data is None or not data.endswith(abi.MODULE_SIGNATURE):
        return data
    # include/linux/module_signature.h: struct module_signature, 12 bytes, sig_len last.
    end = len(data) - len(abi.MODULE_SIGNATURE)
    size = int.from_bytes(data[end - 4 : end], "big")
    return data[: max(end - 12 - size, 0)]
