# SPDX-License-Identifier: MIT
"""Build the container image of lppack for CI, unless there is one with the same content."""

import argparse
import hashlib
import io
import os
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lppack import __version__, proc, resources, store
from lppack.builders import docker_engine, image, stream
from lppack.clock import Deadline
from lppack.errors import EnvironmentMissing, LppackError

if TYPE_CHECKING:
    import docker

ROOT = Path(__file__).parent.parent
NAME = f"lppack:{__version__}"
SUITE = "bookworm"
LABEL = "lppack.content"

_TEMPLATE = "container/lppack.Dockerfile.j2"
_SOURCES = ("pyproject.toml", "README.md", "LICENSES", "lppack", "schemas", "templates", "examples")
_LIMIT = 1800.0  # seconds for the image; pip has 600 for each command
# For the interpreter and the C library of the image, not of this machine.
_TARGET = ("--python-version", "3.11", "--implementation", "cp")
_PLATFORMS = ("manylinux_2_17_x86_64", "manylinux2014_x86_64", "manylinux_2_28_x86_64")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The values that the Dockerfile's template uses."""

    base: str


def ensure(*, fresh: bool = False) -> str:
    """Return the id of image NAME; build it if the checkout has changed, or with ``fresh``."""
    wanted = content()
    with docker_engine.connect() as client, store.locked(store.cache_dir() / "images/lppack.lock"):
        if not fresh and (found := look(client, wanted)):
            return found
        base = image.base(client, SUITE, on_line=_say)
        with tempfile.TemporaryDirectory(prefix="lppack-image-") as folder:
            wheels = Path(folder) / "wheels"
            _collect(wheels)
            _build(client, _context(base, wheels), wanted, fresh=fresh)
        made = look(client, wanted)
    if made is None:
        raise EnvironmentMissing(f"the Docker engine has lost image {NAME} right after its build")
    return made


def content() -> str:
    """Return a hash of the files of the checkout that go into the image, not of dependencies."""
    digest = hashlib.sha256()
    for name in _SOURCES:
        top = ROOT / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"\0{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def look(client: "docker.DockerClient", wanted: str) -> str | None:
    """Return the id of image NAME if it was built from the content ``wanted``, else None."""
    from docker.errors import ImageNotFound

    with docker_engine.errors():
        try:
            found = client.images.get(NAME)
        except ImageNotFound:
            return None
    return str(found.id) if found.labels.get(LABEL) == wanted else None


def _collect(wheels: Path) -> None:
    """Collect the wheels of lppack and of all that it needs: the image's pip uses no network."""
    pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    _say("building the wheel")
    _run([sys.executable, "-m", "build", "--wheel", "--outdir", str(wheels), str(ROOT)], pip)
    [own] = wheels.glob("lppack-*.whl")
    _say("downloading the wheels that it needs")
    platforms = [word for name in _PLATFORMS for word in ("--platform", name)]
    words = ["download", "--only-binary=:all:", *_TARGET, *platforms, "--dest", str(wheels)]
    _run([sys.executable, "-m", "pip", *words, f"{own}[author]"], pip)


def _run(argv: list[str], env: dict[str, str]) -> None:
    done = proc.run(argv, limit=600, env=env)
    if not done.ok:
        raise EnvironmentMissing(done.summary(tail=15))


def _context(base: str, wheels: Path) -> bytes:
    """Return a tar of the Dockerfile and the wheels; the same files give the same bytes."""

    def plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
        info.uid = info.gid = info.mtime = 0
        info.uname = info.gname = ""
        info.mode = 0o755 if info.isdir() else 0o644
        return info

    packed = io.BytesIO()
    text = resources.render(_TEMPLATE, image=Recipe(base=base)).encode()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        dockerfile = tarfile.TarInfo("Dockerfile")
        dockerfile.size = len(text)
        archive.addfile(plain(dockerfile), io.BytesIO(text))
        for wheel in sorted(wheels.glob("*.whl")):
            archive.add(wheel, f"wheels/{wheel.name}", filter=plain)
    return packed.getvalue()


def _build(client: "docker.DockerClient", context: bytes, wanted: str, *, fresh: bool) -> None:
    _say(f"building {NAME}")
    said: list[str] = []
    with image.patient(client, _LIMIT):
        events: Iterator[dict[str, Any]] = client.api.build(
            fileobj=io.BytesIO(context),
            custom_context=True,
            tag=NAME,
            network_mode="host",  # a bridge may have no route to the network
            rm=True,
            forcerm=True,
            nocache=fresh,
            decode=True,
            buildargs={word: os.environ[word] for word in image.PROXIES if word in os.environ},
            labels={LABEL: wanted},
        )
        try:
            for event in stream.until(Deadline(_LIMIT), docker_engine.guarded(events)):
                said += str(event.get("stream") or event.get("error") or "").splitlines()
                if "error" in event:
                    raise _failed(said)
        except TimeoutError:
            said.append(f"no end in {_LIMIT:.0f} s")
            raise _failed(said) from None


def _failed(said: list[str]) -> EnvironmentMissing:
    tail = "\n".join(f"  {line}" for line in said[-15:])
    return EnvironmentMissing(f"{NAME} cannot be built\n{tail}", hint="check the network")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fresh", action="store_true", help="make it anew, with newest packages")
    try:
        found = ensure(fresh=parser.parse_args().fresh)
    except LppackError as error:
        _say(f"ci_image: {error.message}" + (f"\n  hint: {error.hint}" if error.hint else ""))
        return error.exit_code
    print(f"{NAME} {found}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
