# SPDX-License-Identifier: MIT
"""link: add livepatch relocations for symbols that the kernel does not export.

Afterwards, read the finished module again, and refuse one that cannot work.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from lppack import abi
from lppack.elf.compare import differences
from lppack.elf.livepatch import LivepatchSymbol, NotConvertible, convert
from lppack.elf.module import checksums_of, read_module
from lppack.elf.reach import uses
from lppack.errors import BuildFailed
from lppack.kernel.exports import find_export
from lppack.kernel.modules import read_module as read_target
from lppack.kernel.symbols import is_clone
from lppack.model import FunctionPatch, Module, ObjectPatch, Plan
from lppack.rules.module import faults
from lppack.rules.view import Against
from lppack.store import write_atomic


def link(module: Module) -> Module:
    """Return ``module`` with livepatch relocations. Raise BuildFailed with all problems.

    After BuildFailed nothing was written.
    """
    plan, name = module.plan, module.ko.name
    _hold_against_targets(module)
    wanted = symbols_of(plan)
    data = module.ko.read_bytes()
    if plan.with_slots:
        _keep_apart(plan, data)
    if wanted:
        data = _converted(name, data, plan, wanted)
    symvers = plan.kernel.headers / "Module.symvers"
    against = Against(
        release=plan.kernel.release,
        exports=checksums_of(symvers.read_text()) if symvers.is_file() else None,
        compiler=plan.compiler,
        engine=plan.by_engine,
    )
    made = read_module(data)
    found = faults(made, against)
    if found:
        raise BuildFailed(
            "\n".join(f"{name}: {fault}" for fault in found),
            hint="list symbols that the kernel does not export under `symbols`",
            report={"undefined": [n for n in made.undefined if _is_a_modules(n, symvers)]},
        )
    if not wanted:
        return module
    linked = module.work / "linked" / name
    write_atomic(linked, data)
    return replace(module, ko=linked)


def _converted(name: str, kbuilt: bytes, plan: Plan, wanted: Sequence[LivepatchSymbol]) -> bytes:
    objects = [entry.name or "vmlinux" for entry in plan.patched]
    try:
        data = convert(kbuilt, wanted, objects)
    except NotConvertible as error:
        lines = (f"{name}: {line}" for line in error.message.splitlines())
        raise NotConvertible("\n".join(lines), hint=error.hint) from None
    odd = differences(kbuilt, data, {entry.c_name: entry.klp_name for entry in wanted})
    if odd:
        raise BuildFailed(
            "\n".join(f"{name}: {line}" for line in odd),
            hint="this is a bug of lppack: report it; nothing was written",
        )
    return data


def _is_a_modules(name: str, symvers: Path) -> bool:
    export = find_export(symvers, name)
    return export is not None and export.module is not None


def _hold_against_targets(module: Module) -> None:
    """Check the symbols of the test's targets, which `plan` could not know before they were
    built."""
    faults = []
    for entry, ko in _built(module):
        symbols = read_target(ko)
        faults += [
            f'"{symbol.name}" of {symbol.module}: {ko.name} does not depend on {symbol.module}'
            for symbol in entry.symbols
            if symbol.module and symbol.module not in symbols.depends
        ]
        for name, sympos, is_function in _named(entry):
            copies = symbols.copies(name)
            where = f'"{name}" of {entry.name}'
            clones = sorted({s.name for s in symbols.symbols if is_clone(s.name, name)})
            if not copies:
                faults.append(
                    f"{where}: is not in {ko.name}" + (f", but {clones[0]}" if clones else "")
                )
            elif not sympos and len(copies) > 1:
                faults.append(f"{where}: {ko.name} has {len(copies)}; give `sympos`")
            elif (sympos or 1) > len(copies):
                faults.append(f"{where}: {ko.name} has only {len(copies)}")
            elif is_function != (copies[(sympos or 1) - 1].type in "tT"):
                faults.append(f"{where}: is {'no' if is_function else 'a'} function in {ko.name}")
    if faults:
        manifest = module.plan.manifest.path
        raise BuildFailed(
            "\n".join(f"{manifest}: {fault}" for fault in faults),
            file=str(manifest),
            hint="the test's target is built from target/; a static function may have been inlined",
        )


def _built(module: Module) -> Iterator[tuple[ObjectPatch, Path]]:
    files = {ko.stem: ko for ko in module.targets}
    return ((entry, files[entry.name]) for entry in module.plan.modules if entry.name in files)


def _named(entry: ObjectPatch) -> Iterator[tuple[str, int | None, bool]]:
    """Yield each name, its position, and whether it must be a function."""
    for function in entry.functions:
        yield function.old, function.sympos, True
    for symbol in entry.symbols:
        if symbol.module is None:
            yield symbol.name, symbol.sympos, symbol.callable


def _keep_apart(plan: Plan, data: bytes) -> None:
    """Raise BuildFailed if code for one object uses symbols of another module.

    That module may not be loaded.
    """
    owners = {
        name: entry.name
        for entry in plan.with_slots
        for symbol in entry.symbols
        for name in ((symbol.slot, symbol.c_name) if symbol.callable else (symbol.slot,))
    }
    roots = dict(_code_of(plan))
    used = uses(data, roots, owners)
    faults = [
        f'{root}() belongs to {object_ or "vmlinux"}, and uses "{name.removeprefix("lp_slot_")}" '
        f"of {owners[name]}, which may not be loaded then"
        for root, object_ in roots.items()
        for name in used.get(root, ())
        if owners[name] != object_
    ]
    if faults:
        manifest = plan.manifest.path
        raise BuildFailed(
            "\n".join(f"{manifest}: {fault}" for fault in faults),
            file=str(manifest),
            hint="use a module's symbols only in replacements for its own functions, and "
            "in its hooks",
        )


def _code_of(plan: Plan) -> Iterator[tuple[str, str | None]]:
    """Yield each function that the manifest names, and its object."""
    for entry in plan.patched:
        hooks = (*entry.hooks.of_the_kernel, ("barrier", entry.hooks.barrier))
        for name in (*(fn.new for fn in entry.functions), *(name for _, name in hooks)):
            if name:
                yield name, entry.name
    for transform in plan.manifest.transforms:
        for name in (transform.forward, transform.reverse, transform.take, transform.release):
            if name:
                yield name, transform.object
    for world in plan.manifest.world:
        names = (world.marker, world.for_each, world.prepare, world.check)
        for name in (*names, world.forward, world.reverse, world.finish):
            if name:
                yield name, world.object


def symbols_of(plan: Plan) -> tuple[LivepatchSymbol, ...]:
    """Return the livepatch symbols that the kernel must resolve for ``plan``."""
    direct = (
        LivepatchSymbol(
            c_name=symbol.c_name, object="vmlinux", name=symbol.name, sympos=symbol.sympos or 0
        )
        for symbol in plan.anchor.resolved
    )
    slots = (
        LivepatchSymbol(
            c_name=slot.wanted,
            object=entry.name or "vmlinux",
            name=slot.old if isinstance(slot, FunctionPatch) else slot.name,
            sympos=slot.sympos or 0,
            module=None if isinstance(slot, FunctionPatch) else slot.module,
        )
        for entry in plan.modules
        for slot in entry.slots
    )
    if plan.by_engine:
        # lppack_engine.ko fills in the slots itself, from a table in lp_slots.c.
        return tuple(direct)
    names = (*abi.OF_UNLOAD, *((abi.EXIT_LISTS,) if plan.exit_list else ()))
    ours = (LivepatchSymbol(c_name=name, object="vmlinux", name=name, sympos=0) for name in names)
    return (*{entry.c_name: entry for entry in (*ours, *direct)}.values(), *slots)
