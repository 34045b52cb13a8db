# SPDX-License-Identifier: MIT
"""Units are compiled as the kernel's build did, once for each version of the sources."""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest

from lppack.errors import AnswerIsNo, BuildFailed
from lppack.proof.compile import Compiled, Compiler, failure, sources_of
from lppack.proof.kbuild import Unit
from tests.unit.proof.fake_site import FakeSite

TREE = {
    "fs/a.c": '#include "a.h"\nint a;\n',
    "fs/a.h": "int one;\n",
    "fs/b.c": "int b;\n",
    "fs/broken.c": "error here\n",
    "fs/sub/c.c": '#include "../a.h"\n',
    "net/n.c": "int n;\n",
    "net/sub/s.c": "int s;\n",
}


class Gcc:
    """Runs a makefile of compilations: each object holds its flags, its source and its headers."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []
        self.fails = False

    def __call__(self, argv: Sequence[str]) -> str | None:
        assert argv[:2] == ["make", "-s"]
        assert argv[3:5] == ["-C", "/usr/src/linux-headers"]
        rules = Path(argv[-1]).read_text()
        [wanted] = re.findall(r"^all: (.*)$", rules, re.M)
        found = re.findall(r"^(\d+):\n\t@(.*) >(\S+) 2>&1 \|\| :$", rules, re.M)
        assert [number for number, _, _ in found] == wanted.split()
        for _, command, log in found:
            assert "$" not in command.replace("$$", "")  # make would expand it
            words = shlex.split(command.replace("$$", "$"))
            self.commands.append(words)
            self._compile(words, Path(log))
        return None if self.fails else ""

    def _compile(self, words: list[str], log: Path) -> None:
        source, out = Path(words[-1]), Path(words[words.index("-o") + 1])
        text = source.read_text() if source.is_file() else "error: no such file\n"
        if text.startswith("error"):
            log.write_text(f"note: x\n{source}:1:2: fatal error: {text}{source}:2: error: b\n")
            return
        log.write_text("")
        flags = [word for word in words[1 : words.index("-c")] if not word.startswith("-Wp,")]
        folders = [source.parent, *(Path(flag[2:]) for flag in flags if flag.startswith("-I"))]
        headers = [
            next(Path(f"{at}/{name}") for at in folders if Path(f"{at}/{name}").is_file())
            for name in re.findall(r'#include "(.*)"', text)
        ]
        content = [" ".join(flags), text, *(header.read_text() for header in headers)]
        out.write_text("\n".join(content))
        [depends] = [word.removeprefix("-Wp,-MD,") for word in words if word.startswith("-Wp,-MD,")]
        names = [str(source), *map(str, headers), "/usr/lib/gcc/stddef.h", "include/conf.h"]
        Path(depends).write_text(f"{out}: {names[0]} \\\n " + " \\\n ".join(names[1:]) + "\n")


class Setting:
    """One tree, its cache and what compiles it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.tree = folder, folder / "linux"
        for name, text in TREE.items():
            (self.tree / name).parent.mkdir(parents=True, exist_ok=True)
            (self.tree / name).write_text(text)
        self.gcc = Gcc()
        self.works = 0

    def compiler(self) -> Compiler:
        """A compiler in a work directory of its own; all share the cache."""
        self.works += 1
        self.work = self.folder / f"work{self.works}"
        self.work.mkdir()
        site = FakeSite(self.work, self.tree, self.gcc)
        return Compiler(site, self.work, self.tree, self.folder / "cache")

    def after(self, path: str, files: dict[str, bytes | None], near: Sequence[str] = ()) -> str:
        made = one(self.compiler().after([unit(path)], files, near))
        return (made.object or b"").decode()


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    return Setting(tmp_path)


def unit(path: str, *flags: str) -> Unit:
    return Unit(path=path, objects=("vmlinux",), flags=("-I{sources}/include", *flags))


def one(made: dict[Unit, Compiled]) -> Compiled:
    [found] = made.values()
    return found


def test_an_object_its_flags_and_its_files(setting: Setting) -> None:
    found = one(setting.compiler().before([unit("fs/a.c", "-DX='a b'", "-DY=$z")]))
    assert found.object
    assert found.object.endswith(b"int a;\n\nint one;\n")
    assert found.files == ("fs/a.c", "fs/a.h")
    [words] = setting.gcc.commands
    assert words[:4] == ["gcc-12", f"-I{setting.tree}/include", "-DX='a b'", "-DY=$z"]
    assert {"-ffunction-sections", "-fdata-sections"} <= set(words)
    assert words[-1] == f"{setting.tree}/fs/a.c"


def test_each_unit_has_its_own_object(setting: Setting) -> None:
    units = [unit("fs/b.c"), unit("fs/a.c"), unit("fs/b.c", "-DMODULE")]
    made = setting.compiler().before(units)
    assert list(made) == units
    assert [b"MODULE" in (found.object or b"") for found in made.values()] == [False, False, True]
    assert sources_of(made.values()) == {"fs/a.c", "fs/a.h", "fs/b.c"}


def test_nothing_to_compile_runs_nothing(setting: Setting) -> None:
    assert setting.compiler().before([]) == {}
    assert setting.gcc.commands == []


def test_an_unchanged_file_is_compiled_once(setting: Setting) -> None:
    first = setting.compiler().before([unit("fs/a.c")])
    assert setting.compiler().before([unit("fs/a.c")]) == first
    assert len(setting.gcc.commands) == 1
    setting.compiler().before([unit("fs/a.c", "-O3"), unit("fs/a.c")])
    assert len(setting.gcc.commands) == 2
    assert "-O3" in setting.gcc.commands[1]


def test_a_damaged_object_is_compiled_again(setting: Setting) -> None:
    first = setting.compiler().before([unit("fs/a.c")])
    [kept] = (setting.folder / "cache").rglob("*.o")
    kept.write_bytes(b"damaged")
    assert setting.compiler().before([unit("fs/a.c")]) == first
    assert len(setting.gcc.commands) == 2


def test_what_does_not_compile_is_reported_and_not_kept(setting: Setting) -> None:
    made = setting.compiler().before([unit("fs/broken.c"), unit("fs/b.c")])
    broken, other = made.values()
    assert broken.object is None
    assert failure(broken).endswith("fs/broken.c:1:2: fatal error: error here")
    assert other.object
    setting.compiler().before([unit("fs/broken.c")])
    assert len(setting.gcc.commands) == 3


@pytest.mark.parametrize(
    ("log", "found"),
    [
        ("", ""),
        ("cc1: all is lost\nmore\n", "cc1: all is lost"),
        ("In file\n/usr/src/linux-source/fs/a.c:7: error: no\n", "fs/a.c:7: error: no"),
        ("a.c:1:1: warning: w\na.c:2:3: error: e 1\na.c:4:1: error: e 2\n", "a.c:2:3: error: e 1"),
    ],
)
def test_the_first_error_is_reported(log: str, found: str) -> None:
    assert failure(Compiled(unit=unit("a.c"), object=None, log=log, files=(), tree="")) == found


def test_make_that_fails(setting: Setting) -> None:
    setting.gcc.fails = True
    with pytest.raises(BuildFailed, match="the files cannot be compiled"):
        setting.compiler().before([unit("fs/a.c")])


# -- after a change


def test_a_changed_file_takes_the_place_of_the_other(setting: Setting) -> None:
    found = setting.after("fs/a.c", {"fs/a.c": b'#include "a.h"\nlong a;\n'})
    assert found.endswith("long a;\n\nint one;\n")
    assert (setting.tree / "fs/a.c").read_text() == TREE["fs/a.c"]


def test_a_changed_header_is_what_its_users_see(setting: Setting) -> None:
    assert setting.after("fs/a.c", {"fs/a.h": b"long one;\n"}).endswith("int a;\n\nlong one;\n")


def test_a_header_above_is_that_of_the_changed_tree(setting: Setting) -> None:
    files: dict[str, bytes | None] = {"fs/a.h": b"long one;\n"}
    assert setting.after("fs/sub/c.c", files, ["fs/sub/c.c", "fs/a.h"]).endswith("long one;\n")


def test_a_folder_of_the_flags_above_is_that_of_the_changed_tree(setting: Setting) -> None:
    """drivers/net/wireless/intel/iwlwifi/mvm/Makefile (v6.1): adds $(src)/../ so."""
    (setting.tree / "fs/sub/c.c").write_text('#include "a.h"\n')
    of = unit("fs/sub/c.c", "-I{sources}/fs/sub/../")
    made = setting.compiler().after([of], {"fs/a.h": b"long one;\n"}, ["fs/sub/c.c", "fs/a.h"])
    assert (one(made).object or b"").endswith(b"long one;\n")
    assert (setting.work / "after/fs/sub/c.c").is_symlink()
    assert len(setting.gcc.commands) == 1


def test_an_include_that_a_macro_composes_is_of_the_changed_tree(setting: Setting) -> None:
    """include/trace/define_trace.h (v6.1) includes a header again, by TRACE_INCLUDE_PATH."""
    (setting.tree / "net/n.c").write_text('#include "sub/../../fs/a.h"\n')
    files: dict[str, bytes | None] = {"fs/a.h": b"long one;\n"}
    assert setting.after("net/n.c", files).endswith("long one;\n")  # near does not name n.c
    assert len(setting.gcc.commands) == 2
    # What did not change is the same in both trees.
    setting.after("net/n.c", {"fs/b.c": b"long b;\n"})
    assert len(setting.gcc.commands) == 3


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("/* see ../a.h */\n", False),
        ("int x; // #include ../a.h\n", False),
        ("#define TRACE_INCLUDE_PATH ../../fs\n", True),
        ("  # define PATH \\\n\t../../fs\n", True),
    ],
)
def test_which_folders_are_made_anew(setting: Setting, text: str, own: bool) -> None:
    (setting.tree / "net/sub/trace.h").write_text(text)
    setting.after("fs/a.c", {"fs/a.h": b"long one;\n"}, ["net/sub/trace.h"])
    assert (setting.work / "after/net").is_symlink() == (not own)


def test_the_flags_name_the_changed_tree(setting: Setting) -> None:
    setting.after("fs/a.c", {"fs/a.c": b"int x;\n"})
    [words] = setting.gcc.commands
    assert words[1] == f"-I{setting.work}/after/include"
    assert words[-1] == f"{setting.work}/after/fs/a.c"


def test_a_file_that_is_gone_and_a_new_one(setting: Setting) -> None:
    files: dict[str, bytes | None] = {"fs/b.c": None, "new/folder/n.c": b"int n;\n"}
    made = setting.compiler().after([unit("fs/b.c"), unit("new/folder/n.c")], files, [])
    gone, new = made.values()
    assert gone.object is None
    assert new.files == ("new/folder/n.c",)


def test_all_else_is_as_in_the_tree(setting: Setting) -> None:
    setting.after("fs/a.c", {"fs/a.h": b"long one;\n", "net/sub/s.c": None})
    top = setting.work / "after"
    assert {name for name in TREE if (top / name).is_file()} == set(TREE) - {"net/sub/s.c"}
    assert sorted(path.name for path in top.iterdir()) == ["fs", "net"]
    assert (top / "fs/b.c").is_symlink()
    assert (top / "fs/sub").is_symlink()


def test_a_change_is_never_kept(setting: Setting) -> None:
    setting.after("fs/a.c", {"fs/a.c": b"long a;\n"})
    assert not (setting.folder / "cache").exists()
    assert (one(setting.compiler().before([unit("fs/a.c")])).object or b"").endswith(b"int one;\n")


def test_files_of_the_changed_tree_have_the_same_names(setting: Setting) -> None:
    made = setting.compiler().after([unit("fs/a.c")], {"fs/a.h": b"long one;\n"}, [])
    assert one(made).files == ("fs/a.c", "fs/a.h")


@pytest.mark.parametrize("path", ["../sibling/x.c", "fs/../../sibling/x.c", "fs/./a.c", "/x/a.c"])
@pytest.mark.parametrize("is_changed", [True, False])
def test_what_leads_out_of_the_tree_is_refused_before_anything_is_made(
    setting: Setting, path: str, *, is_changed: bool
) -> None:
    sibling = setting.folder / "sibling"
    sibling.mkdir()
    with pytest.raises(AnswerIsNo, match="no path of the kernel's sources"):
        setting.after("fs/a.c", {path: b"int x;\n"} if is_changed else {}, [path])
    assert not (setting.work / "after").exists()
    assert list(sibling.iterdir()) == []


@pytest.mark.parametrize("path", ["fs/a.c", "fs/sub/c.c"])
def test_no_link_leads_what_is_written_elsewhere(setting: Setting, path: str) -> None:
    sibling = setting.folder / "sibling"
    sibling.mkdir()
    compiler = setting.compiler()
    (setting.work / "after").mkdir()
    (setting.work / "after/fs").symlink_to(sibling)
    with pytest.raises(BuildFailed, match=r"of the change leads out of .*/after"):
        compiler.after([unit("fs/a.c")], {path: b"int x;\n"}, [])
    assert list(sibling.iterdir()) == []


@pytest.mark.parametrize("path", ["fs/new.c", "fs/a.c"])
def test_a_file_is_no_folder(setting: Setting, path: str) -> None:
    files: dict[str, bytes | None] = {path: b"int x;\n", f"{path}/x.c": b"int x;\n"}
    with pytest.raises(BuildFailed, match=rf"^{path} is a file of the change, and a folder as"):
        setting.after("fs/a.c", files)
