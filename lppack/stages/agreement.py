# SPDX-License-Identifier: MIT
"""Compare the parts of a bundle: its plan and manifest with the module's own description.

The checksums only show that the bundle was not changed since it was packed; only a signature shows
who packed it. This check makes sure that lppack prints and checks the same module that it loads.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lppack import abi
from lppack.consistency import EngineName
from lppack.elf.identity import Identity, identity
from lppack.elf.module import NotAModule, read_module
from lppack.errors import ManifestError
from lppack.model import Bundle, Fix
from lppack.model.fix import fix_json
from lppack.names import MANIFEST
from lppack.rules.module import faults
from lppack.rules.view import Against
from lppack.shape import read_json
from lppack.stages.bundle import BadBundle
from lppack.stages.provenance import subjects_of

if TYPE_CHECKING:
    from lppack.model import Manifest

#: Files that a bundle may contain, beside the module, the engine and MANIFEST.
_PARTS = re.compile(
    r"(plan|provenance)\.json|sources/.+|test/(targets|programs)/[^/]+|test/sources/.+"
)


def verify(bundle: Bundle, files: Mapping[str, bytes], *, manifest: bool = True) -> None:
    """Raise BadBundle with all problems that `inspect` finds without a kernel.

    ``manifest``: compare it, too. Nothing that is loaded or run on a host comes from it, and to
    read YAML costs a host more than all other checks.
    """
    try:
        module = read_module(files[f"{bundle.module}.ko"])
        by_engine = bundle.engine is EngineName.CONSISTENCY
        found = faults(module, Against(release=bundle.release, engine=by_engine))
        found += disagreements(bundle, files, manifest=manifest)
    except NotAModule as error:
        found = [f"{bundle.module}.ko {error.message}"]
    if found:
        raise BadBundle(
            "\n  ".join(
                [f"{bundle.path} contradicts its own description; nothing was loaded:", *found]
            ),
            hint="fetch it again from its source, or ask its author for a new build",
        )


def disagreements(
    bundle: Bundle, files: Mapping[str, bytes], *, manifest: bool = True
) -> list[str]:
    """Return where the parts of a bundle contradict each other. Raise NotAModule."""
    return [
        *_strange_files(bundle, files),
        *_module_against_plan(bundle, identity(files[f"{bundle.module}.ko"])),
        *_engine(bundle, files),
        *(_manifest_against_plan(bundle, files) if manifest else ()),
        *_provenance(files),
    ]


def _strange_files(bundle: Bundle, files: Mapping[str, bytes]) -> Iterator[str]:
    known = {f"{bundle.module}.ko", MANIFEST}
    if bundle.engine is EngineName.CONSISTENCY:
        known.add(f"{abi.ENGINE}.ko")
    for name in sorted(files):
        if name not in known and not _PARTS.fullmatch(name):
            yield f"it contains {name}, which is not part of a bundle"


def _module_against_plan(bundle: Bundle, module: Identity) -> Iterator[str]:
    if module.name != bundle.module:
        yield f"the name of the module is {module.name}, but {bundle.module} in the plan"
    info = module.info
    if "series" not in info:
        yield f"{bundle.module}.ko has no description of its patch: lppack did not build it"
        return
    says = {
        "series": bundle.series,
        "version": bundle.version,
        "engine": bundle.engine.value,
        "mode": bundle.mode.value,
        "replaces": list(bundle.replaces),
        "release": bundle.release,
        "kernel": bundle.kernel_version,
        "fixes": [fix_json(fix) for fix in bundle.fixes],
        "irreversible": bundle.irreversible,
        "inlining": dict(bundle.provenance).get("inlining"),
        "complete": dict(bundle.provenance).get("complete"),
    }
    for key, value in says.items():
        if key in info and info[key] != value:
            yield f"{key}: the plan says {_short(value)}, the module {_short(info[key])}"
    for key, flag in (("transforms", bundle.converts), ("world", bundle.world)):
        if bool(info.get(key)) is not flag:
            yield f"{key}: the plan says {flag}, the module {_short(info.get(key))}"
    yield from _functions("module", module.functions, bundle)


def _functions(of: str, found: frozenset[tuple[str, str]], bundle: Bundle) -> Iterator[str]:
    wanted = frozenset(bundle.functions)
    for object_, function in sorted(found - wanted):
        yield f"the {of} replaces {function} of {object_}, and the plan does not"
    for object_, function in sorted(wanted - found):
        yield f"the plan replaces {function} of {object_}, and the {of} does not"


def _engine(bundle: Bundle, files: Mapping[str, bytes]) -> Iterator[str]:
    if bundle.engine is not EngineName.CONSISTENCY:
        return
    data = files[f"{abi.ENGINE}.ko"]
    if (name := identity(data).name) != abi.ENGINE:
        yield f"the name of the module in {abi.ENGINE}.ko is {name}"
    vermagic = read_module(data).info("vermagic") or ""
    if vermagic.split(" ")[0] != bundle.release:
        yield f'{abi.ENGINE}.ko: its vermagic "{vermagic}" is not that of {bundle.release}'


def _provenance(files: Mapping[str, bytes]) -> Iterator[str]:
    """Yield the files that provenance.json does not match; it covers the signature of a module,
    too."""
    for name, digest in subjects_of(read_json(files["provenance.json"])).items():
        if hashlib.sha256(files.get(name, b"")).hexdigest() != digest:
            yield f"provenance.json has another digest for {name}"


def manifest_of(files: Mapping[str, bytes]) -> "Manifest":
    """Return the manifest in a bundle. Raise ManifestError, UnicodeDecodeError."""
    from lppack.stages.load import parse
    from lppack.stages.validate import manifest_kept

    return manifest_kept(parse(files.get(MANIFEST, b"").decode(), Path(MANIFEST)))


def _manifest_against_plan(bundle: Bundle, files: Mapping[str, bytes]) -> Iterator[str]:
    try:
        manifest = manifest_of(files)
    except (ManifestError, UnicodeDecodeError) as error:
        yield f"its manifest cannot be read: {str(error).splitlines()[0]}"
        return
    pairs: tuple[tuple[str, object, object], ...] = (
        ("name", manifest.name, bundle.series),
        ("version", manifest.version, bundle.version),
        ("replaces", manifest.replaces, bundle.replaces),
        ("fixes", _fixes(manifest.fixes), _fixes(bundle.fixes)),
        ("transforms", bool(manifest.transforms), bundle.converts),
        ("world", bool(manifest.world), bundle.world),
        ("irreversible", bool(manifest.irreversible), bundle.irreversible),
        ("test", manifest.test, bundle.test),
    )
    for key, said, planned in pairs:
        if said != planned:
            yield f"{key}: the manifest says {_short(said)}, the plan {_short(planned)}"
    found = {(each.name or "vmlinux", f.old) for each in manifest.objects for f in each.functions}
    yield from _functions("manifest", frozenset(found), bundle)


def _fixes(fixes: tuple[Fix, ...]) -> list[dict[str, object]]:
    return [fix_json(fix) for fix in fixes]


def _short(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
