# SPDX-License-Identifier: MIT
"""What a command that died left beside its patch is found and removed, and nothing else is."""

from pathlib import Path

from lppack import abi
from lppack.consistency import EngineName
from lppack.engines.modules import DROP
from tests.kit.mortal import history, look, mortal, recovered, run


def test_leftovers_beside_a_patch_are_named_and_swept(tmp_path: Path) -> None:
    host = mortal(tmp_path)
    host.dropped[f"{DROP}/lppack_x_1.ko"] = Path("x")
    host.kernel.engine_api = abi.ENGINE_API
    found = look(host, EngineName.LIVEPATCH)
    assert found.leftovers == (
        f"{DROP}/lppack_x_1.ko was left by a command that died",
        "lppack_engine is loaded, and no patch needs it",
    )
    assert found.next == "lppack recover --on fake"
    recovered(host, EngineName.LIVEPATCH)
    assert host.dropped == {}
    assert host.kernel.engine_api is None
    assert history(host) == (), "to sweep is no change of a patch"


def test_an_engine_with_a_patch_is_no_leftover(tmp_path: Path) -> None:
    host = mortal(tmp_path)
    run(host, EngineName.CONSISTENCY, "apply")
    assert look(host, EngineName.CONSISTENCY).leftovers == ()
    recovered(host, EngineName.CONSISTENCY)
    assert host.kernel.engine_api is not None
