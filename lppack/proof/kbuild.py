# SPDX-License-Identifier: MIT
"""How kbuild compiles each C file of one exact kernel: into which objects, and with which flags.

Makefile.build of the kernel's own sources is run over the requested folders, with the
environment that the top Makefile of the headers package exports; nothing of kbuild is imitated.
"""

import posixpath
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lppack import proc, store
from lppack.builders.protocol import Site, kbuild_argv
from lppack.csource.paths import check_path
from lppack.errors import BuildFailed
from lppack.model import Kernel

_LIMIT = 600.0  # seconds for one run of make

# scripts/Makefile.build and Makefile.lib (v6.1): c_flags and part-of-module depend on $@ and $*,
# but not on the suffix of the target.
_QUERY = """\
include $(srctree)/scripts/Makefile.build
lppack-units := $(filter %.o,$(real-obj-y) $(real-obj-m) $(lib-y) $(extra-y))
lppack-below := $(filter $(LPPACK_FOLDERS),$(patsubst %/,%,$(subdir-ym)))
$(obj)/%.lppack:
\t@printf '%s\\0' unit '$(patsubst %.lppack,%.o,$@)' '$(modname)' $(c_flags) '' >> $(LPPACK_OUT)
lppack-folder: $(patsubst %.o,%.lppack,$(lppack-units))
\t@printf '%s\\0' folder '$(obj)' '' >> $(LPPACK_OUT)
lppack-into/%: lppack-folder
\t@$(MAKE) -s -f $(LPPACK_MK) obj=$* lppack
lppack: lppack-folder $(addprefix lppack-into/,$(lppack-below))
.PHONY: lppack lppack-folder
"""
_EXPORT = """\
always-y := environment
$(obj)/environment: FORCE
\t@env -0 > $@
"""
#: C files that are compiled into something other than vmlinux and modules, with other flags and
#: rules (v6.1 to v7.2).
_APART = (
    (
        r"arch/x86/(?:boot|realmode/rm|purgatory)/|drivers/firmware/efi/libstub/",
        "it does not run in the kernel, but before it or after it",
    ),
    (
        r"lib/vdso/|arch/x86/entry/vdso/(?!(?:vma|extable|vdso32-setup)\.c$)",
        "it is code of the vDSO, which programs run",
    ),
    (r"(?:arch/x86/tools|scripts|tools|usr)/", "it is of a program that builds the kernel"),
    (
        r"(?:.*/)?asm-offsets\w*\.c$|kernel/bounds\.c$",
        "it gives assembler and headers their constants, when the kernel is built",
    ),
)
#: Folders apart, whose Makefiles may compile files of other folders.
FOLDERS_APART = ("arch/x86/boot/compressed", "arch/x86/purgatory", "drivers/firmware/efi/libstub")
_INCLUDES = r"^\s*include\s+\$\(srctree\)/([A-Za-z0-9_/.-]+)"
# Variables of the module that is built to see the environment, or of the run of make itself.
_NOT_PASSED_ON = {
    *("KBUILD_EXTMOD", "extmod_prefix", "M", "obj", "MODORDER", "MODULES_NSDEPS", "VPATH"),
    *("MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL", "MAKE_TERMERR", "MAKE_TERMOUT"),
    *("PATH", "HOME", "PWD", "OLDPWD", "SHLVL", "HOSTNAME", "_"),
    *("KBUILD_BUILTIN", "KBUILD_MODULES"),
}
# Makefile and arch/x86/Makefile (v6.1): what the top Makefile descends into besides folders of the
# first level.
_TOPS = re.compile(r"^(?:core|drivers|libs|head)-\S*\s*[+:]?=\s*(arch/x86/[\w/-]*?)/?\s*$", re.M)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One C file as this kernel's build compiles it."""

    path: str  # "fs/eventpoll.c"
    objects: tuple[str, ...]  # "vmlinux", or modules as the kernel names them
    flags: tuple[str, ...]  # with {sources} for the tree of the sources


class Kbuild:
    """Find the units of one kernel; answers are cached in ``cache``, a folder for this kernel."""

    def __init__(self, kernel: Kernel, tree: Path, cache: Path) -> None:
        self._kernel = kernel
        self._tree = tree
        self._cache = cache
        self._known: dict[str, tuple[Unit, ...] | None] = {}

    def missing(self, paths: Iterable[str]) -> tuple[str, ...]:
        """Return the folders to read before units() can answer for ``paths``."""
        paths = tuple(paths)
        for path in paths:
            check_path(path, "the change")  # names of folders go to make and to a shell
        folders = {folder for path in paths for folder in self._near(path)}
        return tuple(sorted(f for f in folders if not store.has_json(self._place(f))))

    def units(self, path: str) -> tuple[Unit, ...]:
        """Return the units of ``path``: one for most; () if this kernel is built without it."""
        found = []
        for folder in self._near(path):
            found += [unit for unit in self._folder(folder) or () if unit.path == path]
        return tuple(found)

    def is_off(self, path: str, config: Mapping[str, str]) -> bool:
        """Return whether the configuration leaves out a file that has no units().

        False also means that this is not known: the file may be compiled for a part that is built
        apart (the vDSO, the boot code), by a rule of its own, or for a program of the build.
        """
        if apart(path):
            return False
        above = _above(path)
        off = [f for f in above if store.has_json(self._place(f)) and self._folder(f) is None]
        if off and "arch" not in off:
            return True  # the Makefile above it does not descend
        for folder in reversed(above):
            for name in ("Kbuild", "Makefile"):
                file = self._tree / folder / name
                if file.is_file():
                    text = re.sub(r"\\\n", " ", file.read_text(errors="replace"))
                    stem = path.removeprefix(f"{folder}/").removesuffix(".c")
                    return _is_off(text, stem, config)
        return False

    @cached_property
    def _included(self) -> Mapping[str, tuple[str, ...]]:
        """Map a folder to those whose Makefiles include one of its own (virt/kvm/Makefile.kvm)."""
        argv = ["grep", "-rE", "--include=Makefile", "--include=Kbuild", _INCLUDES, "."]
        done = proc.run_bytes(argv, limit=120, cwd=self._tree) or b""
        found: dict[str, tuple[str, ...]] = {}
        for line in done.decode(errors="replace").splitlines():
            file, _, text = line.partition(":")
            if match := re.search(_INCLUDES, text):
                user = posixpath.dirname(file.removeprefix("./"))
                of = posixpath.dirname(match[1])
                if not user or not of or match[1].endswith("/"):
                    continue  # the top Makefile
                found[of] = (*found.get(of, ()), user)
        return found

    def _near(self, path: str) -> list[str]:
        """Return the folders whose Makefiles may name the file: those above it, neighbours that use
        "../", and those that include a Makefile of a folder above it."""
        found = above = _above(path)
        for folder in above:
            for user in self._included.get(folder, ()):
                found = [*found, *_above(f"{user}/"), user]
        for folder in above[2:]:
            for makefile in sorted((self._tree / folder).parent.glob("*/Makefile")):
                if b"/.." in (text := makefile.read_bytes()) or b"../" in text:
                    found = [*found, str(makefile.parent.relative_to(self._tree))]
        return list(dict.fromkeys(found))

    def _folder(self, folder: str) -> tuple[Unit, ...] | None:
        if folder not in self._known:
            said = store.read_json(self._place(folder))
            self._known[folder] = said and tuple(
                Unit(path=path, objects=tuple(objects), flags=tuple(flags))
                for path, objects, flags in said["units"]
            )
        return self._known[folder]

    def _place(self, folder: str) -> Path:
        name = folder.replace(",", "%").replace("/", ",")  # unique
        return self._cache / f"{name}.json"

    def read(self, site: Site, work: Path, folders: Sequence[str]) -> None:
        """Query kbuild for ``folders``, whose parents are all among them or known.

        ``site`` has the tree of the sources. Raise BuildFailed.
        """
        environment = self._environment(site, work)
        wanted = {above for folder in folders for above in (*_above(f"{folder}/"), folder)}
        tops = [*self._tops(wanted)]
        (work / "query.mk").write_text(_QUERY)
        out = work / "units"
        out.unlink(missing_ok=True)
        lines = [f"export {name}={shlex.quote(value)}" for name, value in environment.items()]
        lines += [
            f"export KBUILD_BUILTIN=1 KBUILD_MODULES=1 VPATH={shlex.quote(site.sources)}",
            f"export LPPACK_MK={shlex.quote(site.work)}/query.mk",
            f"export LPPACK_OUT={shlex.quote(site.work)}/units",
            f"export LPPACK_FOLDERS={shlex.quote(' '.join(sorted(wanted)))}",
            f"cd {shlex.quote(site.kernel)}",
            "set -e",
        ]
        # cc-option compiles in TMPOUT, and the folder of the headers is read-only: no folder is
        # made there either (obj-dirs, scripts/Makefile.build v6.13).
        lines += [
            f"make -s -rR -I{shlex.quote(site.sources)} -f $LPPACK_MK obj={shlex.quote(top)} "
            "need-builtin=1 need-modorder=1 'TMPOUT=/tmp/.tmp_$$$$' obj-dirs= lppack"
            for top in tops
        ]
        (work / "query.sh").write_text("\n".join(lines) + "\n")
        done = site.run(["sh", f"{site.work}/query.sh"], limit=_LIMIT)
        if not done.ok:
            raise BuildFailed(f"cannot query kbuild for {', '.join(tops)}\n{done.out}")
        found = _parse(out.read_bytes(), site.sources, self._tree) if out.is_file() else {}
        for folder in wanted:
            units = found.get(folder)
            store.write_json(self._place(folder), units and {"units": units})
            self._known.pop(folder, None)

    def _tops(self, wanted: set[str]) -> Iterable[str]:
        text = (self._tree / "arch/x86/Makefile").read_text()
        every = {found.group(1) for found in _TOPS.finditer(text)}
        every |= {folder for folder in wanted if "/" not in folder}
        every -= {"arch", "scripts", "tools", "usr"}
        every.add("arch/x86")  # Makefile (v6.1): core-y += arch/$(SRCARCH)/
        return sorted(top for top in every if top in wanted)

    def _environment(self, site: Site, work: Path) -> Mapping[str, str]:
        """Return the variables that the kernel's top Makefile exports to sub-makes."""
        kept = self._cache / ",environment.json"  # no folder has this name
        if not store.has_json(kept):
            probe = work / "probe"
            probe.mkdir(exist_ok=True)
            (probe / "Kbuild").write_text(_EXPORT)
            probe.chmod(0o777)
            done = site.run([*kbuild_argv(site, self._kernel, "probe"), "modules"], limit=_LIMIT)
            if not done.ok:
                raise BuildFailed(done.summary())
            pairs = (probe / "environment").read_bytes().decode().split("\0")
            said = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
            common = said["srctree"]
            said = {
                name: value.replace(common, "{sources}")
                for name, value in said.items()
                if name not in _NOT_PASSED_ON and re.fullmatch(r"\w+", name)
            }
            # kbuild_argv() adds flags that map folders of this build only.
            said.pop("KCFLAGS", None)
            said.pop("KAFLAGS", None)
            for flags in ("KBUILD_CFLAGS", "KBUILD_AFLAGS"):
                words = said.get(flags, "").split()
                mapped = ("-ffile-prefix-map=", "-fdebug-prefix-map=")
                said[flags] = " ".join(word for word in words if not word.startswith(mapped))
            if "srcroot" in said:
                # Makefile (v6.13): in the build of a module, its folder. In the kernel's own build
                # it is the tree, which is cut off __FILE__.
                said["srcroot"] = "{sources}"
                said["KBUILD_CPPFLAGS"] += " -fmacro-prefix-map={sources}/="
            store.write_json(kept, said)
        said = store.read_json(kept)
        return {name: value.replace("{sources}", site.sources) for name, value in said.items()}


def _parse(
    data: bytes, sources: str, tree: Path
) -> dict[str, list[tuple[str, list[str], list[str]]]]:
    """Map each folder to its units, from the output of the query."""
    found: dict[str, list[tuple[str, list[str], list[str]]]] = {}
    units: list[tuple[str, list[str], list[str]]] = []
    for record in data.decode().split("\0\0"):
        words = record.strip("\0").split("\0")
        if words[0] == "folder":
            found[words[1]], units = units, []
        elif words[0] == "unit":
            path = posixpath.normpath(words[1]).removesuffix(".o") + ".c"
            if not (tree / path).is_file():
                continue  # assembler, or made by a program of the build
            flags = [
                word.replace(sources, "{sources}")
                for word in words[3:]
                if not word.startswith("-Wp,-MMD") and not re.fullmatch(r"-g\S*", word)
            ]
            module = "-DMODULE" in flags
            names = [name.replace("-", "_") for name in words[2].split(":")]
            units.append((path, names if module else ["vmlinux"], flags))
    return found


def apart(path: str) -> str | None:
    """Return what a C file is for, if it is not compiled into vmlinux or a module; None if it
    is."""
    return next((why for pattern, why in _APART if re.match(pattern, path)), None)


def _is_off(makefile: str, stem: str, config: Mapping[str, str]) -> bool:
    """Return whether every line that names the object depends on an option that is off."""
    switches = []
    for line in makefile.splitlines():
        if not re.search(rf"(?<![\w/-]){re.escape(stem)}\.o\b", line):
            continue
        option = re.match(r"\s*([\w-]+)-\$\((CONFIG_\w+)\)\s*[+:]?=", line)
        composite = re.match(r"\s*([\w-]+?)-(?:y|objs)\s*[+:]?=", line)
        if option is not None:
            switches.append(config.get(option[2], "n") == "n")
        elif composite is not None and composite[1] not in ("obj", "lib"):
            switches.append(_is_off(makefile, composite[1], config))
        else:
            return False
    return bool(switches) and all(switches)


def _above(path: str) -> list[str]:
    """Return the folders above a file, outermost first: "fs", "fs/ext4"."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[: at + 1]) for at in range(len(parts))]
