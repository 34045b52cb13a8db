# SPDX-License-Identifier: MIT
import os
import time
from pathlib import Path

import pytest

from lppack.debian import sources
from lppack.debian.apt import Apt, parse_policy
from lppack.debian.supported import KERNEL_SUITES
from lppack.errors import EnvironmentMissing

POLICY = """\
linux-kbuild-6.1:
  Installed: (none)
  Candidate: 6.1.192-2
  Version table:
     6.1.192-2 500
        500 http://archive.invalid/debian-security bookworm-security/main amd64 Packages
 *** 6.1.176-1 500
        500 http://archive.invalid/debian bookworm/main amd64 Packages
        100 /var/lib/dpkg/status
"""


@pytest.fixture
def etc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A flat repository on disk that holds one package, as apt's only source."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    repository = tmp_path / "repository"
    repository.mkdir()
    (repository / "Packages").write_text(
        "Package: hello-world\nVersion: 1:2.0-1\nArchitecture: all\n"
        "Depends: libx (>= 1), liby | libz\nFilename: ./none.deb\nSize: 1\n"
        "SHA256: " + "0" * 64 + "\nDescription: x\n"
    )
    folder = tmp_path / "etc"
    (folder / "sources.list.d").mkdir(parents=True)
    (folder / "sources.list").write_text(f"deb [trusted=yes] copy:{repository} ./\n")
    return folder


def test_the_policy_table_tells_version_and_suite() -> None:
    assert parse_policy(POLICY) == {"6.1.192-2": "bookworm-security", "6.1.176-1": "bookworm"}
    assert parse_policy("") == {}


def test_names_candidate_and_dependencies_come_from_the_sources_alone(etc: Path) -> None:
    apt = Apt(etc=etc)
    assert apt.package_names("hello") == ("hello-world",)
    assert apt.candidate("hello-world") == "1:2.0-1"
    assert apt.candidate("bash") is None  # installed here, but in no source
    assert apt.depends("hello-world", "1:2.0-1") == ("libx (>= 1)", "liby | libz")


def test_lists_are_fetched_once_a_day_or_when_asked(etc: Path) -> None:
    apt = Apt(etc=etc)
    assert not apt.fresh
    apt.update()
    first = apt.stamp
    Apt(etc=etc).update()
    assert apt.stamp == first
    yesterday = time.time() - 25 * 3600
    os.utime(apt.home / "updated", (yesterday, yesterday))
    assert not apt.fresh
    Apt(etc=etc).update()
    second = apt.stamp
    assert second != first
    apt.update(fresh=True)
    assert apt.stamp not in (first, second)


def test_what_apt_keeps_is_made_of_files_that_stay_as_they_are(etc: Path) -> None:
    apt = Apt(etc=etc)

    def times() -> dict[Path, int]:
        files = [apt.home / "status", apt.home / "apt.conf", *apt.source_files()]
        return {file: file.stat().st_mtime_ns for file in files}

    before = times()
    assert times() == before
    (apt.home / "status").write_text("Package: not-ours")
    assert times() != before
    assert (apt.home / "status").read_text() == ""


def test_a_cache_that_was_moved_or_is_reached_by_a_link_is_not_the_machines(
    etc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """apt passes over a configuration that is not there, and takes the machine's own lists."""
    assert Apt(etc=etc).package_names("hello") == ("hello-world",)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(link))
    assert Apt(etc=etc).proxy("http") is None
    link.unlink()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert Apt(etc=etc).package_names("hello") == ("hello-world",)
    (tmp_path / "cache").rename(tmp_path / "elsewhere")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    assert Apt(etc=etc).package_names("hello") == ("hello-world",)


def test_old_lists_serve_where_no_new_ones_can_be_had(etc: Path) -> None:
    apt = Apt(etc=etc)
    apt.update()
    (etc.parent / "repository/Packages").unlink()
    yesterday = time.time() - 25 * 3600
    os.utime(apt.home / "updated", (yesterday, yesterday))
    assert Apt(etc=etc).candidate("hello-world") == "1:2.0-1"
    with pytest.raises(EnvironmentMissing, match="package lists cannot be fetched: [EW]:"):
        Apt(etc=etc).update(fresh=True)


def test_no_such_package_names_the_closest(etc: Path, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentMissing, match="no package hello-wrld") as raised:
        Apt(etc=etc).download("hello-wrld", None, tmp_path)
    assert raised.value.hint == "closest: hello-world"
    with pytest.raises(EnvironmentMissing, match="no version 9") as raised:
        Apt(etc=etc).download("hello-world", "9", tmp_path)
    assert raised.value.hint == "there is: 1:2.0-1"
    assert Apt(etc=etc).candidate("--help") is None


def test_where_a_package_is_and_by_which_proxy(
    etc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apt = Apt(etc=etc)
    apt.update()
    assert apt.uri("hello-world", "1:2.0-1") == f"copy:{tmp_path}/repository/./none.deb"
    with pytest.raises(EnvironmentMissing, match="package hello-world 9 is nowhere"):
        apt.uri("hello-world", "9")
    assert apt.proxy("gopher") is None
    (etc / "apt.conf").write_text('Acquire::http::Proxy "http://proxy.invalid:3142";\n')
    assert Apt(etc=etc).proxy("http") == "http://proxy.invalid:3142"
    (etc / "apt.conf").write_text('Acquire::http::Proxy "DIRECT";\n')
    assert Apt(etc=etc).proxy("http") is None


def test_a_package_that_cannot_be_fetched_leaves_nothing(etc: Path, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentMissing, match="cannot be fetched: E:"):
        Apt(etc=etc).download("hello-world", None, tmp_path / "into")
    assert list((tmp_path / "into").iterdir()) == []


def test_a_release_that_no_source_has_is_told_with_those_that_are(etc: Path) -> None:
    (etc / "sources.list").write_text("deb http://archive.invalid bookworm main\n")
    with pytest.raises(EnvironmentMissing, match="no package source for buster") as raised:
        Apt("buster", etc=etc)
    assert raised.value.hint == "the sources there name: bookworm"


def test_no_hook_of_the_machine_runs_and_nothing_of_it_is_written(etc: Path) -> None:
    apt = Apt(etc=etc)
    apt.update()
    text = (apt.home / "apt.conf").read_text()
    assert "#clear APT::Update::Post-Invoke-Success;" in text
    folders = [line for line in text.splitlines() if line.startswith("Dir::")]
    assert all(f'"{apt.home}' in f or '"/dev/null"' in f or '""' in f for f in folders)


def test_another_release_of_debian_is_read_where_this_one_is(etc: Path) -> None:
    own = sources.codename()
    (etc / "sources.list").write_text(f"deb http://archive.invalid {own} main\n")
    for suite in KERNEL_SUITES:
        apt = Apt(suite, etc=etc)
        assert apt.texts == {"sources.list": f"deb http://archive.invalid {suite} main\n"}
    assert [other.release for other in Apt(etc=etc).others()] == [
        suite for suite in KERNEL_SUITES if suite != own
    ]
