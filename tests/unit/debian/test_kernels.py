# SPDX-License-Identifier: MIT
import os
from pathlib import Path

import pytest

from lppack.debian import kernels
from lppack.errors import EnvironmentMissing
from tests.kit.fake_source import BANNER, RELEASE, FakeSource, make_tree


def offers(*releases: str, version: str = "6.1.9-1") -> dict[str, dict[str, str]]:
    both = [f"linux-{kind}-{release}" for release in releases for kind in ("image", "headers")]
    return {name: {version: "bookworm-security"} for name in both}


def source() -> FakeSource:
    kbuild = {"6.1.12-1": "bookworm-security", "6.1.10-1": "bookworm"}
    return FakeSource(
        offers={
            **offers(RELEASE),
            "linux-headers-6.1.0-9-common": {"6.1.9-1": "bookworm"},
            "linux-kbuild-6.1": kbuild,
        },
        needs={
            f"linux-headers-{RELEASE}": (
                "linux-headers-6.1.0-9-common (= 6.1.9-1)",
                "linux-kbuild-6.1 (>= 6.1.9-1)",
                "linux-compiler-gcc-12-x86",
            )
        },
    )


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/lppack"


def test_a_star_matches_no_dash_and_the_newest_comes_first() -> None:
    fake = FakeSource(
        offers={
            **offers("6.1.0-9-amd64", "6.1.0-56-amd64", "6.1.0-56-cloud-amd64", "6.1.0-56-rt-amd64")
        }
    )
    wanted = ["6.1.0-*-amd64"]
    assert kernels.available(wanted, source=fake) == ("6.1.0-56-amd64", "6.1.0-9-amd64")
    assert len(kernels.available([], source=fake)) == 4
    assert kernels.available(["6.1.0-56-*-amd64"], source=fake) == (
        "6.1.0-56-rt-amd64",
        "6.1.0-56-cloud-amd64",
    )


def test_only_kernels_with_image_and_headers_are_available() -> None:
    names = (
        "linux-image-6.1.0-1-amd64",
        "linux-headers-6.1.0-2-amd64",
        "linux-image-6.1.0-3-amd64-unsigned",
        "linux-headers-6.1.0-3-amd64-unsigned",
        "linux-image-amd64",
        "linux-headers-amd64",
        "linux-image-6.12-amd64",
        "linux-headers-6.12-amd64",
    )
    fake = FakeSource(offers={name: {"1": "bookworm"} for name in names})
    assert kernels.available([], source=fake) == ()


def test_fetch_takes_headers_at_exact_versions_and_kbuild_at_the_least_that_fits() -> None:
    fake = source()
    kernel = kernels.fetch(RELEASE, source=fake)
    assert fake.downloads == [
        f"linux-image-{RELEASE}=6.1.9-1",
        f"linux-headers-{RELEASE}=6.1.9-1",
        "linux-headers-6.1.0-9-common=6.1.9-1",
        "linux-kbuild-6.1=6.1.10-1",
    ]
    assert (kernel.release, kernel.version, kernel.suite) == (RELEASE, BANNER, "bookworm")
    assert kernel.package == "6.1.9-1"
    assert kernel.root.name == f"{RELEASE}_6.1.9-1"
    assert kernel.headers.is_dir()


def test_a_second_fetch_asks_nothing_until_the_lists_are_old() -> None:
    fake = source()
    first = kernels.fetch(RELEASE, source=fake)
    asked = fake.asked
    assert kernels.fetch(RELEASE, source=fake) == first
    assert fake.asked == asked
    fake.stamp = "2"
    assert kernels.fetch(RELEASE, source=fake) == first
    assert fake.asked > asked
    assert len(fake.downloads) == 4


def test_a_new_package_version_is_a_new_tree() -> None:
    fake = source()
    old = kernels.fetch(RELEASE, source=fake)
    fake.stamp = "2"
    for name in (f"linux-image-{RELEASE}", f"linux-headers-{RELEASE}"):
        fake.offers[name] = {"6.1.9-2": "bookworm"}
    new = kernels.fetch(RELEASE, source=fake)
    assert new.package == "6.1.9-2"
    assert old.image.is_file()


def test_a_fetch_that_fails_leaves_no_tree(cache: Path) -> None:
    fake = source()
    del fake.offers["linux-kbuild-6.1"]
    with pytest.raises(EnvironmentMissing, match="linux-kbuild"):
        kernels.fetch(RELEASE, source=fake)
    assert [path for path in (cache / "kernels").iterdir() if path.is_dir()] == []


def test_old_lists_that_name_what_is_gone_are_renewed_once() -> None:
    fake = source()
    fake.age = 7200
    del fake.offers["linux-headers-6.1.0-9-common"]
    with pytest.raises(EnvironmentMissing):
        kernels.fetch(RELEASE, source=fake)
    assert fake.stamp == "2"


def test_no_such_release_names_near_ones() -> None:
    with pytest.raises(EnvironmentMissing, match="no kernel 6.1.0-8-amd64") as raised:
        kernels.resolve("6.1.0-8-amd64", [], source=source())
    assert raised.value.hint == f"there is: {RELEASE}"


def test_without_a_spec_the_newest_that_matches_is_taken() -> None:
    assert kernels.resolve(None, ["6.1.0-*-amd64"], source=source()).release == RELEASE
    with pytest.raises(EnvironmentMissing, match=r"no kernel on offer matches 7\.\*") as raised:
        kernels.resolve(None, ["7.*"], source=source())
    assert raised.value.hint is not None
    assert raised.value.hint.startswith(f"there is: {RELEASE}; `*` stands for part of one field")


def test_what_is_near_to_a_pattern_comes_first() -> None:
    old = [f"6.1.0-{number}-amd64" for number in range(40, 58)]
    offered = {*old, "6.12.117+deb12-amd64", "6.12.118+deb13-amd64", "6.12.117+deb12-rt-amd64"}
    hint = kernels._near(["6.1.0-99-amd64"], offered)
    assert hint.startswith("there is: 6.1.0-57-amd64, 6.1.0-56-amd64, ")
    assert hint.endswith("6.1.0-54-amd64 and 14 more"), "no `*` was given"
    hint = kernels._near(["6.1.0-99-amd64"], {*offered, "6.1.0-58-rt-amd64"})
    assert hint.startswith("there is: 6.1.0-57-amd64, "), "another flavour is not meant"
    assert kernels._near(["6.1.*"], offered).startswith("there is: 6.1.0-57-amd64, ")
    first, second = kernels._near(["6.2.*"], offered).removeprefix("there is: ").split(", ")[:2]
    assert {first, second} == {"6.12.118+deb13-amd64", "6.1.0-57-amd64"}, "one of each series"


def test_a_path_is_an_unpacked_tree(tmp_path: Path) -> None:
    kernel = kernels.resolve(str(make_tree(tmp_path / "tree")), [])
    assert kernel.root == tmp_path / "tree"
    assert kernel.package is None
    assert kernel.modules == tmp_path / f"tree/lib/modules/{RELEASE}"


def test_the_suite_follows_the_package_version(tmp_path: Path) -> None:
    file = FakeSource(offers={f"linux-image-{RELEASE}": {"6.12.9-1~bpo13+1": "x"}}).download(
        f"linux-image-{RELEASE}", "6.12.9-1~bpo13+1", tmp_path
    )
    kernel = kernels.resolve(str(file), [])
    assert (kernel.suite, kernel.package) == ("trixie", "6.12.9-1~bpo13+1")


def test_running_is_refused_if_the_image_is_another_build(tmp_path: Path) -> None:
    uname = os.uname()
    kernel = kernels.running(root=make_tree(tmp_path / "a", uname.release, uname.version))
    assert (kernel.release, kernel.version) == (uname.release, uname.version)
    with pytest.raises(EnvironmentMissing, match="is running"):
        kernels.running(root=make_tree(tmp_path / "b", uname.release, "#1 other"))


def test_running_without_its_files_is_fetched(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentMissing, match=f"no kernel {os.uname().release}"):
        kernels.running(root=tmp_path, source=source())


def test_a_file_of_a_package_is_fetched_once() -> None:
    fake = FakeSource(offers={"tool": {"1:2-3": "bookworm"}})
    path = kernels.fetch_file("tool", "/bin/tool", source=fake)
    assert path.read_text() == "1:2-3"
    assert kernels.fetch_file("tool", "bin/tool", source=fake) == path
    assert fake.downloads == ["tool=1:2-3"]
    with pytest.raises(EnvironmentMissing, match="has no file /bin/other"):
        kernels.fetch_file("tool", "/bin/other", source=fake)


NEXT = "6.12.9+deb13-amd64"


def both_suites() -> FakeSource:
    fake = source()
    fake.more = (FakeSource(offers=offers(NEXT, RELEASE, version="6.12.9-1"), stamp="other"),)
    return fake


def test_another_suite_is_looked_at_only_for_what_the_own_one_lacks() -> None:
    fake = both_suites()
    assert kernels.available(["6.1.0-*-amd64"], source=fake) == (RELEASE,)
    assert fake.more[0].asked == 0
    assert kernels.available(["6.12.*+deb13-amd64"], source=fake) == (NEXT,)
    assert kernels.available(["7.*"], source=fake) == ()


def test_a_kernel_of_another_suite_is_fetched_there() -> None:
    fake = both_suites()
    kernel = kernels.resolve("6.12.*+deb13-amd64", ["6.1.0-*-amd64"], source=fake)
    assert (kernel.release, kernel.package) == (NEXT, "6.12.9-1")
    assert fake.downloads == []
    asked = fake.asked
    assert kernels.resolve(NEXT, [], source=fake) == kernel
    assert fake.asked == asked, "what is on disk is found without asking the first suite"
    assert kernels.resolve(RELEASE, [], source=fake).package == "6.1.9-1"
    with pytest.raises(EnvironmentMissing, match="no kernel 6.12.8") as raised:
        kernels.resolve("6.12.8+deb13-amd64", [], source=fake)
    assert raised.value.hint == f"there is: {NEXT}, {RELEASE}"


NEW = "7.2.9+deb13-amd64"


def parts(release: str) -> FakeSource:
    """A kernel in four packages, as from 6.19 on; the image has no file of the kernel."""
    version = "7.2.9-1~bpo13+1"
    names = [
        f"linux-{kind}-{release}" for kind in ("image", "binary", "base", "modules", "headers")
    ]
    needs = tuple(f"{name} (= {version})" for name in names[1:4])
    return FakeSource(
        offers={name: {version: "trixie-backports"} for name in names},
        needs={names[0]: ("dracut | initramfs-tools", *needs), names[4]: (needs[1],)},
    )


def test_a_kernel_in_four_packages() -> None:
    fake = parts(NEW)
    kernel = kernels.fetch(NEW, source=fake)
    assert [one.partition("=")[0].split("-")[1] for one in fake.downloads] == [
        *("image", "headers", "binary", "base", "modules")
    ]
    home = kernel.root / "usr/lib/modules" / NEW
    assert (kernel.image, kernel.config, kernel.modules) == (
        home / "vmlinuz",
        home / "config",
        home,
    )
    assert (kernel.suite, kernel.package) == ("trixie", "7.2.9-1~bpo13+1")
    assert kernels.resolve(str(kernel.root), []) == kernel


@pytest.mark.parametrize("kind", ["image", "binary", "base", "modules"])
def test_a_part_of_a_kernel_is_no_kernel(kind: str, tmp_path: Path, cache: Path) -> None:
    file = parts(NEW).download(f"linux-{kind}-{NEW}", "7.2.9-1~bpo13+1", tmp_path)
    with pytest.raises(EnvironmentMissing, match="is a part of a kernel") as raised:
        kernels.resolve(str(file), [])
    assert raised.value.hint and f"--kernel {NEW}" in raised.value.hint
    assert not any(path.is_dir() for path in (cache / "kernels").iterdir())


def test_the_compiler_of_a_suite_beside_a_release_is_that_of_the_release() -> None:
    fake = source()
    for name in fake.offers:
        fake.offers[name] = dict.fromkeys(fake.offers[name], "experimental")
    assert kernels.fetch(RELEASE, source=fake).suite == "sid"
