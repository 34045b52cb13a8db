# SPDX-License-Identifier: MIT
"""Reuse bundles that were built before; the key contains everything that their bytes depend on."""

import functools
import hashlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lppack
from lppack import entries, resources, store
from lppack.errors import Level, Problem
from lppack.pipeline.pairs import Options, Outcome, Pair, PairState

if TYPE_CHECKING:
    from lppack.model import Kernel, Plan


def recall(pair: Pair, options: Options) -> Outcome | None:
    """Copy the bundle of a pair that was built before, and return its outcome; None if there is
    none."""
    from lppack.stages.bundle import read

    start = time.monotonic()
    if not _is_kept(options):
        return None
    kernel = kernel_of(pair)
    kept = _kept(pair, options, kernel)
    if kept is None or not entries.use(kept):
        return None
    note: Mapping[str, Any] | None = store.read_json(kept / "note.json")
    if note is None:
        return None
    path = options.output / str(note["name"])
    store.write_atomic(path, (kept / "bundle").read_bytes())
    return Outcome(
        pair=pair,
        state=PairState.CACHED,
        kernel=kernel.release,
        seconds=time.monotonic() - start,
        bundle=read(path),
        complete=note["complete"],
        doubts=tuple(note["doubts"]),
        warnings=tuple(Problem(**{**w, "level": Level(w["level"])}) for w in note["warnings"]),
    )


def _is_kept(options: Options) -> bool:
    """Return False if a proof, a debug package, a key or --check is requested: build again then."""
    return not (
        options.deep or options.prove or options.release or options.sign_key or options.check
    )


def remember(pair: Pair, options: Options, plan: "Plan", path: Path) -> None:
    """Store the bundle ``path`` for recall(), unless ``options`` require a new build."""
    kept = _kept(pair, options, plan.kernel) if _is_kept(options) else None
    if kept is None:
        return
    fields = ("file", "line", "column", "level", "rule", "message", "hint")
    note = {
        "name": path.name,
        "complete": plan.complete.value,
        "doubts": plan.doubts,
        "warnings": [{name: getattr(w, name) for name in fields} for w in plan.warnings],
    }

    def fill(draft: Path) -> None:
        (draft / "bundle").write_bytes(path.read_bytes())
        store.write_json(draft / "note.json", note)

    entries.ensure(kept, fill)


def kernel_of(pair: Pair) -> "Kernel":
    """Return the kernel of a pair; if it has none, the newest that the manifest names."""
    from lppack.distributions import open_distribution

    if pair.kernel is not None:
        return _resolved(pair.kernel)
    from lppack.stages.load import load

    return open_distribution().kernels.resolve(
        None, [text for _, text in load(pair.patch).strings("kernels")]
    )


@functools.cache
def _resolved(spec: str) -> "Kernel":
    from lppack.distributions import open_distribution

    return open_distribution().kernels.resolve(spec, ())


def _kept(pair: Pair, options: Options, kernel: "Kernel") -> Path | None:
    """Return the path of a pair's bundle in the cache; None if the folder is not a patch."""
    from lppack.stages.ids import ids
    from lppack.stages.load import is_patch

    if not is_patch(pair.patch):
        return None
    parts = [code_digest(), options.engine, options.mode, str(pair.patch), ids(pair.patch), kernel]
    parts += [_identity(options.builder, kernel.suite, kernel), _image(kernel)]
    digest = hashlib.sha256(repr(parts).encode())
    for file in sorted(pair.patch.rglob("*")):
        if file.is_file():
            digest.update(f"\0{file.relative_to(pair.patch)}\0".encode() + file.read_bytes())
    return store.cache_dir() / "bundles" / digest.hexdigest()[:32]


@functools.cache
def code_digest() -> str:
    """Return a digest of lppack's code, because a checkout may change without its version."""
    digest = hashlib.sha256(lppack.__version__.encode())
    home = Path(lppack.__file__).parent
    for file in (*sorted(home.rglob("*.py")), *sorted(resources.template_dir().rglob("*"))):
        if file.is_file():
            digest.update(file.read_bytes())
    return digest.hexdigest()


_identities: dict[tuple[str, str], str] = {}


def _identity(builder: str, suite: str, kernel: "Kernel") -> str:
    """Return the identity of the compiler and its image; it is queried once for each suite."""
    from lppack.pipeline.build import open_builder

    if (builder, suite) not in _identities:
        found = open_builder(builder, lambda _line: None).identity(kernel)
        _identities[builder, suite] = repr(sorted(found.items()))
    return _identities[builder, suite]


@functools.cache
def _image(kernel: "Kernel") -> str:
    """Identify the kernel's image, and whether its debug package was read."""
    from lppack.kernel.inlining import FORMAT

    key = hashlib.sha256(kernel.image.read_bytes()).hexdigest()
    inlining = store.cache_dir() / "facts" / f"{key}-inlining-v{FORMAT}.sqlite"
    return f"{key} {inlining.is_file()}"
