# SPDX-License-Identifier: MIT
"""adopt: apply and revert a live patch that another tool built, with lppack's checks.

kpatch keeps its modules in /var/lib/kpatch/RELEASE. kpatch-build and klp-build make modules for the
kernel's livepatch interface. Such a module describes itself in less detail than a bundle.
"""

import hashlib
from dataclasses import replace
from pathlib import Path

from lppack import abi
from lppack.abi import PatchPhase
from lppack.consistency import EngineName, ModeName
from lppack.elf.identity import identity
from lppack.elf.module import NotAModule, read_module
from lppack.elf.rewrite import Relocatable
from lppack.errors import ApplyRefused, HostError
from lppack.hosts.put import put_json
from lppack.model import Bundle, TestSpec
from lppack.shape import read_json
from lppack.stages.apply import apply, refuse_early, rehearse
from lppack.stages.drive import Control, answered
from lppack.stages.journal import FOLDER, Journal, followed_by
from lppack.stages.status import PatchReport

#: Modules that were adopted on a host, each with its srcversion.
ADOPTED = f"{FOLDER}/adopted.json"
#: kpatch(1): where `kpatch install` puts modules.
INSTALLED = "/var/lib/kpatch"
_HISTORY = 500  # number of records to search
_NOT_A_PATCH = "not-a-live-patch"
_BUILD_ID = ".note.gnu.build-id"


def as_bundle(control: Control, path: Path, data: bytes) -> Bundle:
    """Describe a module as a bundle, as far as the module describes itself. Raise ApplyRefused.

    kpatch-build makes patches that replace every other live patch. An older kernel does not show
    whether a patch does so. The module is therefore treated as such a patch, and no other patch may
    be live.
    """
    try:
        module = read_module(data)
        found = identity(data)
    except NotAModule as error:
        raise ApplyRefused(f"{path} {error.message}", reason=_NOT_A_PATCH) from None
    if found.info:
        raise ApplyRefused(
            f"{path} was built by lppack",
            hint="use lppack apply with its bundle",
            reason="lppacks-own",
        )
    if module.info("livepatch") != "Y":
        raise ApplyRefused(
            f"{path} is not a live patch: its modinfo has no livepatch=Y",
            hint="give a module that kpatch-build or klp-build has built",
            reason=_NOT_A_PATCH,
        )
    if build_of(data) is None:
        raise ApplyRefused(
            f"{path} has neither a build id nor a srcversion: lppack could not tell it "
            "from another build",
            hint="build it with --build-id, as kbuild does",
            reason=_NOT_A_PATCH,
        )
    return Bundle(
        path=path,
        series=found.name,
        version=0,
        module=found.name,
        release=(module.info("vermagic") or "").partition(" ")[0],
        kernel_version=answered(control, lambda: control.host.read(abi.VERSION)).strip(),
        engine=EngineName.LIVEPATCH,
        mode=ModeName.HYBRID,
        converts=False,
        module_sha256=hashlib.sha256(data).hexdigest(),
        srcversion=module.info("srcversion"),
        provenance=(),
        functions=(),
        signed=data.endswith(abi.MODULE_SIGNATURE),
        replaces=(found.name,),
        fixes=(),
        test=TestSpec(targets=(), programs=(), boot=(), checks=()),
    )


def build_of(data: bytes) -> str | None:
    """Return the build id of a module, or else its srcversion."""
    for section in Relocatable(data).sections:
        if section.name == _BUILD_ID:
            return bytes(section.data).hex()
    return read_module(data).info("srcversion")


def _build_on_host(control: Control, module: str) -> str | None:
    # kernel/module/sysfs.c: add_notes_attrs() shows the bytes of each note section (v6.1).
    file = f"{abi.MODULES}/{module}/notes/{_BUILD_ID}"
    done = control.host.run(["sh", "-c", f"od -An -v -tx1 {file} 2> /dev/null"], limit=30.0)
    return "".join(done.out.split()) or control.engine.srcversion(module)


def adopt(
    control: Control, bundle: Bundle, ko: Path, *, build: str, load: bool = True
) -> PatchReport | None:
    """Apply a module of another tool, and record that lppack may revert it; None without ``load``.

    If the same build is live already, it stays as it is. Raise what apply raises.
    """
    state = answered(control, lambda: control.engine.state(bundle.module))
    if state.phase is PatchPhase.PATCHED and _build_on_host(control, bundle.module) == build:
        if load:
            _note(control, bundle.module, build)
        return replace(control.report(bundle.module), changed=False)
    if not load:
        rehearse(control, bundle)
        return None
    refuse_early(control, bundle)
    _note(control, bundle.module, build)  # before loading it, because recover may have to revert it
    return apply(control, bundle, ko, convert=False)


def refuse_after_crash(control: Control, bundle: Bundle) -> None:
    """Raise ApplyRefused if the machine went down while the module was applied, or within a minute
    after.

    If somebody has applied the module successfully since, it is accepted.
    """
    if control.host.lock is None:
        return  # lppack keeps no history of such a host
    journal = Journal(control.host)
    records = answered(control, lambda: (*journal.history(_HISTORY), *journal.lost()))
    same = [r for r in records if r.command == "apply" and r.sha256 == bundle.module_sha256]
    last = same[-1] if same else None
    if last is not None and (why := followed_by(last)):
        raise ApplyRefused(
            f"{bundle.path}: {why[1]}, at {last.ended or last.began}",
            hint="to apply it nevertheless: --again",
            reason=why[0],
        )


def _note(control: Control, module: str, build: str) -> None:
    if control.host.lock is not None:
        noted = {**_adopted(control), module: build}
        answered(control, lambda: put_json(control.host, ADOPTED, noted))


def is_adopted(control: Control, module: str) -> bool:
    """Return True if this build of a foreign module was adopted."""
    noted = _adopted(control).get(module)
    return noted is not None and noted == _build_on_host(control, module)


def installed(control: Control) -> tuple[str, ...]:
    """Return the modules that kpatch has installed for the kernel of the host."""
    release = answered(control, lambda: control.host.read(abi.OSRELEASE)).strip()
    folder = f"{INSTALLED}/{release}"
    try:
        names = control.host.list(folder)
    except HostError as error:
        if error.absent:
            return ()
        raise
    return tuple(f"{folder}/{name}" for name in names if name.endswith(".ko"))


def _adopted(control: Control) -> dict[str, str]:
    if control.host.lock is None:
        return {}
    try:
        said = read_json(control.host.read(ADOPTED))
    except HostError as error:
        if error.absent:
            return {}
        raise
    except ValueError:
        return {}
    rows = said.items() if isinstance(said, dict) else ()
    return {str(key): value for key, value in rows if isinstance(value, str)}
