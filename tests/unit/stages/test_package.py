# SPDX-License-Identifier: MIT
"""Packages: what is in them, what cannot be packed, and that no word of the author's is run."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from lppack import proc
from lppack.consistency import EngineName
from lppack.errors import BuildFailed, EnvironmentMissing
from lppack.resources import render
from lppack.stages.package import Format, pack, package_of
from tests.kit import samples
from tests.kit.packages import KO, installed, package_in, unpacked


def test_a_deb_has_the_module_the_script_and_the_units(tmp_path: Path) -> None:
    deb = pack(package_in(tmp_path), Format.DEB, tmp_path / "w", tmp_path)
    name = "livepatch-conn-limit-6.1.0-56-amd64"
    files = unpacked(deb, tmp_path / "x")
    ko = f"usr/lib/modules/{samples.RELEASE}/updates/lppack/{name}/lppack_conn_limit_2.ko"
    assert {str(file) for file in files} == {
        ko,
        f"usr/lib/lppack/{name}/livepatch",
        *(f"usr/lib/systemd/system/{name}{part}" for part in (".service", "-settled.service")),
        f"usr/share/doc/{name}/changelog.gz",
        f"usr/share/doc/{name}/copyright",
    }
    assert (tmp_path / "x" / ko).read_bytes() == KO, "a byte less, and its signature is none"
    script = tmp_path / f"x/usr/lib/lppack/{name}/livepatch"
    assert script.stat().st_mode & 0o777 == 0o755
    for shell in (["sh", "-n", str(script)], ["sh", str(script)]):
        done = subprocess.run(shell, capture_output=True, text=True)
        assert (done.returncode, "usage: " in done.stderr) in ((0, False), (2, True))


def test_both_are_made_the_same_twice(tmp_path: Path) -> None:
    package = package_in(tmp_path)
    one = pack(package, Format.DEB, tmp_path / "1", tmp_path / "a").read_bytes()
    assert pack(package, Format.DEB, tmp_path / "2", tmp_path / "b").read_bytes() == one


def test_the_engine_goes_along(tmp_path: Path) -> None:
    package = package_in(tmp_path, engine=EngineName.CONSISTENCY)
    files = unpacked(pack(package, Format.DEB, tmp_path / "w", tmp_path), tmp_path / "x")
    assert [file.name for file in files if file.suffix == ".ko"] == [
        *("lppack_conn_limit_2.ko", "lppack_engine.ko")
    ]


@pytest.mark.parametrize(
    ("maintainer", "author"),
    [(None, "Jo Doe"), ("Jo <jo>", "Jo"), ("Jo\n <a@b>", "Jo"), ("%(id) <a@b>", "Jo")],
)
def test_a_package_needs_who_answers_for_it(
    tmp_path: Path, maintainer: str | None, author: str
) -> None:
    bundle = package_in(tmp_path).bundle
    manifest = samples.manifest(author=author)
    with pytest.raises(EnvironmentMissing, match="not a name and a mail") as caught:
        package_of(bundle, manifest, {}, maintainer=maintainer)
    assert "--maintainer" in str(caught.value.hint)


@pytest.mark.parametrize(
    "changes",
    [{"release": "6.1;id"}, {"release": "../6.1"}, {"kernel_version": "#1\nid"}],
)
def test_what_no_package_can_name_is_refused(tmp_path: Path, changes: dict[str, str]) -> None:
    with pytest.raises(EnvironmentMissing, match="a package cannot name"):
        package_in(tmp_path, **changes)


def test_no_word_of_the_author_is_run(tmp_path: Path) -> None:
    """By rpmbuild, which carries out %(...), or by the shell that runs the script."""
    package = replace(
        package_in(tmp_path, kernel_version="#1 'x' $(touch pwned) `id`"),
        summary="100 %(touch pwned) %{lua:x}",
        license="%(id)",
    )
    tree = tmp_path / "tree"
    spec = render("package/spec.j2", package=package, tree=tree, files=[])
    assert "%(touch" not in spec.replace("%%(touch", "")
    assert "%{lua" not in spec.replace("%%{lua", "")
    script = render("package/livepatch.j2", package=package)
    line = next(row for row in script.splitlines() if row.startswith("KERNEL="))
    done = subprocess.run(
        ["sh", "-c", f'{line}; printf %s "$KERNEL"'], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stdout == package.kernel
    assert not (tmp_path / "pwned").exists()


#: The script's own functions, on a kernel that takes the patch, and where nothing converts.
_NOT_CONVERTED = """
sed '/^COMMAND=apply/,$d' livepatch > functions
. ./functions
STATE=$PWD/state COMMAND=apply CODE=7 CONVERTS=yes loaded=absent
RELEASE=$(uname -r) KERNEL=$(uname -v)
lock() { :; }
switched_off() { return 1; }
phase() { echo $loaded; }
load() { loaded=patched; }
others() { :; }
event() { echo "event $1"; }
(start) && exit 1
cut -d ' ' -f 1 state/trying
cp -r state crashed
settled
held || echo "not held"
STATE=$PWD/crashed
sed -i 's/ [0-9a-f-]* / 1-2-3 /' crashed/trying
held && echo "$why"
"""


def test_one_that_does_not_convert_is_live_and_an_orderly_end_does_not_hold_it(
    tmp_path: Path,
) -> None:
    script = render("package/livepatch.j2", package=package_in(tmp_path))
    (tmp_path / "livepatch").write_text(script)
    done = subprocess.run(
        ["sh", "-c", _NOT_CONVERTED], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout.splitlines() == [
        "event 10",
        "watching",
        "not held",
        "the machine crashed within a minute after it was live",
    ], done.stderr
    assert "is live, and does not convert" in done.stderr


@pytest.mark.slow
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    """What stops the watch in order does so also where the patch's own unit has failed."""
    package = package_in(tmp_path)
    installed("systemd-analyze", "systemd")
    units = [f"{package.name}.service", f"{package.name}-settled.service"]
    for unit, template in zip(units, ("service", "settled.service"), strict=True):
        text = render(f"package/{template}.j2", package=package)
        (tmp_path / unit).write_text(text.replace(package.helper, "/bin/echo"))
    words = ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / unit) for unit in units)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    settled = (tmp_path / units[1]).read_text()
    assert "ExecStopPost=/bin/echo settled" in settled.splitlines()
    assert f"Wants=network-pre.target {units[1]}" in (tmp_path / units[0]).read_text().splitlines()


@pytest.mark.parametrize("script", ["prerm", "postrm"])
def test_a_removal_is_not_stopped_by_systemctl(script: str, tmp_path: Path) -> None:
    """The patch is reverted by then; a package that stays has it at the next boot again."""
    package = package_in(tmp_path)
    text = render(f"package/{script}.j2", package=package)
    text = text.replace(package.helper, "echo helper").replace("/run/systemd", str(tmp_path))
    (tmp_path / "system").mkdir()
    (tmp_path / "systemctl").write_text('#!/bin/sh\necho "$1"\nexit 1\n')
    (tmp_path / "systemctl").chmod(0o755)
    done = subprocess.run(
        ["sh", "-s", "remove"],
        input=text,
        capture_output=True,
        text=True,
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )
    asked = ["helper revert", "stop", "disable"] if script == "prerm" else ["daemon-reload"]
    assert (done.returncode, done.stdout.splitlines()) == (0, asked)
    if script == "prerm":
        broken = text.replace("echo helper", "false")
        done = subprocess.run(["sh", "-s", "remove"], input=broken, text=True)
        assert done.returncode == 1, "what cannot be reverted keeps it"


def test_a_tool_that_is_not_here_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentMissing, match="'rpmbuild' was not found") as caught:
        pack(package_in(tmp_path), Format.RPM, tmp_path / "w", tmp_path)
    assert caught.value.hint == "install it: apt-get install rpm"


def test_what_the_tool_says_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(argv: list[str], **_others: object) -> proc.Done:
        return proc.Done(argv=tuple(argv), rc=2, out="", err="no space", seconds=0.1)

    monkeypatch.setattr(proc, "run", fails)
    with pytest.raises(BuildFailed, match="no space"):
        pack(package_in(tmp_path), Format.DEB, tmp_path / "w", tmp_path)
