# SPDX-License-Identifier: MIT
"""test: take a bundle through every step in a private guest, and compare the output of its
checks."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lppack.abi import PatchPhase
from lppack.errors import ApplyRefused, ApplyStuck, ConsoleFault
from lppack.hosts.initramfs import modules_in_order
from lppack.hosts.protocol import Host
from lppack.model import Bundle, Check, Kernel, StepName
from lppack.stages.apply import Control, apply, enable_conversion, unload
from lppack.stages.drive import NO_WAY_BACK, why_loaded
from lppack.stages.revert import find, unpatch

_INSMOD = 30.0  # seconds


class TestHost(Host, Protocol):
    """A host with a kernel console, which is watched."""

    @property
    def console(self) -> Path: ...

    def faults(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    run: str
    expect: str
    got: str
    ok: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    step: StepName
    ok: bool
    skipped: str | None  # reason; None: the step was done
    seconds: float
    converted: int
    checks: tuple[CheckResult, ...]
    phase: PatchPhase = PatchPhase.ABSENT  # after the step
    converting: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracted:
    """A bundle and the folder with its files."""

    bundle: Bundle
    files: Path

    @property
    def ko(self) -> Path:
        return self.files / f"{self.bundle.module}.ko"


def test(
    control: Control, host: TestHost, bundle: Bundle, files: Path, *, older: Extracted | None = None
) -> Iterator[StepResult]:
    """Yield each step when it is done; ``files`` is the folder of the extracted bundle.

    ``older``: a version to apply first, which this one then replaces. Raise the errors of apply and
    revert, and ConsoleFault.
    """
    ko = files / f"{bundle.module}.ko"

    def done(
        step: StepName, action: Callable[[], object], as_at: StepName | None = None
    ) -> StepResult:
        start = time.monotonic()
        action()
        checks = tuple(_checked(host, as_at or step, bundle.test.checks))
        _watch(host, step)
        state = control.engine.state(bundle.module)
        return StepResult(
            step=step,
            ok=all(check.ok for check in checks),
            skipped=None,
            seconds=time.monotonic() - start,
            converted=state.converted,
            checks=checks,
            phase=state.phase,
            converting=bool(state.convert),
        )

    yield done(StepName.BEFORE, lambda: load_targets(host, bundle, files))
    if older is not None:
        first = older
        yield done(StepName.OLDER, lambda: apply(control, first.bundle, first.ko))
        told = any(step is StepName.TAKEN_OVER for c in bundle.test.checks for step, _ in c.expect)
        # The checks of conversion show other results after another version has converted the data.
        alike = None if told or bundle.converts or bundle.world else StepName.PATCHED
        yield done(StepName.TAKEN_OVER, lambda: apply(control, bundle, ko), alike)
    else:
        first_apply = _apply_early if bundle.test.late else _apply
        yield done(StepName.PATCHED, lambda: first_apply(control, bundle, ko))
        if bundle.converts:
            series = bundle.series
            yield done(
                StepName.CONVERTED, lambda: enable_conversion(control, bundle.module, series)
            )
        else:
            yield _nothing_to_convert(bundle)
    if bundle.irreversible:
        yield _no_way_back(control, bundle)
        return
    yield done(StepName.REVERTED, lambda: unpatch(control, find(control, bundle.series)))
    yield done(StepName.UNLOADED, lambda: _unload(control, bundle))
    yield done(StepName.AGAIN, lambda: _again(control, host, bundle, ko))


def _apply(control: Control, bundle: Bundle, ko: Path) -> None:
    apply(control, bundle, ko, convert=False)


def _apply_early(control: Control, bundle: Bundle, ko: Path) -> None:
    """For `late`: apply the patch while its target modules are not loaded, then load them."""
    host = control.host
    patched = dict.fromkeys(name for name, _ in bundle.functions)
    files = {
        file.removesuffix(".ko").replace("-", "_"): f"/test/{file}"
        for file in host.list("/test")
        if file.endswith(".ko")
    }
    modules = [name for name in patched if name in files]
    for name in reversed(modules):
        _must(host, ["rmmod", name], f"module {name} cannot be removed for `late`")
    _apply(control, bundle, ko)
    for name in modules:
        _must(host, ["insmod", files[name]], f"module {name} does not load after the patch")


def _must(host: Host, words: list[str], otherwise: str) -> None:
    ran = host.run(words, limit=_INSMOD)
    if ran.rc != 0:
        raise ApplyStuck(f"{otherwise}: {(ran.err or ran.out).strip()}")


def _no_way_back(control: Control, bundle: Bundle) -> StepResult:
    """Check that an irreversible patch cannot be reverted after conversion."""
    state = find(control, bundle.series)
    if state.converted:
        try:
            unpatch(control, state)
        except ApplyRefused as error:
            if error.reason != NO_WAY_BACK:
                raise
        else:
            raise ApplyStuck(f"{bundle.module} is irreversible, but was reverted")
    return StepResult(
        step=StepName.REVERTED,
        ok=True,
        skipped="it is irreversible, and revert is refused"
        if state.converted
        else "it is irreversible, and no check has converted anything",
        seconds=0.0,
        converted=state.converted,
        checks=(),
        phase=state.phase,
        converting=bool(state.convert),
    )


def _nothing_to_convert(bundle: Bundle) -> StepResult:
    return StepResult(
        step=StepName.CONVERTED,
        ok=True,
        skipped="its data was converted in the stop that flipped"
        if bundle.world
        else "the patch has no data to convert",
        seconds=0.0,
        converted=0,
        checks=(),
    )


def _again(control: Control, host: TestHost, bundle: Bundle, ko: Path) -> None:
    """Take all steps a second time, to find a crash on data that the first round has left.

    The commands of the checks run, but their output is not compared, because the first round has
    changed the data.
    """
    apply(control, bundle, ko)
    for check in bundle.test.checks:
        host.run(["/bin/sh", "-c", check.run], limit=check.limit)
    _watch(host, StepName.AGAIN)
    unpatch(control, find(control, bundle.series))
    _unload(control, bundle)


def load_targets(host: Host, bundle: Bundle, files: Path) -> None:
    """Install the test programs and load the test targets, as step `before` does."""
    for name in bundle.test.programs:
        program = Path(name).stem
        host.put(files / "test/programs" / program, f"/test/{program}", mode=0o755)
    for target in bundle.test.targets:
        path = f"/test/{target}.ko"
        host.put(files / "test/targets" / f"{target}.ko", path)
        _must(host, ["insmod", path], f"target {target} does not load")


def load_modules(host: Host, bundle: Bundle, kernel: Kernel) -> None:
    """Load the kernel's modules that the bundle patches, and their dependencies."""
    objects = dict.fromkeys(name for name, _ in bundle.functions)
    own = [name for name in objects if name not in ("vmlinux", *bundle.test.targets)]
    for file in modules_in_order(kernel, tuple(own)):
        path = f"/test/{file.name}"
        host.put(file, path)
        ran = host.run(["insmod", path], limit=_INSMOD)
        if ran.rc != 0 and "File exists" not in ran.err:  # some are loaded at boot
            raise ApplyStuck(f"module {file.name} does not load: {(ran.err or ran.out).strip()}")


def _unload(control: Control, bundle: Bundle) -> None:
    if not unload(control, bundle.module):
        raise ApplyStuck(f"{bundle.module} is unpatched, and {why_loaded(control, bundle.module)}")


def _watch(host: TestHost, step: StepName) -> None:
    found = host.faults()
    if found:
        raise ConsoleFault(
            f"at step {step} the guest's kernel reported:\n  " + "\n  ".join(found),
            hint=f"the whole console: {host.console}",
        )


def _checked(host: Host, step: StepName, checks: tuple[Check, ...]) -> Iterator[CheckResult]:
    for check in checks:
        ran = host.run(["/bin/sh", "-c", check.run], limit=check.limit)
        got = ran.out.strip()
        if ran.timed_out:
            got = f"{got}\n(no end after {check.limit:g} s)".strip()
        for wanted_at, expect in check.expect:
            if wanted_at is step:
                yield CheckResult(run=check.run, expect=expect, got=got, ok=fits(expect, got))


def fits(expect: str, got: str) -> bool:
    """Return True if ``got`` matches ``expect``: equal text after strip(), or ``/regex/``."""
    if len(expect) > 1 and expect[0] == expect[-1] == "/":
        return re.search(expect[1:-1], got) is not None
    return expect.strip() == got.strip()
