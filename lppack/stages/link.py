# SPDX-License-Identifier: MIT
"""link: for now a pass that reads the built module again and refuses what could not work."""

from lppack.elf.module import checksums_of, read_module
from lppack.errors import BuildFailed
from lppack.model import Module
from lppack.rules.module import Against, faults


def link(module: Module) -> Module:
    """``module`` as it is, after reading it. Raises BuildFailed with all that is wrong."""
    kernel = module.plan.kernel
    symvers = kernel.headers / "Module.symvers"
    against = Against(
        release=kernel.release,
        exports=checksums_of(symvers.read_text()) if symvers.is_file() else None,
        compiler=module.plan.compiler,
    )
    found = faults(read_module(module.ko.read_bytes()), against)
    if found:
        raise BuildFailed(
            "\n".join(f"{module.ko.name}: {fault}" for fault in found),
            hint="symbols that the kernel does not export cannot be used yet",
        )
    return module
