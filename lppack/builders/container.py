# SPDX-License-Identifier: MIT
"""Build in a container that can only compile."""

import contextlib
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lppack import entries, proc, store
from lppack.builders import docker_engine, headers, image, stream
from lppack.builders.protocol import ELSEWHERE, ENVIRONMENT, OnLine, compiler_of, elsewhere
from lppack.clock import Deadline
from lppack.distributions import open_distribution
from lppack.errors import BuildFailed, EnvironmentMissing
from lppack.model import Kernel

if TYPE_CHECKING:
    import docker
    from docker.models.containers import Container
    from docker.types import Mount

WORK = "/build"
_OTHER_WORK = "/srv/another/place"
SOURCES = "/usr/src/linux-source"
MEMORY = "2g"
PIDS = 512
_BUILDER_ID = 1000  # where the work directory belongs to root
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class ContainerBuilder:
    name = "docker"

    def __init__(
        self,
        on_line: OnLine | None = None,
        *,
        base_url: str | None = None,
        elsewhere: bool = False,
    ) -> None:
        """``elsewhere``: build with another directory, user and host name."""
        self._on_line = on_line
        self._base_url = base_url
        self._elsewhere = elsewhere
        self._images: dict[tuple[str, str], image.ContainerImage] = {}
        self._identities: dict[Kernel | None, dict[str, str]] = {}

    @contextlib.contextmanager
    def open(
        self, work: Path, kernel: Kernel | None, *, sources: Path | None = None
    ) -> Iterator["ContainerSite"]:
        """Yield a site in ``work``, which is /build for the commands; each command has its own
        container."""
        compiler = compiler_of(kernel)
        parts = headers.find(kernel).parts if kernel else ()
        own = parts[0].installed if parts else ""
        if sources is not None:
            parts += (headers.HeaderPart(path=sources.resolve(), installed=SOURCES),)
        with docker_engine.connect(self._base_url) as client:
            docker_engine.sweep(client)
            made = self._image(client, kernel)
            with _owned(work.resolve(), self._elsewhere) as user:
                yield ContainerSite(
                    client=client,
                    image=made.id,
                    source=work.resolve(),
                    parts=parts,
                    kernel=own,
                    sources=SOURCES if sources is not None else "",
                    compiler=compiler,
                    user=user,
                    work=_OTHER_WORK if self._elsewhere else WORK,
                    elsewhere=self._elsewhere,
                    on_line=self._on_line,
                )

    def identity(self, kernel: Kernel | None = None) -> dict[str, str]:
        if kernel not in self._identities:
            self._identities[kernel] = self._identify(kernel)
        return self._identities[kernel]

    def _identify(self, kernel: Kernel | None) -> dict[str, str]:
        compiler = compiler_of(kernel)
        with docker_engine.connect(self._base_url) as client:
            made = self._image(client, kernel)
            # An image never changes: its compiler is queried once.
            asked = store.cache_dir() / "images" / f"{made.id.removeprefix('sha256:')}.compiler"

            def ask(draft: Path) -> None:
                site = ContainerSite(client=client, image=made.id, compiler=compiler)
                done = site.run([compiler, "--version"], limit=60)
                if not done.ok:
                    raise EnvironmentMissing(done.summary())
                draft.write_text(done.out.partition("\n")[0])

            entries.ensure_file(asked, ask)
        return {
            "builder": self.name,
            "compiler": asked.read_text(),
            "image": made.name,
            "image_id": made.id,
        }

    def _image(self, client: "docker.DockerClient", kernel: Kernel | None) -> image.ContainerImage:
        key = (_suite(kernel), compiler_of(kernel))
        if key not in self._images:
            self._images[key] = image.ensure(client, *key, on_line=self._on_line)
        return self._images[key]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSite:
    client: "docker.DockerClient"
    image: str
    source: Path | None = None  # None: no work directory; /build is part of the image, read-only
    parts: tuple[headers.HeaderPart, ...] = ()
    work: str = WORK
    kernel: str = ""
    sources: str = ""
    compiler: str
    user: tuple[int, int] = (_BUILDER_ID, _BUILDER_ID)
    elsewhere: bool = False
    on_line: OnLine | None = None

    def run(self, argv: Sequence[str], *, limit: float) -> proc.Done:
        start = time.monotonic()
        deadline = Deadline(limit)
        said: list[str] = []
        timed_out = False
        with self._container(argv) as container:
            with docker_engine.errors():
                # Attach before the start, so that no line is lost.
                chunks = container.attach(stream=True, stdout=True, stderr=True)
                container.start()
            try:
                for line in stream.until(deadline, stream.lines(docker_engine.guarded(chunks))):
                    said.append(line)
                    if self.on_line:
                        self.on_line(line)
            except TimeoutError:
                timed_out = True
                _kill(container)
            with docker_engine.errors():
                rc = int(container.wait(timeout=10)["StatusCode"])
                container.reload()
                out_of_memory = bool(container.attrs["State"]["OOMKilled"])
        done = proc.logged(
            proc.Done(
                argv=tuple(argv),
                rc=rc,
                out="".join(f"{line}\n" for line in said),
                err="",
                seconds=time.monotonic() - start,
                timed_out=timed_out,
            )
        )
        # The exit code may be 0 even if the kernel killed a compiler.
        if out_of_memory:
            raise BuildFailed(
                f"out of memory: the build needs more than {MEMORY}\n{done.summary(tail=10)}",
                hint="split the source, or use --builder host",
            )
        return done

    @contextlib.contextmanager
    def _container(self, argv: Sequence[str]) -> Iterator["Container"]:
        from docker.types import LogConfig, Ulimit

        # lppack chooses the name, so that it can remove the container after an interrupt in
        # create().
        name = f"lppack-{os.getpid()}-{secrets.token_hex(6)}"
        try:
            store.journal("container", name)
            with docker_engine.errors():
                made = self.client.containers.create(
                    self.image,
                    list(elsewhere(argv) if self.elsewhere else argv),
                    name=name,
                    labels={docker_engine.LABEL: docker_engine.owner()},
                    user=f"{self.user[0]}:{self.user[1]}",
                    working_dir=self.work,
                    hostname="another-host" if self.elsewhere else None,
                    environment={
                        **(ELSEWHERE if self.elsewhere else ENVIRONMENT),
                        "PATH": _PATH,
                    },
                    network_mode="none",
                    read_only=True,
                    tmpfs={"/tmp": "rw,exec,nosuid,nodev,size=512m,mode=1777"},
                    cap_drop=["ALL"],
                    security_opt=["no-new-privileges"],
                    mem_limit=MEMORY,
                    memswap_limit=MEMORY,  # both the same: no swap
                    pids_limit=PIDS,
                    ulimits=[Ulimit(name="nofile", soft=1024, hard=1024)],
                    init=True,  # so that a kill reaches make's children
                    mounts=self._mounts(),
                    log_config=LogConfig(type=LogConfig.types.NONE),
                )
            yield made
        finally:
            _remove(self.client, name)

    def _mounts(self) -> list["Mount"]:
        from docker.types import Mount

        own = [] if self.source is None else [Mount(self.work, str(self.source), type="bind")]
        return own + [
            Mount(part.installed, str(part.path), type="bind", read_only=True)
            for part in self.parts
        ]


def _suite(kernel: Kernel | None) -> str:
    suite = kernel.suite if kernel else open_distribution().images.suite_here()
    if not suite:
        raise EnvironmentMissing(
            "no known Debian release to take the compiler from", hint="use --builder host"
        )
    return suite


def _kill(container: "Container") -> None:
    from docker.errors import APIError

    with contextlib.suppress(APIError):  # it may just have ended
        container.kill()


def _remove(client: "docker.DockerClient", name: str) -> None:
    from docker.errors import APIError

    # A container that cannot be removed now is removed at the next start.
    with contextlib.suppress(APIError, OSError):
        client.api.remove_container(name, v=True, force=True)


@contextlib.contextmanager
def _owned(work: Path, elsewhere: bool) -> Iterator[tuple[int, int]]:
    """Yield the user and group of the build, never root; they own ``work`` during the block."""
    info = work.stat()
    builder = _BUILDER_ID + 4321 if elsewhere else _BUILDER_ID
    user = (info.st_uid, info.st_gid) if info.st_uid else (builder, builder)
    if os.geteuid() != 0:
        yield user
        return
    _give(work, user)
    try:
        yield user
    finally:
        _give(work, (info.st_uid, info.st_gid))


def _give(top: Path, user: tuple[int, int]) -> None:
    for folder, folders, files in os.walk(top):
        for name in [*folders, *files]:
            os.chown(Path(folder) / name, *user, follow_symlinks=False)
    os.chown(top, *user)
