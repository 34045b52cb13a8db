# SPDX-License-Identifier: MIT
import time
from pathlib import Path

import pytest

from lppack.builders import host
from lppack.builders.host import HostBuilder
from lppack.errors import EnvironmentMissing
from tests.kit.ended import ended
from tests.kit.kernel_tree import RELEASE, make_kernel


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH whose first directory the test fills; it holds a compiler of our own."""
    folder = tmp_path / "programs"
    folder.mkdir()
    (folder / "gcc-12").write_text("#!/bin/sh\necho gcc-12 of the test\necho more\n")
    (folder / "make").write_text('#!/bin/sh\ncat "$2/Makefile"; ls -A "$2"\n')
    for program in folder.iterdir():
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def test_the_shadow_differs_from_the_headers_in_its_makefile_alone(
    tmp_path: Path, programs: Path
) -> None:
    kernel = make_kernel(tmp_path / "tree")
    with HostBuilder().open(tmp_path, kernel) as site:
        shadow = Path(site.kernel)
        done = site.run(["make", "-C", site.kernel], limit=10)
        assert shadow.name == f"linux-headers-{RELEASE}"
        assert (shadow / ".kernelvariables").is_symlink()
        assert done.out.splitlines() == [
            f"include {tmp_path}/tree/usr/src/linux-headers-6.1.0-9-common/Makefile",
            ".kernelvariables",
            "Makefile",
            "scripts",
        ]
    assert not shadow.exists()


def test_commands_see_only_the_environment_of_a_build(
    tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KCFLAGS", "-DSTRANGE")
    seen: list[str] = []
    with HostBuilder(seen.append).open(tmp_path, None) as site:
        site.run(["env"], limit=10)
        done = site.run(["sh", "-c", "pwd; echo wrong >&2; exit 3"], limit=10)
    assert "KBUILD_BUILD_USER=lppack" in seen
    assert not [line for line in seen if "STRANGE" in line]
    assert (done.rc, done.out, done.ok) == (3, f"{tmp_path}\nwrong\n", False)


def test_past_the_limit_all_is_killed(tmp_path: Path, programs: Path) -> None:
    start = time.monotonic()
    with HostBuilder().open(tmp_path, None) as site:
        done = site.run(["sh", "-c", "sleep 60 & echo $!; wait"], limit=0.3)
    assert done.timed_out and not done.ok
    assert time.monotonic() - start < 20
    assert ended(int(done.out))


def test_an_interruption_leaves_no_child(tmp_path: Path, programs: Path) -> None:
    pids: list[int] = []

    def interrupt(line: str) -> None:
        pids.append(int(line))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), HostBuilder(interrupt).open(tmp_path, None) as site:
        site.run(["sh", "-c", "echo $$; sleep 60"], limit=60)
    assert ended(pids[0])


def test_a_missing_compiler_names_its_package(tmp_path: Path, programs: Path) -> None:
    kernel = make_kernel(tmp_path / "tree", compiler="gcc-99")
    with (
        pytest.raises(EnvironmentMissing, match="'gcc-99' was not found") as raised,
        HostBuilder().open(tmp_path, kernel),
    ):
        pass
    assert "apt-get install gcc-99" in (raised.value.hint or "")


def test_a_path_that_make_would_misread_is_refused(tmp_path: Path, programs: Path) -> None:
    kernel = make_kernel(tmp_path / "tree")
    (tmp_path / "my work").mkdir()
    with (
        pytest.raises(EnvironmentMissing, match="because of the ' ' in it"),
        HostBuilder().open(tmp_path / "my work", kernel),
    ):
        pass


def test_the_identity_tells_the_compiler(tmp_path: Path, programs: Path) -> None:
    kernel = make_kernel(tmp_path / "tree")
    assert host.HostBuilder().identity(kernel) == {
        "builder": "host",
        "compiler": "gcc-12 of the test",
    }
