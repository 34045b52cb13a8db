# SPDX-License-Identifier: MIT
"""link: livepatch relocations for what the kernel does not export; then the finished bytes are read
again, and what could not work is refused."""

from dataclasses import replace

from lppack.elf.livepatch import NotConvertible, Wanted, convert
from lppack.elf.module import checksums_of, read_module
from lppack.errors import BuildFailed
from lppack.model import Module, Plan
from lppack.rules.module import Against, faults
from lppack.store import write_atomic


def link(module: Module) -> Module:
    """``module``, its livepatch relocations made. Raises BuildFailed with all that is wrong; then
    nothing was written."""
    plan, name = module.plan, module.ko.name
    wanted = symbols_of(plan)
    data = module.ko.read_bytes()
    if wanted:
        objects = [entry.name or "vmlinux" for entry in plan.patched]
        try:
            data = convert(data, wanted, objects)
        except NotConvertible as error:
            lines = (f"{name}: {line}" for line in error.message.splitlines())
            raise NotConvertible("\n".join(lines), hint=error.hint) from None
    symvers = plan.kernel.headers / "Module.symvers"
    against = Against(
        release=plan.kernel.release,
        exports=checksums_of(symvers.read_text()) if symvers.is_file() else None,
        compiler=plan.compiler,
        engine=plan.by_engine,
    )
    found = faults(read_module(data), against)
    if found:
        raise BuildFailed(
            "\n".join(f"{name}: {fault}" for fault in found),
            hint="what the kernel does not export is listed under `symbols`",
        )
    if not wanted:
        return module
    linked = module.work / "linked" / name
    write_atomic(linked, data)
    return replace(module, ko=linked)


def symbols_of(plan: Plan) -> tuple[Wanted, ...]:
    """What the kernel has to resolve for ``plan``."""
    return tuple(
        Wanted(c_name=symbol.c_name, object=name, name=symbol.name, sympos=symbol.sympos or 0)
        for name, symbol in plan.resolved
    )
