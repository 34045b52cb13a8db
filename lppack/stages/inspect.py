# SPDX-License-Identifier: MIT
"""inspect: show the content and the problems of a bundle or a module."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lppack import abi
from lppack.consistency import EngineName
from lppack.elf.module import ModuleFile, NotAModule, Relocations, checksums_of, read_module
from lppack.errors import EnvironmentMissing
from lppack.kernel.config import read_config
from lppack.kernel.facts import Facts, open_facts
from lppack.model import Bundle, Kernel
from lppack.model.patch_info import IRREVERSIBLE
from lppack.rules.module import faults
from lppack.rules.replaced import copies_of
from lppack.rules.view import Against
from lppack.stages.agreement import disagreements
from lppack.stages.bundle import SUFFIX, contents, read


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    path: Path
    facts: tuple[tuple[str, str], ...]
    files: tuple[tuple[str, int], ...]  # name and size in bytes; empty for a module
    faults: tuple[str, ...]


def inspect(path: Path, kernel: Kernel | None = None) -> Inspection:
    """Read a bundle or a ``.ko``, also one that lppack did not make.

    With ``kernel``, also compare it with that kernel: exports, their checksums, and the targets of
    livepatch symbols. Raise EnvironmentMissing, BadBundle, NotAModule.
    """
    if not path.is_file() and not path.is_dir():
        raise EnvironmentMissing(f"{path} does not exist", hint="give a .lpp or a .ko file")
    if path.suffix != SUFFIX and path.is_file():
        data = path.read_bytes()
        if not data.startswith(b"\x7fELF"):
            raise EnvironmentMissing(
                f"{path} is neither a bundle ({SUFFIX}) nor a kernel module",
                hint="give a .lpp or a .ko file",
            )
        try:
            module = read_module(data)
        except NotAModule as error:
            raise NotAModule(
                f"{path} {error.message}", hint="give a .ko file, not compressed"
            ) from None
        return Inspection(
            path=path,
            facts=_module_facts(module),
            files=(),
            faults=tuple(_faults(module, kernel, None)),
        )
    bundle, files = read(path), contents(path)
    module = read_module(files[f"{bundle.module}.ko"])
    found = _faults(module, kernel, bundle)
    if kernel is not None and kernel.version != bundle.kernel_version:
        found.append(
            f"the bundle is for {bundle.kernel_version}, but {kernel.release} is {kernel.version}"
        )
    found += disagreements(bundle, files)
    return Inspection(
        path=path,
        facts=(
            ("series", f"{bundle.series} {bundle.version}"),
            ("kernel", f"{bundle.release} {bundle.kernel_version}"),
            ("engine", f"{bundle.engine}, mode {bundle.mode}"),
            (
                "phase 2",
                "convert" if bundle.converts else "done by the flip" if bundle.world else "none",
            ),
            *([("irreversible", IRREVERSIBLE)] if bundle.irreversible else []),
            ("sha256", bundle.module_sha256),
            *bundle.provenance,
            *_module_facts(module),
        ),
        files=tuple(sorted((name, len(data)) for name, data in files.items())),
        faults=tuple(found),
    )


def _module_facts(module: ModuleFile) -> tuple[tuple[str, str], ...]:
    keys = ("name", "description", "license", "vermagic", "depends", "livepatch", "srcversion")
    said = tuple((key, module.info(key) or "-") for key in keys)
    tables = [table for table in module.relocations if table.livepatch]
    return (
        *said,
        ("sections", str(len(module.sections))),
        ("undefined symbols", str(len(module.undefined))),
        ("checksums", str(len(module.checksums))),
        *((name, _users(name, tables)) for name, _ in module.klp_symbols),
    )


def _users(name: str, tables: Sequence[Relocations]) -> str:
    """Return where a livepatch symbol is used, in the form of objdump."""
    used = [table.target for table in tables if any(symbol == name for symbol, _ in table.symbols)]
    return f"used in {', '.join(used)}" if used else "used nowhere"


def _faults(module: ModuleFile, kernel: Kernel | None, bundle: Bundle | None) -> list[str]:
    by_engine = bundle.engine is EngineName.CONSISTENCY if bundle else _needs_the_engine(module)
    if kernel is None:
        release = bundle.release if bundle else None
        return faults(module, Against(release=release, engine=by_engine))
    symvers = kernel.headers / "Module.symvers"
    with open_facts(kernel) as facts:
        against = Against(
            release=kernel.release,
            exports=checksums_of(symvers.read_text()) if symvers.is_file() else None,
            compiler=read_config(kernel.config).compiler,
            engine=by_engine,
        )
        return [*faults(module, against), *_not_found(module, facts)]


def _needs_the_engine(module: ModuleFile) -> bool:
    return module.info("depends") == abi.ENGINE


def _not_found(module: ModuleFile, facts: Facts) -> Iterator[str]:
    """Yield livepatch symbols that the kernel would not find, or that are ambiguous."""
    for name, _ in module.klp_symbols:
        parts = re.fullmatch(r"([^.]+)\.([^,]+),(\d+)", name.removeprefix(abi.KLP_SYMBOL))
        if parts is None:
            continue  # livepatch_symbols_are_marked reports it
        object_, symbol, position = parts[1], parts[2], int(parts[3])
        copies = copies_of(facts, object_, symbol)
        if copies is None:
            continue
        if position > len(copies) or not copies:
            yield f"{name}: {object_} of {facts.release} has {len(copies)} of that name"
        elif position == 0 and len(copies) > 1:
            yield f"{name}: is one of {len(copies)} of that name, and does not say which"
