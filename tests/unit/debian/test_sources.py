# SPDX-License-Identifier: MIT
from pathlib import Path

from lppack.debian import sources

MODERN = """\
Types: deb deb-src
# the archive
URIs: http://archive.invalid/debian
Suites: bookworm bookworm-updates trixie
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc
 -----END PGP PUBLIC KEY BLOCK-----

Types: deb
URIs: http://other.invalid
Suites: nodistro
Components: main

Enabled: no
Types: deb
URIs: http://off.invalid
Suites: bookworm
Components: main

Types: deb-src
URIs: http://sources.invalid
Suites: bookworm
Components: main
"""

OLD = """\
# deb http://commented.invalid bookworm main
deb [signed-by=/usr/share/keyrings/k.gpg arch=amd64] http://archive.invalid bookworm main
deb-src http://archive.invalid bookworm main
deb http://archive.invalid trixie main contrib
deb http://archive.invalid bookworm-security main
"""


def etc(tmp_path: Path) -> Path:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text(OLD)
    (tmp_path / "sources.list.d/modern.sources").write_text(MODERN)
    (tmp_path / "sources.list.d/off.list.disabled").write_text(OLD)
    return tmp_path


def test_only_the_suites_of_the_release_are_kept(tmp_path: Path) -> None:
    texts = sources.read(etc(tmp_path), "bookworm")
    assert sources.suites(texts) == ("bookworm", "bookworm-security", "bookworm-updates")
    assert sorted(texts) == ["modern.sources", "sources.list"]
    assert "other.invalid" not in texts["modern.sources"]
    assert "off.invalid" not in texts["modern.sources"]
    assert "sources.invalid" not in texts["modern.sources"]


def test_an_embedded_key_and_options_are_kept(tmp_path: Path) -> None:
    texts = sources.read(etc(tmp_path), "bookworm")
    assert "Signed-By:\n -----BEGIN" in texts["modern.sources"]
    assert "[signed-by=/usr/share/keyrings/k.gpg arch=amd64]" in texts["sources.list"]


def test_without_a_release_all_binary_sources_are_kept(tmp_path: Path) -> None:
    found = sources.suites(sources.read(etc(tmp_path), None))
    assert {"bookworm", "trixie", "nodistro"} <= set(found)


def test_a_release_without_sources_gives_nothing(tmp_path: Path) -> None:
    assert sources.read(etc(tmp_path), "sid") == {}


def test_the_codename_is_read_from_os_release(tmp_path: Path) -> None:
    file = tmp_path / "os-release"
    file.write_text('NAME="Debian"\nVERSION_CODENAME=bookworm\n')
    assert sources.codename(file) == "bookworm"
    assert sources.codename(tmp_path / "none") == ""


def test_the_sources_of_a_release_read_for_another(tmp_path: Path) -> None:
    texts = sources.renamed(sources.read(etc(tmp_path), "bookworm"), "bookworm", "trixie")
    assert sources.suites(texts) == ("trixie", "trixie-security", "trixie-updates")
    assert "Suites: trixie trixie-updates\n" in texts["modern.sources"]
    assert "Signed-By:\n -----BEGIN" in texts["modern.sources"]
    assert texts["sources.list"] == (
        "deb [signed-by=/usr/share/keyrings/k.gpg arch=amd64] http://archive.invalid trixie main\n"
        "deb http://archive.invalid trixie-security main\n"
    )


def test_a_suite_that_only_begins_alike_keeps_its_name() -> None:
    texts = {"a.list": "deb http://a.invalid bookworms main\ndeb http://b.invalid ./ \n"}
    assert sources.renamed(texts, "bookworm", "trixie") == texts


def test_what_stands_beside_a_release_has_no_updates_of_its_own() -> None:
    """Debian has no trixie-backports-security, and no sid-updates."""
    texts = {
        "a.list": "deb http://a.invalid bookworm main\n"
        "deb http://a.invalid bookworm-updates main\n",
        "b.sources": "Types: deb\nSuites: bookworm bookworm-updates\n\n"
        "Types: deb\nSuites: bookworm-security\n",
    }
    for suite in ("trixie-backports", "sid", "experimental"):
        assert sources.renamed(texts, "bookworm", suite) == {
            "a.list": f"deb http://a.invalid {suite} main\n",
            "b.sources": f"Types: deb\nSuites: {suite}\n",
        }
    whole = sources.renamed(texts, "bookworm", "trixie")["b.sources"]
    assert "Suites: trixie trixie-updates" in whole and "Suites: trixie-security" in whole
