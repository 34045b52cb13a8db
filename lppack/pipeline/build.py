# SPDX-License-Identifier: MIT
"""From a plan to a bundle."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lppack.model import Bundle, Plan, SourceTree
from lppack.proc import Say
from lppack.written import Written, need_folder, writing_to

if TYPE_CHECKING:
    from lppack.builders.protocol import Builder


def open_builder(name: str, on_line: Say, *, elsewhere: bool = False) -> "Builder":
    """Return the builder ``docker`` or ``host``; ``elsewhere``: with another user's environment."""
    if name == "host":
        from lppack.builders.host import HostBuilder

        return HostBuilder(on_line, elsewhere=elsewhere)
    from lppack.builders.container import ContainerBuilder

    return ContainerBuilder(on_line, elsewhere=elsewhere)


def make_tree(plan: Plan) -> SourceTree:
    """Generate the source tree of ``plan``."""
    from lppack.stages.generate import generate

    return generate(plan)


def build_modules(trees: Sequence[SourceTree], builder: str, work: Path, jobs: int) -> None:
    """Build the modules of one kernel below ``work``, for make_bundle().

    ``jobs`` such runs share the processors.
    """
    from lppack.stages.build import build_together

    work.mkdir()
    share = max((os.cpu_count() or 1) // jobs, 1)
    build_together(trees, open_builder(builder, lambda _line: None), work, share)


def write_tree(tree: SourceTree, folder: Path, *, force: bool = False) -> None:
    """Write the tree below ``folder``. Raise EnvironmentMissing if the folder has other files."""
    copies = {name: source.read_bytes() for name, source in tree.copies}
    texts = {name: text.encode() for name, text in tree.files}
    Written(folder, force=force, by="generate").put(texts | copies)


def check_output(folder: Path) -> None:
    """Raise EnvironmentMissing, before the build, if ``folder`` cannot take a bundle."""
    need_folder(folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    bundle: Bundle
    cached: bool
    seconds: float

    @property
    def path(self) -> Path:
        return self.bundle.path


def make_bundle(
    plan: Plan,
    folder: Path,
    *,
    builder: str,
    on_line: Say,
    released: Sequence[tuple[str, str]] = (),
    sign_key: Path | None = None,
    sign_cert: Path | None = None,
    options: Mapping[str, Any] = MappingProxyType({}),
    check: bool = False,
    tree: SourceTree | None = None,
    ready: Path | None = None,
) -> Built:
    """Generate, build, link, sign if there is a key, and write the bundle.

    ``options``: for the provenance. ``check``: build twice; raise NotTheSame if the builds differ.
    ``tree``: the result of generate. ``ready``: folder in which it was built together with others.
    """
    from lppack.stages.build import build
    from lppack.stages.bundle import read
    from lppack.stages.bundling import bundle
    from lppack.stages.generate import generate
    from lppack.stages.link import link
    from lppack.stages.sign import Signer, sign

    tree = tree or generate(plan)
    made = build(tree, open_builder(builder, on_line), ready=ready)
    if check:
        from lppack.stages.same import compare

        compare(made, tree, open_builder(builder, on_line, elsewhere=True))
    module = link(made)
    if sign_key and sign_cert:
        module = sign(module, Signer(key=sign_key, certificate=sign_cert))
    with writing_to(folder):
        path = bundle(module, tree, folder, released=released, options=options)
    return Built(bundle=read(path), cached=module.cached, seconds=module.seconds)
