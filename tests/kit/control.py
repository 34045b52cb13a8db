# SPDX-License-Identifier: MIT
"""How the tests of apply, convert and revert drive the fake kernel."""

from dataclasses import replace
from pathlib import Path

from lppack.engines.livepatch import Livepatch
from lppack.proc import Say
from lppack.stages.apply import Control, silent
from tests.kit.fake_kernel import FakeHost, Patch, info

MODULE = "lppack_conn_limit_2"
KO = Path("lppack_conn_limit_2.ko")
TIMEOUT = 10.0


def control(host: FakeHost, say: Say = silent) -> Control:
    return Control(
        engine=Livepatch(host), host=host, timeout=TIMEOUT, clock=host.kernel.clock, say=say
    )


def patched(*, convert: bool = True, converts: bool = True) -> Patch:
    """conn-limit 2 some time after it was applied."""
    return Patch(
        info=info(converts=converts),
        complete=True,
        convert=convert and converts,
        converted=3 if convert and converts else 0,
    )


def stranger() -> Patch:
    return Patch(info=None, functions=("vmlinux/do_exit,1",), complete=True)


def snapshot(host: FakeHost) -> tuple[dict[str, str], dict[str, Patch], dict[str, Path]]:
    """All that a person could see of the host."""
    patches = {name: replace(patch) for name, patch in host.kernel.patches.items()}
    return host.files(), patches, dict(host.dropped)
