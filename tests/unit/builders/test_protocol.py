# SPDX-License-Identifier: MIT
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from lppack import proc
from lppack.builders.protocol import compiler_of, kbuild_argv
from lppack.errors import EnvironmentMissing
from tests.kit.kernel_tree import RELEASE, make_kernel


@dataclass
class FakeSite:
    work: str
    kernel: str
    compiler: str = "gcc-12"
    sources: str = ""

    def run(self, argv: Sequence[str], *, limit: float) -> proc.Done:
        return proc.Done(argv=tuple(argv), rc=0, out="", err="", seconds=0.0)


def flags(argv: tuple[str, ...]) -> list[str]:
    (text,) = [word for word in argv if word.startswith("KCFLAGS=")]
    return text.removeprefix("KCFLAGS=").split()


@pytest.mark.parametrize(
    ("text", "compiler"),
    [("gcc-12", "gcc-12"), ("x86_64-linux-gnu-gcc-14", "gcc-14"), ("gcc", "gcc")],
)
def test_the_compiler_is_the_one_that_built_the_kernel(
    tmp_path: Path, text: str, compiler: str
) -> None:
    assert compiler_of(make_kernel(tmp_path, compiler=text)) == compiler


def test_a_kernel_built_by_another_compiler_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentMissing, match="not built by gcc"):
        compiler_of(make_kernel(tmp_path, compiler="clang-15"))


def test_every_directory_that_differs_between_builders_is_mapped(tmp_path: Path) -> None:
    kernel = make_kernel(tmp_path)
    installed = f"/usr/src/linux-headers-{RELEASE}"
    argv = kbuild_argv(FakeSite("/w", "/shadow"), kernel)
    assert argv[:4] == ("make", "-C", "/shadow", "M=/w")
    common = "/usr/src/linux-headers-6.1.0-9-common"
    assert flags(argv) == [
        f"-fmacro-prefix-map={common}/=",
        f"-fmacro-prefix-map={tmp_path}{common}/=",
        f"-fdebug-prefix-map={tmp_path}/usr/=/usr/",
        f"-fdebug-prefix-map=/shadow={installed}",
        "-ffile-prefix-map=/w=/lppack",
    ]
    assert "-ffile-prefix-map=/build=/lppack" in flags(
        kbuild_argv(FakeSite("/build", installed), kernel)
    )


def test_one_of_several_modules_below_a_work_directory(tmp_path: Path) -> None:
    kernel = make_kernel(tmp_path)
    argv = kbuild_argv(FakeSite("/w", "/shadow"), kernel, "module", below="3", jobs=2)
    assert {"M=/w/3/module", "-j2"} <= set(argv)
    assert flags(argv)[-1] == "-ffile-prefix-map=/w/3=/lppack"
    alone = kbuild_argv(FakeSite("/w/3", "/shadow"), kernel, "module", jobs=2)
    assert argv == alone, "the same command as alone in that directory"
