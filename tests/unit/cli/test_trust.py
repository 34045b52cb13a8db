# SPDX-License-Identifier: MIT
"""sign and verify, as they print."""

from pathlib import Path

from tests.kit.cli import cli
from tests.kit.keys import ALICE, allow, make_key


def test_who_signed(bundle: Path, tmp_path: Path) -> None:
    key = make_key(tmp_path, "key")
    assert cli("sign", bundle, "--key", key).out == f"{bundle}.sig\n"
    signers = allow(tmp_path, key)
    ran = cli("verify", bundle, "--signers", signers)
    assert (ran.rc, ran.out) == (0, f"{bundle}: signed by {ALICE}\n")


def test_of_two_the_unsigned_is_named(bundle: Path, tmp_path: Path) -> None:
    key = make_key(tmp_path, "key")
    signers = allow(tmp_path, key)
    cli("sign", bundle, "--key", key)
    other = tmp_path / "other.lpp"
    other.write_bytes(bundle.read_bytes())
    ran = cli("verify", bundle, other, "--signers", signers, "--format", "json")
    assert ran.rc == 9
    signed, unsigned = ran.json["bundles"]
    assert (signed["signer"], unsigned["signer"]) == (ALICE, None)
    text = cli("verify", bundle, other, "--signers", signers)
    assert f"{other}: {unsigned['reason']}" in text.out


def test_a_key_that_is_not_there(bundle: Path, tmp_path: Path) -> None:
    ran = cli("sign", bundle, "--key", tmp_path / "none")
    assert (ran.rc, ran.out) == (4, "")
    assert "none" in ran.err
    assert not bundle.with_name(bundle.name + ".sig").exists()


def test_nothing_to_sign_is_wrong_usage(tmp_path: Path) -> None:
    assert cli("sign", "--key", tmp_path / "key").rc == 2
