# SPDX-License-Identifier: MIT
"""A kernel's livepatch interface in memory, behind a host, so that fake answers obey its rules.

Sources: kernel/livepatch/core.c (enabled_store, __klp_enable_patch, __klp_disable_patch,
klp_free_patch_finish) and transition.c (klp_reverse_transition, klp_complete_transition) of v6.1,
and templates/module/lp_glue.c.j2 for the parameters.
"""

import errno
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lppack import abi
from lppack.errors import HostError
from lppack.hosts.lock import HostLock
from lppack.hosts.protocol import Host, Ran
from lppack.stages.journal import FOLDER
from tests.kit.samples import RELEASE, VERSION

FOR_EVER = 1 << 30


class FakeClock:
    """Time passes only in sleep(); ``interrupts`` are the sleeps (from 1) that Ctrl-C ends."""

    def __init__(self) -> None:
        self.time = 0.0
        self.sleeps = 0
        self.interrupts: set[int] = set()
        self.on_sleep: Callable[[], None] = lambda: None

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.sleeps += 1
        self.time += seconds
        self.on_sleep()
        if self.sleeps in self.interrupts:
            raise KeyboardInterrupt


@dataclass(frozen=True)
class Thread:
    pid: int
    tid: int
    comm: str
    state: str = "S"
    stack: tuple[str, ...] = ()


@dataclass
class Patch:
    """A loaded livepatch module; ``info`` is None for one that lppack did not make."""

    info: str | None
    functions: tuple[str, ...] = ("conn/conn_open,1",)
    known: bool = True  # has a directory below abi.LIVEPATCH
    enabled: bool = True
    complete: bool = False  # lp_complete of the glue
    hooked: bool = True  # its functions are there
    convert: bool = False
    converted: int = 0
    still_new: str | None = ""  # what the parameter shows; None: a module without it
    problem: str = ""  # what the engine says after its last transition
    srcversion: str = ""  # of its sources; none: it has no such file
    limits: dict[str, int] = field(default_factory=dict)  # max_stop, max_hold of our engine

    @property
    def by_engine(self) -> bool:
        """Held by lppack_engine.ko."""
        return self.info is not None and '"engine": "consistency"' in self.info

    @property
    def transforms_world(self) -> bool:
        return self.info is not None and bool(json.loads(self.info).get("world"))

    @property
    def replaces(self) -> bool:
        return self.info is not None and bool(json.loads(self.info).get("replaces"))

    @property
    def irreversible(self) -> bool:
        return self.info is not None and bool(json.loads(self.info)["irreversible"])

    @property
    def converts(self) -> bool:
        return self.info is not None and bool(json.loads(self.info).get("transforms"))


def info(
    series: str = "conn-limit",
    version: int = 2,
    *,
    converts: bool = True,
    world: bool = False,
    irreversible: bool = False,
    replaces: tuple[str, ...] = (),
    engine: str = "livepatch",
    mode: str = "hybrid",
) -> str:
    """As plan.info_json() makes it."""
    fixes = [
        {"cve": "CVE-1", "commit": None, "functions": ["a"], "effective": "patched"},
        {"cve": "CVE-2", "commit": None, "functions": ["b"], "effective": "converted"},
    ]
    return json.dumps(
        {
            "series": series,
            "version": version,
            "engine": engine,
            "mode": mode,
            "replaces": replaces,
            "transforms": ["conn"] if converts else [],
            "world": ["conn"] if world else [],
            "fixes": fixes,
            "irreversible": irreversible,
            "inlining": "unchecked",
            "release": RELEASE,
            "kernel": VERSION,
        }
    )


@dataclass
class FakeKernel:
    clock: FakeClock = field(default_factory=FakeClock)
    release: str = RELEASE
    version: str = VERSION
    ftrace: str = "1"
    uptime: float = 1.0
    boot: str = "first"  # boot_id
    patches: dict[str, Patch] = field(default_factory=dict)
    other_modules: tuple[str, ...] = ("conn",)
    engine_api: int | None = abi.ENGINE_API  # of lppack_engine; None: it is not loaded
    moving: str | None = None  # klp_transition_patch
    gives_up: str | None = None  # why our engine ends a transition by itself
    polls: int = 2  # sleeps that a transition takes
    #: Threads that do not switch, by the direction: True, to the new universe.
    blocked: dict[bool, tuple[Thread, ...]] = field(default_factory=dict)
    refuses: str | None = None  # what insmod says
    insmod_says: int | None = None  # exit code of insmod, though the module was loaded
    rmmod_busy: int = 0  # times that rmmod is refused after the patch is gone
    inside: tuple[Thread, ...] = ()  # in the modules of patches of the kernel's own engine
    looks: int = 0  # for threads that are inside, so far
    convert_held: int = 0  # writes of 0 to convert that find conversions under way
    convert_error: int | None = None  # errno of each write to convert
    log: list[str] = field(default_factory=list)  # what changed, or tried to change, the kernel
    dmesg: list[str] = field(default_factory=list)
    _left: int = 0

    def __post_init__(self) -> None:
        self.clock.on_sleep = self.poll

    def poll(self) -> None:
        if self.moving is not None and not self.blockers():
            self._left -= 1
            if self._left <= 0:
                self.finish()

    def blockers(self) -> tuple[Thread, ...]:
        if self.moving is None:
            return ()
        return self.blocked.get(self.patches[self.moving].enabled, ())

    def finish(self) -> None:
        """klp_complete_transition(); lpe_run() of kmod/engine, which may give up."""
        assert self.moving is not None
        patch = self.patches[self.moving]
        if self.gives_up:
            patch.problem, patch.enabled = self.gives_up, not patch.enabled
        elif patch.enabled and patch.transforms_world:
            patch.converted = 3
        self.moving = None
        if patch.enabled:
            patch.complete = True
            if patch.replaces:
                for other in self.patches.values():
                    if other is not patch:  # klp_unpatch_replaced_patches()
                        other.known = other.enabled = False
        else:
            patch.known = False

    def _begin(self, module: str, *, enabled: bool) -> None:
        self.patches[module].problem = ""
        self.moving, self._left = module, self.polls
        self.patches[module].enabled = enabled

    def insmod(self, module: str, made: Patch) -> str | None:
        """What insmod says, None if all is well."""
        self.log.append(f"insmod {module}")
        if module in self.patches:
            return os.strerror(errno.EEXIST)
        if self.refuses:
            self.dmesg.append(f"[ {self.uptime:.1f}] {module}: {self.refuses}")
            return self.refuses
        if self.moving is not None:
            return os.strerror(errno.EBUSY)
        self.patches[module] = made
        self._begin(module, enabled=True)
        return None

    def rmmod(self, module: str) -> str | None:
        self.log.append(f"rmmod {module}")
        if module not in self.patches:
            return f"Module {module} is not currently loaded"
        if self.patches[module].known:
            return f"Module {module} is in use"
        if self.rmmod_busy > 0:
            self.rmmod_busy -= 1
            return f"Module {module} is in use"
        del self.patches[module]
        return None

    def write_unload(self, module: str) -> None:
        """As lp_unload_store() of the glue."""
        path = abi.unload_attribute(module, "unload")
        if self.patches[module].known:
            raise HostError(path, errno.EBUSY)
        self.looks += 1
        if self.inside:
            raise HostError(path, errno.EAGAIN)

    def write_enabled(self, module: str, wanted: bool) -> None:
        self.log.append(f"{module} enabled {wanted:d}")
        path = abi.patch_attribute(module, "enabled")
        patch = self.patches[module]
        if patch.enabled is wanted:
            raise HostError(path, errno.EINVAL)
        if self.moving == module:
            self._begin(module, enabled=wanted)
        elif wanted:
            raise HostError(path, errno.EINVAL)  # a disabled patch cannot be enabled again
        elif self.moving is not None:
            raise HostError(path, errno.EBUSY)
        else:
            assert not (patch.converts and self.convert_held), (
                "pre_unpatch of the glue waits for conversions under way: this write would hang"
            )
            patch.complete = patch.convert = False
            patch.converted = patch.converted if patch.irreversible else 0
            self._begin(module, enabled=False)

    def write_convert(self, module: str, wanted: bool) -> None:
        self.log.append(f"{module} convert {wanted:d}")
        path, patch = abi.parameter(module, "convert"), self.patches[module]
        if self.convert_error is not None:
            raise HostError(path, self.convert_error)
        if not patch.complete:
            raise HostError(path, errno.EBUSY)
        if wanted and not patch.converts:
            raise HostError(path, errno.EOPNOTSUPP)
        if not wanted and patch.irreversible and patch.converted:
            raise HostError(path, errno.EPERM)
        patch.convert = wanted
        if wanted:
            patch.converted = 3
            return
        if self.convert_held > 0:
            self.convert_held -= 1
            raise HostError(path, errno.EAGAIN)
        patch.converted = 0


class FakeHost:
    """Implements Host: files are what FakeKernel shows at that moment."""

    name = "fake"
    #: With one it has a journal, too.
    lock: HostLock | None = None

    def __init__(self, kernel: FakeKernel) -> None:
        self.kernel = kernel
        #: What is in the module files that will be loaded.
        self.modules: dict[str, Patch] = {"lppack_conn_limit_2": Patch(info=info())}
        self.dropped: dict[str, Path] = {}
        self.stored: dict[str, str] = {}  # what was put below journal.FOLDER

    def files(self) -> dict[str, str]:
        k = self.kernel
        found = {
            abi.OSRELEASE: f"{k.release}\n",
            abi.VERSION: f"{k.version}\n",
            abi.FTRACE_ENABLED: f"{k.ftrace}\n",
            abi.UPTIME: f"{k.uptime:.2f} 0.00\n",
            abi.BOOT_ID: f"{k.boot}\n",
            **self.stored,
            **dict.fromkeys(self.dropped, ""),
        }
        found |= {f"{abi.MODULES}/{name}/initstate": "live\n" for name in k.other_modules}
        loaded = (*k.patches, *k.other_modules)  # the newest patch is the last of the dict
        if k.engine_api is not None:
            loaded = (abi.ENGINE, *loaded)
        used = sum(patch.by_engine for patch in k.patches.values())
        found[abi.MODULE_LIST] = "".join(
            f"{m} 1 {used if m == abi.ENGINE else 0} - Live 0x0\n" for m in reversed(loaded)
        )
        if k.engine_api is not None:
            found[f"{abi.MODULES}/{abi.ENGINE}/initstate"] = "live\n"
            found[abi.parameter(abi.ENGINE, "api")] = f"{k.engine_api}\n"
        for name, patch in k.patches.items():
            found[f"{abi.MODULES}/{name}/initstate"] = "live\n"
            if patch.srcversion:
                found[f"{abi.MODULES}/{name}/srcversion"] = f"{patch.srcversion}\n"
            if patch.info is not None:
                found[abi.parameter(name, "info")] = f"{patch.info}\n"
                found[abi.parameter(name, "convert")] = f"{patch.convert:d}\n"
                found[abi.parameter(name, "converted")] = f"{patch.converted}\n"
                if patch.still_new is not None:
                    found[abi.parameter(name, "still_new")] = f"{patch.still_new}\n"
                if not patch.by_engine:
                    found[abi.unload_attribute(name, "unload")] = ""
                    found[abi.unload_attribute(name, "inside")] = _lines(k.inside)
            if patch.by_engine:
                found |= self._engine_files(name, patch)
            elif patch.known:
                found[abi.patch_attribute(name, "enabled")] = f"{patch.enabled:d}\n"
                found[abi.patch_attribute(name, "transition")] = f"{k.moving == name:d}\n"
                for function in patch.functions:  # in truth an empty directory
                    found[f"{abi.LIVEPATCH}/{name}/{function}/."] = ""
        for thread in k.blockers():
            lines = [f"[<0>] {frame}+0x10/0x80" for frame in thread.stack]
            found[f"/proc/{thread.pid}/task/{thread.tid}/stack"] = "\n".join([*lines, ""])
        return found

    def _engine_files(self, name: str, patch: Patch) -> dict[str, str]:
        """kmod/engine/sysfs.c; the folder stays until the module goes."""
        moving = self.kernel.moving == name
        phase = (
            ("patching" if moving else "patched")
            if patch.enabled
            else ("unpatching" if moving else "unpatched")
        )
        rows = (function.partition(",")[0].split("/") for function in patch.functions)
        waits = self.kernel.blockers() if moving else ()
        said = {
            "enabled": f"{patch.enabled:d}\n",
            "state": f"{phase}\n",
            "problem": f"{patch.problem}\n" if patch.problem else "",
            "statistics/longest_stop_ns": "1500000\n",
            "functions": "".join(f"{row[0]} {row[1]} {patch.hooked:d}\n" for row in rows),
            "blockers": _lines(waits),
            "max_stop": f"{patch.limits.get('max_stop', 1)}\n",
            "max_hold": f"{patch.limits.get('max_hold', 3)}\n",
        }
        return {abi.engine_attribute(name, key): text for key, text in said.items()}

    def read(self, path: str) -> str:
        try:
            return self.files()[path]
        except KeyError:
            raise HostError(path, errno.ENOENT) from None

    def write(self, path: str, text: str) -> None:
        if path not in self.files():
            raise HostError(path, errno.ENOENT)
        for module in self.kernel.patches:
            if path in (
                abi.patch_attribute(module, "enabled"),
                abi.engine_attribute(module, "enabled"),
            ):
                return self.kernel.write_enabled(module, text.strip() == "1")
            for name in ("max_stop", "max_hold"):
                if path == abi.engine_attribute(module, name):
                    self.kernel.patches[module].limits[name] = int(text)
                    return None
            if path == abi.unload_attribute(module, "unload"):
                return self.kernel.write_unload(module)
            if path == abi.parameter(module, "convert"):
                return self.kernel.write_convert(module, text.strip() == "1")
        raise HostError(path, errno.EACCES)

    def list(self, path: str) -> tuple[str, ...]:
        below = [name.removeprefix(f"{path}/") for name in self.files() if name.startswith(path)]
        if not below:
            raise HostError(path, errno.ENOENT)
        return tuple(sorted({name.partition("/")[0] for name in below}))

    def put(self, source: Path, path: str, *, mode: int = 0o644) -> None:
        if path.startswith(f"{FOLDER}/"):
            self.stored[path] = source.read_text()
        else:
            self.dropped[path] = source

    def run(self, argv: Sequence[str], *, limit: float) -> Ran:
        match list(argv):
            case ["insmod", path] if Path(path).stem == abi.ENGINE:
                self.kernel.log.append(f"insmod {abi.ENGINE}")
                self.kernel.engine_api = abi.ENGINE_API
                return _ran(0)
            case ["rmmod", abi.ENGINE]:
                if any(patch.by_engine for patch in self.kernel.patches.values()):
                    return _ran(1, f"rmmod: ERROR: Module {abi.ENGINE} is in use")
                self.kernel.log.append(f"rmmod {abi.ENGINE}")
                self.kernel.engine_api = None
                return _ran(0)
            case ["insmod", path]:
                name = Path(path).stem
                if path not in self.dropped:
                    return _ran(1, f"insmod: can't read '{path}': No such file or directory")
                said = self.kernel.insmod(name, self.modules[name])
                if said is None and self.kernel.insmod_says is not None:
                    return _ran(self.kernel.insmod_says, "")
                return _ran(1, f"insmod: can't insert '{path}': {said}") if said else _ran(0)
            case ["rmmod", name]:
                said = self.kernel.rmmod(name)
                return _ran(1, f"rmmod: ERROR: {said}") if said else _ran(0)
            case ["rm", "-f", *paths]:
                for path in paths:
                    self.dropped.pop(path, None)
                    self.stored.pop(path, None)
                return _ran(0)
            case ["dmesg"]:
                return Ran(rc=0, out="\n".join(self.kernel.dmesg), err="")
            case ["sh", "-c", script, "sh", wanted] if "patch_state" in script:
                moving = self.kernel.moving
                assert moving is not None
                assert wanted == f"{self.kernel.patches[moving].enabled:d}"
                rows = [f"{t.pid} {t.tid} {t.state} {t.comm}\n" for t in self.kernel.blockers()]
                return Ran(rc=0, out="".join(rows), err="")
        return _ran(127, f"{argv[0]}: not found")


def _lines(threads: Sequence[Thread]) -> str:
    return "".join(
        f"{t.pid}\t{t.tid}\t{t.stack[0] if t.stack else '-'}\tis in\t{t.comm}\n" for t in threads
    )


def _ran(rc: int, err: str = "") -> Ran:
    return Ran(rc=rc, out="", err=f"{err}\n" if err else "")


def as_host(host: FakeHost) -> Host:
    """The smallest legal host: this line is what mypy checks."""
    return host
