# SPDX-License-Identifier: MIT
"""Signatures of bundles: made and checked by the real ssh-keygen."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lppack.cli.main import commands
from lppack.errors import EnvironmentMissing
from lppack.pipeline.operate import check_bundle
from lppack.pipeline.package import package_bundle
from lppack.stages import trust
from lppack.stages.bundle import BadBundle
from lppack.stages.trust import NotTrusted, sign, signature_of, verify
from tests.kit.bundles import MANIFEST, made, put, repacked
from tests.kit.command import check_shape
from tests.kit.keys import ALICE, allow, make_key


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(trust, "POLICY", tmp_path / "no-such-policy")
    return made(tmp_path / "in", tmp_path)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return make_key(tmp_path, "key")


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(commands, list(map(str, words)))


def apply(bundle: Path, *words: str | Path) -> Result:
    return run("apply", bundle, "--engine", "simulated", "--format", "json", *words)


def nothing_is_live() -> bool:
    shown = run("status", "--engine", "simulated", "--format", "json")
    return bool(json.loads(shown.stdout)["patches"] == [])


def test_sign_verify_and_apply(bundle: Path, key: Path, tmp_path: Path) -> None:
    signers = allow(tmp_path, key, options='namespaces="lppack-bundle"')
    signed = run("sign", bundle, "--key", key, "--format", "json")
    check_shape("signed", json.loads(signed.stdout))
    shown = run("verify", bundle, "--signers", signers, "--format", "json")
    check_shape("signed", json.loads(shown.stdout))
    assert json.loads(shown.stdout)["bundles"][0]["signer"] == ALICE
    assert run("verify", bundle, "--signers", signers).stdout == f"{bundle}: signed by {ALICE}\n"
    applied = apply(bundle, "--signers", signers)
    assert applied.exit_code == 0, applied.exception


@pytest.mark.parametrize(
    ("lines", "runs"),
    [
        ("{key}", ["verify"]),
        ("bob@example.org {other}\n# {key}\n{key}", ["verify"]),
        ("{key}\n{key}", ["find-principals", "verify"]),
        ('"alice@example.org" {bare}', ["find-principals", "verify"]),
        ("*@example.org {bare}", ["find-principals", "verify"]),
    ],
)
def test_the_signer_is_searched_for_where_it_is_not_plain(
    bundle: Path,
    key: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    lines: str,
    runs: list[str],
) -> None:
    """Each run of ssh-keygen is a tenth of the time that an apply takes."""
    caplog.set_level("INFO", logger="lppack.proc")
    line = allow(tmp_path, key).read_text().strip()
    other = Path(f"{make_key(tmp_path, 'other')}.pub").read_text().strip()
    signers = tmp_path / "signers"
    signers.write_text(lines.format(key=line, bare=line.partition(" ")[2], other=other) + "\n")
    data = bundle.read_bytes()
    sign(bundle, data, key)
    caplog.clear()
    assert verify(bundle, data, signers).endswith("@example.org")
    assert [word for word in caplog.text.split() if word in ("find-principals", "verify")] == runs


def test_a_key_that_may_not_sign_any_more_is_refused(
    bundle: Path, key: Path, tmp_path: Path
) -> None:
    data = bundle.read_bytes()
    sign(bundle, data, key)
    for option in ('valid-before="20200101"', 'namespaces="file"', "cert-authority"):
        with pytest.raises(NotTrusted):
            verify(bundle, data, allow(tmp_path, key, options=option))


@pytest.mark.parametrize("which", ["x.lpp", "bundle.sig", "signers", "x.ko"])
def test_a_pipe_is_not_waited_for(bundle: Path, key: Path, tmp_path: Path, which: str) -> None:
    sign(bundle, bundle.read_bytes(), key)
    signers = allow(tmp_path, key)
    pipe = {"bundle.sig": signature_of(bundle)}.get(which, tmp_path / which)
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)
    words = {
        "x.lpp": ["apply", pipe],
        "bundle.sig": ["apply", bundle, "--signers", signers],
        "signers": ["apply", bundle, "--signers", pipe],
        "x.ko": ["adopt", pipe],
    }[which]
    on = ["--on", "simulated"] if words[0] == "apply" else []
    argv = [sys.executable, "-m", "lppack", *map(str, words), *on]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert done.returncode == 4
    assert f"{pipe} is not an ordinary file" in done.stderr


def test_what_does_not_agree_is_not_signed(bundle: Path, key: Path) -> None:
    """Where its signer is trusted, apply does not read the manifest again."""
    wrong = put("manifest.yaml", MANIFEST.replace(b"version: 2", b"version: 3"))
    refused = run("sign", repacked(bundle, wrong), "--key", key)
    assert isinstance(refused.exception, BadBundle)
    assert "version: the manifest says 3, the plan 2" in refused.exception.message


def test_the_same_key_signs_again(bundle: Path, key: Path) -> None:
    for _ in range(2):
        assert run("sign", bundle, "--key", key).exit_code == 0


def test_where_there_is_a_policy_nothing_unsigned_is_applied(
    bundle: Path, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert apply(bundle, "--dry-run").exit_code == 0, "without a policy, nothing need be signed"
    monkeypatch.setattr(trust, "POLICY", allow(tmp_path, key))
    for words in ([], ["--dry-run"]):
        refused = apply(bundle, *words)
        assert isinstance(refused.exception, NotTrusted)
        assert refused.exception.reason == "unsigned"
    sign(bundle, bundle.read_bytes(), key)
    assert apply(bundle, "--dry-run").exit_code == 0
    trust.POLICY.chmod(0)
    trust.POLICY.unlink()
    trust.POLICY.symlink_to(tmp_path / "gone")
    broken = apply(bundle)
    assert isinstance(broken.exception, EnvironmentMissing), "a broken policy is no open door"
    assert nothing_is_live()


@pytest.mark.slow
def test_a_byte_that_was_changed_is_found_wherever_it_is(
    bundle: Path, key: Path, tmp_path: Path
) -> None:
    """Also where the checksums inside do not look: in what zip says of each file."""
    signers, data = allow(tmp_path, key), bundle.read_bytes()
    sign(bundle, data, key)
    assert verify(bundle, data, signers) == ALICE
    for at in range(0, len(data), max(1, len(data) // 40)):
        changed = bytearray(data)
        changed[at] ^= 1 << (at % 8)
        with pytest.raises(NotTrusted) as caught:
            verify(bundle, bytes(changed), signers)
        assert caught.value.reason == "wrong-signature"
    for longer in (data + b"\0", data[:-1]):
        with pytest.raises(NotTrusted):
            verify(bundle, longer, signers)


def test_what_was_changed_is_not_even_opened(
    bundle: Path, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signers = allow(tmp_path, key)
    sign(bundle, bundle.read_bytes(), key)
    bundle.write_bytes(bundle.read_bytes() + b"\0")

    def opened(*_: Any) -> None:
        pytest.fail("it was unpacked before its signature was checked")

    monkeypatch.setattr("lppack.stages.bundle.contents", opened)
    refused = apply(bundle, "--signers", signers)
    assert isinstance(refused.exception, NotTrusted)
    assert nothing_is_live()


def _another_key(bundle: Path, folder: Path) -> None:
    sign(bundle, bundle.read_bytes(), make_key(folder, "other"))


def _another_use(bundle: Path, folder: Path) -> None:
    words = ["ssh-keygen", "-Y", "sign", "-q", "-f", str(folder / "key"), "-n", "file"]
    done = subprocess.run(words, input=bundle.read_bytes(), capture_output=True, check=True)
    signature_of(bundle).write_bytes(done.stdout)


def _another_bundle(bundle: Path, folder: Path) -> None:
    sign(bundle, b"the bytes of another bundle", folder / "key")


@pytest.mark.parametrize(
    ("forge", "reason"),
    [
        (_another_key, "unknown-signer"),
        (_another_use, "wrong-signature"),
        (_another_bundle, "wrong-signature"),
        (lambda bundle, _: signature_of(bundle).write_text("no signature\n"), "wrong-signature"),
        (lambda bundle, _: signature_of(bundle).write_text("x" * 99999), "wrong-signature"),
        (lambda bundle, _: signature_of(bundle).unlink(missing_ok=True), "unsigned"),
    ],
)
def test_a_signature_that_does_not_hold(
    bundle: Path, key: Path, tmp_path: Path, forge: Callable[[Path, Path], object], reason: str
) -> None:
    forge(bundle, tmp_path)
    with pytest.raises(NotTrusted) as caught:
        verify(bundle, bundle.read_bytes(), allow(tmp_path, key))
    assert (caught.value.reason, caught.value.exit_code) == (reason, 9)


def test_a_key_for_other_files_may_not_sign_bundles(
    bundle: Path, key: Path, tmp_path: Path
) -> None:
    sign(bundle, bundle.read_bytes(), key)
    for options in ('namespaces="git"', 'valid-before="20200101"'):
        with pytest.raises(NotTrusted):
            verify(bundle, bundle.read_bytes(), allow(tmp_path, key, options=options))


@pytest.mark.parametrize("line", ["garbage here", "a@b ssh-ed25519 AAAAgarbage", "a@b x= ssh"])
def test_a_line_that_cannot_be_read_is_named(
    bundle: Path, key: Path, tmp_path: Path, line: str
) -> None:
    """It may be the one of this very signer; where another line is, it is no matter."""
    data = bundle.read_bytes()
    sign(bundle, data, key)
    signers = tmp_path / "signers"
    signers.write_text(f"{line}\n")
    with pytest.raises(EnvironmentMissing, match="signers cannot be read: .*signers:1: "):
        verify(bundle, data, signers)
    signers.write_text(f"{line}\n{allow(tmp_path, key).read_text()}")
    assert verify(bundle, data, signers) == ALICE


def test_the_key_of_an_unknown_signer_is_named(bundle: Path, key: Path, tmp_path: Path) -> None:
    sign(bundle, bundle.read_bytes(), key)
    other = allow(tmp_path, make_key(tmp_path, "other"))
    with pytest.raises(NotTrusted, match="is signed with ED25519 key SHA256:"):
        verify(bundle, bundle.read_bytes(), other)


def test_the_signature_of_another_is_not_replaced_unasked(
    bundle: Path, key: Path, tmp_path: Path
) -> None:
    other = make_key(tmp_path, "other")
    assert run("sign", bundle, "--key", key).exit_code == 0
    before = signature_of(bundle).read_bytes()
    refused = run("sign", bundle, "--key", other)
    assert isinstance(refused.exception, EnvironmentMissing)
    assert refused.exception.reason == "signed-by-another"
    assert signature_of(bundle).read_bytes() == before
    assert run("sign", bundle, "--key", other, "--force").exit_code == 0
    assert verify(bundle, bundle.read_bytes(), allow(tmp_path, other)) == ALICE
    signature_of(bundle).write_text("what somebody else has written")
    assert isinstance(run("sign", bundle, "--key", other).exception, EnvironmentMissing)


def test_verify_says_it_of_each(bundle: Path, key: Path, tmp_path: Path) -> None:
    signers = allow(tmp_path, key)
    copy = tmp_path / "copy.lpp"
    copy.write_bytes(bundle.read_bytes())
    sign(bundle, bundle.read_bytes(), key)
    ran = run("verify", copy, bundle, "--signers", signers)
    assert isinstance(ran.exception, NotTrusted)
    assert ran.stdout.splitlines() == [f"{copy}: unsigned", f"{bundle}: signed by {ALICE}"]
    as_json = run("verify", copy, bundle, "--signers", signers, "--format", "json").exception
    assert isinstance(as_json, NotTrusted) and as_json.report is not None
    assert [row["signer"] for row in as_json.report["bundles"]] == [None, ALICE]
    assert as_json.report["bundles"][0]["reason"] == "unsigned"


def test_no_key_no_program(
    bundle: Path, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(EnvironmentMissing, match="is not a file"):
        sign(bundle, b"", tmp_path / "none")
    key.write_text("no key")
    key.chmod(0o600)
    Path(f"{key}.pub").unlink()
    with pytest.raises(EnvironmentMissing, match="was not signed"):
        sign(bundle, b"", key)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EnvironmentMissing, match="ssh-keygen"):
        sign(bundle, b"", key)


def test_a_package_is_made_of_what_agrees_whoever_signed_it(
    bundle: Path, key: Path, tmp_path: Path
) -> None:
    """It has words of the manifest; what `apply` loads has not."""
    path = repacked(bundle, put("manifest.yaml", MANIFEST.replace(b"version: 2", b"version: 3")))
    sign(path, path.read_bytes(), key)
    signers = allow(tmp_path, key)
    assert check_bundle(path, signers).signer == ALICE
    with pytest.raises(BadBundle, match="the manifest says 3, the plan 2"):
        package_bundle(path, "deb", tmp_path, maintainer=None, irreversible=False, signers=signers)
