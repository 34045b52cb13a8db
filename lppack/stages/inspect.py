# SPDX-License-Identifier: MIT
"""inspect: what is in a bundle or a module, and what is wrong with it."""

from dataclasses import dataclass
from pathlib import Path

from lppack.elf.module import ModuleFile, read_module
from lppack.errors import EnvironmentMissing
from lppack.rules.module import Against, faults
from lppack.stages.bundle import SUFFIX, contents, read


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    path: Path
    facts: tuple[tuple[str, str], ...]
    files: tuple[tuple[str, int], ...]  # name and size in bytes; empty for a module
    faults: tuple[str, ...]


def inspect(path: Path) -> Inspection:
    """Reads a bundle or a ``.ko``. Raises EnvironmentMissing, BadBundle, NotAModule."""
    if not path.is_file() and not path.is_dir():
        raise EnvironmentMissing(f"{path} does not exist", hint="give a .lpp or a .ko file")
    if path.suffix != SUFFIX and path.is_file():
        module = read_module(path.read_bytes())
        return Inspection(
            path=path,
            facts=_module_facts(module),
            files=(),
            faults=tuple(faults(module, Against())),
        )
    bundle, files = read(path), contents(path)
    module = read_module(files[f"{bundle.module}.ko"])
    found = faults(module, Against(release=bundle.release))
    if module.info("name") != bundle.module:
        found.append(f"the module calls itself {module.info('name')}, the plan {bundle.module}")
    return Inspection(
        path=path,
        facts=(
            ("series", f"{bundle.series} {bundle.version}"),
            ("kernel", f"{bundle.release} {bundle.kernel_version}"),
            ("engine", f"{bundle.engine}, mode {bundle.mode}"),
            ("phase 2", "convert" if bundle.converts else "none"),
            ("sha256", bundle.module_sha256),
            *bundle.provenance,
            *_module_facts(module),
        ),
        files=tuple(sorted((name, len(data)) for name, data in files.items())),
        faults=tuple(found),
    )


def _module_facts(module: ModuleFile) -> tuple[tuple[str, str], ...]:
    keys = ("name", "description", "license", "vermagic", "depends", "livepatch")
    said = tuple((key, module.info(key) or "-") for key in keys)
    return (*said, ("undefined symbols", str(len(module.undefined))))
