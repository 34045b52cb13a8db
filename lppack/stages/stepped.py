# SPDX-License-Identifier: MIT
"""A host on which each request that changes it is a step of a transaction."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from lppack import abi
from lppack.engines import modules
from lppack.hosts.lock import HostLock
from lppack.hosts.protocol import Host, Ran
from lppack.stages.journal import FOLDER
from lppack.stages.transaction import Transaction

#: Programs that only look; every other one is a step, so that no change can be forgotten.
_LOOKS = frozenset({"dmesg", "sh", "base64"})
_WRITES = {
    "convert": ("convert-off", "convert-on"),
    "enabled": ("unpatch", "patch"),
    "unload": ("let-go", "let-go"),
}
_RUNS = {"rm": "remove-file"}


class SteppedHost:
    """A Host that records each changing request as a step."""

    def __init__(self, host: Host, transaction: Transaction) -> None:
        self._host = host
        self._transaction = transaction
        self.name = host.name

    @property
    def lock(self) -> HostLock | None:
        return self._host.lock

    def read(self, path: str) -> str:
        return self._host.read(path)

    def list(self, path: str) -> tuple[str, ...]:
        return self._host.list(path)

    def write(self, path: str, text: str) -> None:
        name = PurePosixPath(path).name
        step = _WRITES[name][text.strip() == "1"] if name in _WRITES else f"write {name}"
        with self._transaction.step(step, _module(path)):
            self._host.write(path, text)

    def put(self, source: Path, path: str, *, mode: int = 0o644) -> None:
        if path.startswith(f"{FOLDER}/"):  # lppack's own notes
            self._host.put(source, path, mode=mode)
            return
        with self._transaction.step(_of("put", path), _module(path)):
            self._host.put(source, path, mode=mode)

    def run(self, argv: Sequence[str], *, limit: float) -> Ran:
        own = argv[0] == "rm" and all(word.startswith(f"{FOLDER}/") for word in argv[2:])
        if argv[0] in _LOOKS or own:
            return self._host.run(argv, limit=limit)
        step = _of(_RUNS.get(argv[0], argv[0]), argv[-1])
        with self._transaction.step(step, _module(argv[-1])) as entry:
            done = self._host.run(argv, limit=limit)
            if done.rc != 0:
                entry["error"] = done.err.strip() or f"exit code {done.rc}"
            return done


def _of(verb: str, path: str) -> str:
    if _module(path) != abi.ENGINE:
        return verb
    return "remove-engine-file" if verb == "remove-file" else f"{verb}-engine"


def _module(path: str) -> str:
    """Return the module X of the path of a request: /run/lppack/load/X.ko, X, or
    /sys/.../X/[parameters/]F."""
    at = PurePosixPath(path)
    if at.parent in (PurePosixPath("."), PurePosixPath(modules.DROP)):
        return at.stem
    inner = at.parent.name in ("parameters", "lppack") and at.parts[2] == "module"
    return at.parent.parent.name if inner else at.parent.name
