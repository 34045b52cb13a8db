# SPDX-License-Identifier: MIT
"""What kbuild prints about a folder becomes units, and is kept."""

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from lppack.errors import AnswerIsNo, BuildFailed
from lppack.proof.kbuild import Kbuild, Unit
from tests.kit.samples import kernel
from tests.unit.proof.fake_site import FakeSite

COMMON = "/usr/src/linux-headers-6.1.0-56-common"
ENVIRONMENT = {
    "srctree": COMMON,
    "KBUILD_CFLAGS": f"-O2 -I{COMMON}/include -ffile-prefix-map=/b=/lppack -fdebug-prefix-map=a=b",
    "CONFIG_QUOTED": "a 'b' $c",
    "KCFLAGS": "-ffile-prefix-map=/b=/lppack",
    "KBUILD_EXTMOD": "/b/probe",
    "MAKEFLAGS": "s",
    "PATH": "/bin",
    "bad-name": "x",
}
TREE = {
    "arch/x86/Makefile": "core-y += arch/x86/kernel/\ndrivers-$(CONFIG_PCI) += arch/x86/pci/\n",
    "arch/x86/pci/irq.c": "",
    "fs/eventpoll.c": "",
    "fs/ext4/dir.c": "",
    "fs/ext4/Makefile": "",
    "fs/off/off.c": "",
    "drivers/a/b/x.c": "",
    "drivers/a/b/Makefile": "obj-y += x.o\n",
    "drivers/a/c/Makefile": "obj-y += ../b/x.o\n",
    "drivers/a/d/Makefile": "obj-y += y.o\n",
}
#: Folder -> (object, module's name, flags) of each unit, as the query would print it.
Printed = Mapping[str, Sequence[tuple[str, str, str]]]


class Make:
    """Writes what make would: the environment of a probe, and units of the folders asked for."""

    def __init__(self, work: Path, printed: Printed) -> None:
        self.work = work
        self.printed = printed
        self.fails = ""
        self.script = ""

    def __call__(self, argv: Sequence[str]) -> str | None:
        if argv[0] == "make":
            assert f"M={self.work}/probe" in argv
            assert "env -0 > $@" in (self.work / "probe/Kbuild").read_text()
            pairs = (f"{name}={value}" for name, value in ENVIRONMENT.items())
            (self.work / "probe/environment").write_text("\0".join(pairs) + "\0")
            return None if self.fails == "probe" else ""
        assert argv == ["sh", f"{self.work}/query.sh"]
        self.script = (self.work / "query.sh").read_text()
        if self.fails == "query":
            return "No rule"
        if self.fails == "make":
            return None
        wanted = self.variables()["LPPACK_FOLDERS"].split()
        with (self.work / "units").open("a") as out:
            for folder, units in self.printed.items():
                if folder in wanted:
                    for object_, module, flags in units:
                        out.write("\0".join(["unit", object_, module, *flags.split(), "", ""]))
                    out.write("\0".join(["folder", folder, "", ""]))
        return ""

    def variables(self) -> dict[str, str]:
        lines = (line for line in self.script.splitlines() if line.startswith("export "))
        words = (word for line in lines for word in shlex.split(line)[1:])
        return dict(word.split("=", 1) for word in words)

    def tops(self) -> list[str]:
        return re.findall(r"obj=(\S+) need-builtin=1", self.script)


class Setting:
    """One kernel's tree, cache and site."""

    def __init__(self, folder: Path, printed: Printed) -> None:
        self.tree, self.cache, self.work = folder / "linux", folder / "cache", folder / "work"
        for name, text in TREE.items():
            (self.tree / name).parent.mkdir(parents=True, exist_ok=True)
            (self.tree / name).write_text(text)
        self.work.mkdir()
        self.make = Make(self.work, printed)
        self.site = FakeSite(self.work, self.tree, self.make)

    def kbuild(self) -> Kbuild:
        return Kbuild(kernel(), self.tree, self.cache)

    def read(self, *paths: str) -> Kbuild:
        kbuild = self.kbuild()
        kbuild.read(self.site, self.work, kbuild.missing(paths))
        return kbuild


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    flags = f"-I{tmp_path}/linux/include -Wp,-MMD,fs/.x.o.d -O2 -g -gdwarf-5 -DX=1"
    return Setting(
        tmp_path,
        {
            "fs": [("fs/eventpoll.o", "eventpoll", flags), ("fs/asm.o", "asm", flags)],
            "fs/ext4": [("fs/ext4/dir.o", "ext4:ext4-inode-test", f"{flags} -DMODULE")],
            "drivers": [],
            "drivers/a": [],
            "drivers/a/b": [("drivers/a/b/x.o", "x", "-O1")],
            "drivers/a/c": [("drivers/a/c/../b/x.o", "x", "-O3 -DMODULE")],
            "arch/x86": [],
            "arch/x86/pci": [("arch/x86/pci/irq.o", "irq", "")],
        },
    )


KEPT = ("-I{sources}/include", "-O2", "-DX=1")


def test_units_of_a_folder(setting: Setting) -> None:
    kbuild = setting.read("fs/ext4/dir.c")
    [built_in], [module] = kbuild.units("fs/eventpoll.c"), kbuild.units("fs/ext4/dir.c")
    assert built_in == Unit(path="fs/eventpoll.c", objects=("vmlinux",), flags=KEPT)
    assert module.objects == ("ext4", "ext4_inode_test")
    assert module.flags == (*KEPT, "-DMODULE")


def test_what_is_no_c_file_of_the_tree_is_no_unit(setting: Setting) -> None:
    kbuild = setting.read("fs/eventpoll.c")
    assert len(kbuild.units("fs/eventpoll.c")) == 1
    assert kbuild.units("fs/asm.c") == ()


def test_a_folder_that_the_kernel_is_built_without(setting: Setting) -> None:
    kbuild = setting.read("fs/off/off.c")
    assert kbuild.units("fs/off/off.c") == ()
    assert kbuild.missing(["fs/off/off.c"]) == ()


def test_a_neighbour_may_compile_a_file_again(setting: Setting) -> None:
    assert setting.kbuild().missing(["drivers/a/b/x.c"]) == (
        "drivers",
        "drivers/a",
        "drivers/a/b",
        "drivers/a/c",
    )
    units = setting.read("drivers/a/b/x.c").units("drivers/a/b/x.c")
    assert [(unit.objects, unit.flags) for unit in units] == [
        (("vmlinux",), ("-O1",)),
        (("x",), ("-O3", "-DMODULE")),
    ]


def test_what_was_read_is_kept(setting: Setting) -> None:
    found = setting.read("fs/ext4/dir.c").units("fs/ext4/dir.c")
    again = setting.kbuild()
    assert again.missing(["fs/ext4/dir.c", "fs/eventpoll.c"]) == ()
    assert again.units("fs/ext4/dir.c") == found
    assert again.missing(["drivers/x.c"]) == ("drivers",)


@pytest.mark.parametrize(
    ("path", "tops"),
    [
        ("fs/ext4/dir.c", ["fs"]),
        # Each folder that the top Makefile enters; arch/ has no Makefile.
        ("arch/x86/pci/irq.c", ["arch/x86", "arch/x86/pci"]),
    ],
)
def test_make_begins_where_the_kernels_own_does(
    setting: Setting, path: str, tops: list[str]
) -> None:
    assert len(setting.read(path).units(path)) == 1
    assert setting.make.tops() == tops


def test_make_sees_the_environment_of_the_kernels_own(setting: Setting) -> None:
    setting.read("fs/eventpoll.c")
    found = setting.make.variables()
    tree = setting.site.sources
    assert found["srctree"] == tree
    assert found["KBUILD_CFLAGS"] == f"-O2 -I{tree}/include"
    assert found["CONFIG_QUOTED"] == "a 'b' $c"
    assert found["LPPACK_OUT"] == f"{setting.work}/units"
    assert found["KBUILD_BUILTIN"] == found["KBUILD_MODULES"] == "1"
    passed_on = {*ENVIRONMENT, "KBUILD_AFLAGS"} & set(found)
    assert passed_on == {"srctree", "KBUILD_CFLAGS", "CONFIG_QUOTED", "KBUILD_AFLAGS"}


def test_a_modules_own_folder_is_not_the_kernels(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Makefile (v6.13): srcroot; __FILE__ is cut there only where it is another folder."""
    monkeypatch.setitem(ENVIRONMENT, "srcroot", ".")
    monkeypatch.setitem(ENVIRONMENT, "KBUILD_CPPFLAGS", "-D__KERNEL__")
    setting.read("fs/eventpoll.c")
    said = setting.make.variables()
    assert said["srcroot"] == setting.site.sources
    assert said["KBUILD_CPPFLAGS"].split()[1:] == [f"-fmacro-prefix-map={setting.site.sources}/="]


def test_the_environment_is_probed_once(setting: Setting) -> None:
    setting.read("fs/eventpoll.c")
    setting.read("drivers/x.c")
    assert [argv[0] for argv in setting.site.ran] == ["make", "sh", "sh"]


def test_output_of_an_earlier_run_is_not_read_again(setting: Setting) -> None:
    setting.read("fs/eventpoll.c")
    (setting.cache / "fs.json").unlink()
    setting.make.fails = "query"  # it prints nothing
    assert setting.read("fs/eventpoll.c").units("fs/eventpoll.c") == ()


def test_a_folder_that_is_read_again_is_as_it_is_now(setting: Setting) -> None:
    kbuild = setting.read("fs/eventpoll.c")
    assert kbuild.units("fs/eventpoll.c")
    setting.make.printed = {"fs": []}
    kbuild.read(setting.site, setting.work, ["fs"])
    assert kbuild.units("fs/eventpoll.c") == ()


@pytest.mark.parametrize(
    ("fails", "says"), [("probe", "make -C"), ("make", "cannot query kbuild for fs")]
)
def test_a_failure_is_reported_and_nothing_kept(setting: Setting, fails: str, says: str) -> None:
    setting.make.fails = fails
    with pytest.raises(BuildFailed, match=says):
        setting.read("fs/eventpoll.c")
    assert setting.kbuild().missing(["fs/eventpoll.c"]) == ("fs",)
    setting.make.fails = ""
    assert setting.read("fs/eventpoll.c").units("fs/eventpoll.c")


@pytest.mark.parametrize("path", ["$(touch x)/a.c", "fs/$(shell touch x)/a.c", "../fs/a.c"])
def test_no_folder_is_a_word_of_make_or_of_the_shell(setting: Setting, path: str) -> None:
    with pytest.raises(AnswerIsNo, match="no path of the kernel's sources"):
        setting.read(path)
    assert setting.site.ran == []


def test_each_word_of_the_script_is_one(setting: Setting) -> None:
    """Were one of the folders no plain word, the shell would still take it as it is."""
    setting.kbuild().read(setting.site, setting.work, ["$(touch x)", "fs"])
    [line, _] = [line for line in setting.make.script.splitlines() if line.startswith("make ")]
    assert "obj=$(touch x)" in shlex.split(line)


def test_no_folder_takes_the_place_of_another_answer(setting: Setting) -> None:
    setting.read("fs,ext4/new.c", "environment/new.c")
    assert len(setting.read("fs/ext4/dir.c").units("fs/ext4/dir.c")) == 1
    assert setting.kbuild().units("environment/new.c") == ()
    assert "O2" in setting.make.variables()["KBUILD_CFLAGS"]
