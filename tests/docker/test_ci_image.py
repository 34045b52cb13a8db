# SPDX-License-Identifier: MIT
"""The image for pipelines: complete without a network, and it builds the same bytes as this
machine."""

import json
from collections.abc import Mapping
from pathlib import Path

import docker
import pytest
from docker.types import Mount

from lppack import __version__, store
from lppack.builders import docker_engine
from lppack.debian import kernels
from lppack.debian.supported import releases_of
from tests.kit.command import EXAMPLES, lppack
from tools import ci_image

pytestmark = pytest.mark.docker

INSIDE = "/opt/lppack/examples"
CACHE = "/var/cache/lppack"  # where lppack looks as root


@pytest.fixture(scope="module")
def image() -> str:
    """Made once for what is in the checkout."""
    return ci_image.ensure()


def run(image: str, *words: str, mounts: Mapping[str, Path] | None = None) -> str:
    """What ``lppack WORDS`` prints on stdout in a container without network."""
    with docker_engine.connect() as client:
        out = client.containers.run(
            image,
            list(words),
            network_mode="none",
            remove=True,
            labels={docker_engine.LABEL: docker_engine.owner()},
            mounts=[
                Mount(inside, str(path.resolve()), type="bind", read_only=True)
                for inside, path in (mounts or {}).items()
            ],
        )
    assert isinstance(out, bytes)
    return out.decode()


def test_it_is_made_once_for_one_content(image: str) -> None:
    assert ci_image.ensure() == image
    with docker_engine.connect() as client:
        assert ci_image.look(client, ci_image.content()) == image
        assert ci_image.look(client, "another content") is None


def test_it_tells_its_version(image: str) -> None:
    assert run(image, "--version") == f"lppack, version {__version__}\n"


def test_it_validates_the_examples_that_travel_in_it(image: str) -> None:
    said = run(
        image, "validate", f"{INSIDE}/proc-cmdline", f"{INSIDE}/conn-limit", "--format", "json"
    )
    nothing: dict[str, list[str]] = {"kernels": [], "inlining_unchecked": [], "problems": []}
    assert json.loads(said) == {"ok": True, **nothing}


def test_a_manifest_that_is_wrong_fails_the_step(image: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.yaml").write_text("lppack: 1\n")
    with pytest.raises(docker.errors.ContainerError) as caught:
        run(image, "validate", "/patch", mounts={"/patch": tmp_path})
    assert caught.value.exit_status == 3


def test_it_builds_the_same_module_as_this_machine(image: str, tmp_path: Path) -> None:
    tree = kernels.resolve(None, [releases_of()]).root
    place = f"{CACHE}/kernels/{tree.name}"
    words = ("build", "--builder", "host", "--format", "json", "--kernel")
    said = run(image, *words, place, f"{INSIDE}/proc-cmdline", mounts={place: tree})
    [there] = json.loads(said)["bundles"]
    assert not there["cached"], "or nothing was compared"
    # A cache of its own: what this machine builds is built now, too.
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    ran = lppack(*words, tree, EXAMPLES / "proc-cmdline", "-o", tmp_path, env=cache)
    assert ran.rc == 0, ran.err
    [here] = ran.json["bundles"]
    assert not here["cached"]
    assert there["module_sha256"] == here["module_sha256"]
    assert tree.is_relative_to(store.cache_dir())
