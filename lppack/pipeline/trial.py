# SPDX-License-Identifier: MIT
"""The steps of ``lppack test``."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from lppack import store
from lppack.errors import ApplyReversed, BuildFailed, ConsoleFault, LostHost, Problem
from lppack.model import Bundle, Kernel, Manifest, StepName
from lppack.pipeline.build import make_bundle
from lppack.pipeline.check import make_plan
from lppack.pipeline.guests import initramfs_for
from lppack.proc import Say

if TYPE_CHECKING:
    from lppack.analyse.prediction import StepPrediction
    from lppack.hosts.guest import GuestHost
    from lppack.stages.test import Extracted, StepResult


class Trial:
    """One run of ``lppack test``: build it if it is a patch, boot a private guest, run the
    steps."""

    def __init__(
        self,
        path: Path,
        *,
        kernel: str | None = None,
        engine: str = "auto",
        mode: str | None = None,
        builder: str = "docker",
        timeout: float = 60.0,
        test_points: bool = False,
        old: Path | None = None,
    ) -> None:
        self.path = path
        self.old = old  # the patch or bundle that this one replaces; None: none
        self.kernel = kernel
        self.engine = engine
        self.mode = mode
        self.builder = builder
        self.timeout = timeout
        self.test_points = test_points
        self.bundle: Bundle | None = None
        self.warnings: tuple[Problem, ...] = ()  # of the rules; a bundle's are not known
        self.console: Path | None = None
        self.steps_done: list[StepResult] = []
        self.predicted: StepPrediction | None = None  # None: there is no prediction
        self._reversed = False

    @property
    def ok(self) -> bool:
        done = self.steps_done
        last = StepName.REVERTED if self.bundle and self.bundle.irreversible else StepName.AGAIN
        return bool(done) and done[-1].step is last and all(step.ok for step in done)

    @property
    def title(self) -> str:
        bundle = self.bundle
        name = f"{bundle.series} {bundle.version}" if bundle else str(self.path)
        return f"{name} on {bundle.release}" if bundle else name

    @property
    def compared(self) -> int:
        """Number of checks whose results were compared, over all steps."""
        return sum(len(step.checks) for step in self.steps_done)

    @property
    def failed_checks(self) -> str:
        checks = [check for step in self.steps_done for check in step.checks]
        return f"{sum(not check.ok for check in checks)} of {len(checks)}"

    @property
    def differences(self) -> tuple[str, ...]:
        """Differences between the guest and the simulator."""
        if self.predicted is None:
            return ()
        return tuple(self.predicted.differences(self.steps_done, reversed_=self._reversed))

    def steps(self, say: Say) -> "Iterator[StepResult]":
        """Yield each step when it is done. Raises whatever any stage raises."""
        from lppack.analyse.prediction import predict_steps
        from lppack.hosts.guest import boot
        from lppack.stages.bundle import extract
        from lppack.stages.load import load
        from lppack.stages.test import Extracted, load_modules
        from lppack.stages.validate import manifest_kept

        with tempfile.TemporaryDirectory(prefix="lppack-") as folder:
            work = Path(folder)
            manifest, kernel, self.bundle = self._bundle(self.path, work, say)
            extract(self.bundle.path, work / "bundle")
            older = None
            if self.old is not None:
                _, _, before = self._bundle(self.old, work, say, kernel=kernel.release)
                extract(before.path, work / "older")
                older = Extracted(bundle=before, files=work / "older")
            else:
                manifest = manifest or manifest_kept(load(work / "bundle/manifest.yaml"))
                self.predicted = predict_steps(manifest, self.bundle)
            say(f"booting {kernel.release} in a private guest")
            initramfs = initramfs_for(kernel, self.builder)
            try:
                with boot(
                    kernel,
                    work=work / "g",
                    initramfs=initramfs,
                    cmdline=self.bundle.test.boot,
                ) as host:
                    try:
                        load_modules(host, self.bundle, kernel)
                        yield from self._run(host, work / "bundle", say, older)
                    except LostHost as error:
                        if found := host.faults():
                            raise ConsoleFault(
                                "the guest's kernel died of this:\n  " + "\n  ".join(found)
                            ) from error
                        raise
            except (ConsoleFault, LostHost) as error:
                self._keep_console(work / "g")
                error.hint = f"the whole console: {self.console}"
                raise
            finally:
                self._keep_console(work / "g")

    def _bundle(
        self, path: Path, work: Path, say: Say, *, kernel: str | None = None
    ) -> tuple[Manifest | None, Kernel, Bundle]:
        """Return the manifest (None for a finished bundle), the kernel and the bundle.

        ``kernel``: test on exactly this one.
        """
        from lppack.distributions import open_distribution
        from lppack.stages import bundle as bundles
        from lppack.stages.agreement import verify

        kernel = kernel or self.kernel
        if path.suffix == bundles.SUFFIX:
            files = bundles.contents(path)
            bundle = bundles.parse(path, files)
            verify(bundle, files)
            return None, open_distribution().kernels.resolve(kernel or bundle.release, ()), bundle
        plan = make_plan(
            path,
            kernel=kernel,
            engine=self.engine,
            mode=self.mode,
            test_points=self.test_points,
        )
        self.warnings += plan.warnings
        for warning in plan.warnings:
            say(str(warning))
        say(f"building {plan.name} {plan.version} for {plan.kernel.release}")
        lines: list[str] = []
        try:
            built = make_bundle(plan, work, builder=self.builder, on_line=lines.append)
        except BuildFailed:
            for line in lines:
                say(f"  | {line}")
            raise
        return plan.manifest, plan.kernel, built.bundle

    def _run(
        self, host: "GuestHost", files: Path, say: Say, older: "Extracted | None"
    ) -> "Iterator[StepResult]":
        from lppack.engines.kernel import KernelEngines
        from lppack.stages.apply import Control
        from lppack.stages.test import test

        assert self.bundle is not None
        engine = KernelEngines(host, self.bundle.engine)
        control = Control(engine=engine, host=host, timeout=self.timeout, say=say)
        try:
            for step in test(control, host, self.bundle, files, older=older):
                self.steps_done.append(step)
                yield step
        except ApplyReversed:
            self._reversed = True
            raise

    def _keep_console(self, folder: Path) -> None:
        assert self.bundle is not None
        console = folder / "console.log"
        if console.exists():
            name = f"{self.bundle.series}-{self.bundle.version}_{self.bundle.release}.log"
            self.console = store.cache_dir() / "consoles" / name
            store.write_atomic(self.console, console.read_bytes())
