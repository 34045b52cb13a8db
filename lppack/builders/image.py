# SPDX-License-Identifier: MIT
"""The image with the compiler of a Debian release: reused, or built if it does not exist."""

import contextlib
import hashlib
import io
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lppack import proc, resources, store
from lppack.builders import docker_engine, stream
from lppack.builders.protocol import OnLine
from lppack.clock import Deadline
from lppack.distributions import open_distribution
from lppack.distributions.protocol import BaseRecipe
from lppack.errors import EnvironmentMissing

if TYPE_CHECKING:
    import docker

_PULL_LIMIT = 60.0
_BASE_LIMIT = 900.0
_BUILD_LIMIT = 900.0
PROXIES = ("http_proxy", "https_proxy", "no_proxy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The values for the Dockerfile's template."""

    base: str
    compiler: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerImage:
    name: str
    id: str


def ensure(
    client: "docker.DockerClient",
    suite: str,
    compiler: str,
    *,
    on_line: OnLine | None = None,
) -> ContainerImage:
    """Return the image with ``compiler`` from Debian ``suite``; building it takes a minute."""
    images = open_distribution().images
    official = images.official(suite)
    name = _name(suite, Recipe(base=official, compiler=compiler), official)
    own = images.own_base(suite)
    own_name = ""
    if own:
        recipe = Recipe(base=_base_name(suite, own), compiler=compiler)
        own_name = _name(suite, recipe, own.text)
    if found := _look(client, name) or (_look(client, own_name) if own else None):
        return found
    with store.locked(store.cache_dir() / "images" / f"{suite}.lock"):
        chosen = base(client, suite, on_line=on_line)
        name = name if chosen == official else own_name
        if found := _look(client, name):  # another process has built it meanwhile
            return found
        _build(client, name, Recipe(base=chosen, compiler=compiler), on_line)
        made = _look(client, name)
    if made is None:
        raise EnvironmentMissing(f"the Docker engine has lost image {name} right after its build")
    return made


def base(client: "docker.DockerClient", suite: str, *, on_line: OnLine | None = None) -> str:
    """Return the name of a plain image of ``suite``: the official one, or one built here."""
    images = open_distribution().images
    official = images.official(suite)
    if _look(client, official) or _pull(client, official, on_line):
        return official
    own = images.own_base(suite)
    if own is None:
        raise EnvironmentMissing(
            f"no image {official}, and no package source for {suite} here to make one",
            hint=f"run: docker pull {official}, or use --builder host",
        )
    name = _base_name(suite, own)
    if _look(client, name) is None:
        _make_base(client, name, own, on_line)
    return name


def render(recipe: Recipe) -> str:
    """Return the Dockerfile."""
    return resources.render(open_distribution().images.DOCKERFILE, image=recipe)


def _name(suite: str, recipe: Recipe, base_recipe: str) -> str:
    return f"lppack-kbuild:{suite}-{_hash(render(recipe) + base_recipe)}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _look(client: "docker.DockerClient", name: str) -> ContainerImage | None:
    from docker.errors import ImageNotFound

    with docker_engine.errors():
        try:
            return ContainerImage(name=name, id=str(client.images.get(name).id))
        except ImageNotFound:
            return None


def _pull(client: "docker.DockerClient", name: str, on_line: OnLine | None) -> bool:
    from docker.errors import APIError

    repository, _, tag = name.partition(":")
    try:
        for event in stream.until(
            Deadline(_PULL_LIMIT), client.api.pull(repository, tag=tag, stream=True, decode=True)
        ):
            if "error" in event:
                return False
            if on_line and "progress" not in event:
                on_line(str(event.get("status", "")))
    except (APIError, OSError):  # TimeoutError and requests' errors are OSErrors
        return False
    return _look(client, name) is not None


def _base_name(suite: str, own: BaseRecipe) -> str:
    return f"lppack-base:{suite}-{_hash(own.text)}"


def _make_base(
    client: "docker.DockerClient", name: str, base: BaseRecipe, on_line: OnLine | None
) -> None:
    if on_line:
        on_line(f"making {name} with {base.command[0]} from this machine's package sources")
    with store.temporary("image-") as draft:
        tar = draft / "base.tar"
        done = proc.run(
            [*base.command, str(tar), *map(str, base.files)],
            limit=_BASE_LIMIT,
            env={"TMPDIR": tempfile.gettempdir()},
        )
        if not done.ok:
            raise EnvironmentMissing(
                f"no base image: {done.summary(tail=8)}",
                hint="check the network, or use --builder host",
            )
        repository, _, tag = name.partition(":")
        with docker_engine.errors(), patient(client, _BASE_LIMIT):
            client.api.import_image_from_file(str(tar), repository=repository, tag=tag)


def _build(
    client: "docker.DockerClient", name: str, recipe: Recipe, on_line: OnLine | None
) -> None:
    said: list[str] = []
    if on_line:
        on_line(f"building {name}")
    with patient(client, _BUILD_LIMIT):
        events: Iterator[dict[str, Any]] = client.api.build(
            fileobj=io.BytesIO(render(recipe).encode()),
            tag=name,
            network_mode="host",  # a bridge may have no access to the network
            rm=True,
            forcerm=True,
            decode=True,
            buildargs={word: os.environ[word] for word in PROXIES if word in os.environ},
            labels={"lppack.compiler": recipe.compiler},
        )
        try:
            for event in stream.until(Deadline(_BUILD_LIMIT), docker_engine.guarded(events)):
                for line in str(event.get("stream") or event.get("error") or "").splitlines():
                    said.append(line)
                    if on_line:
                        on_line(line)
                if "error" in event:
                    raise _build_failed(name, said)
        except TimeoutError:
            said.append(f"no end in {_BUILD_LIMIT:.0f} s")
            raise _build_failed(name, said) from None


def _build_failed(name: str, said: list[str]) -> EnvironmentMissing:
    tail = "\n".join(f"  {line}" for line in said[-10:])
    return EnvironmentMissing(
        f"the compiler image {name} cannot be built\n{tail}",
        hint="check the network, or use --builder host",
    )


@contextlib.contextmanager
def patient(client: "docker.DockerClient", limit: float) -> Iterator[None]:
    """Allow requests in the block to take ``limit`` seconds: an import, a silent build step."""
    before = client.api.timeout
    client.api.timeout = int(limit)
    try:
        yield
    finally:
        client.api.timeout = before
