# SPDX-License-Identifier: MIT
"""What was decided for a patch and a kernel, in words: each decision with its reason."""

from collections.abc import Iterator

from lppack.consistency import MODES, EngineName
from lppack.debian.linux_source import package_of
from lppack.model import Decision, Plan, SymbolUse


def decisions(made: Plan, *, asked: str | None, mixes: bool) -> Iterator[Decision]:
    manifest = made.manifest
    needs = f"{manifest.needs.leave.name} {manifest.needs.switch.name}"
    yield Decision(what="kernel", value=made.kernel.release, why=f"exactly {made.kernel.version}")
    if asked or manifest.mode:
        why = f"requested {'with --mode' if asked else 'in the manifest'}; it covers {needs}"
    else:
        weaker = any(m.covers(manifest.needs) for m in MODES[: MODES.index(made.mode)])
        taken = "the weakest default mode" if weaker else "the weakest mode"
        why = f"{taken} that covers {needs}: {made.mode.summary}"
    yield Decision(what="mode", value=made.mode.name, why=why)
    own = made.engine is EngineName.LIVEPATCH
    why = f"{'the kernel' if own else 'lppack'}'s own engine gives {made.mode.name}"
    if mixes and not own and EngineName.LIVEPATCH in made.mode.engines:
        why += ", also where kernel code is preempted, as here"
    yield Decision(what="engine", value=made.engine, why=why)
    yield Decision(
        what="user threads",
        value=f"{made.mode.leave.name} {made.mode.switch.name}",
        why="what the mode gives them",
    )
    yield Decision(
        what="kernel threads",
        value=f"{made.mode.kthread.name} {made.mode.switch.name}",
        why="what the mode gives them"
        if made.mode.kthread is made.mode.leave
        else "they never leave the kernel, so their stacks are checked instead",
    )
    yield Decision(
        what="module", value=made.module, why="versions of a series can be loaded side by side"
    )
    yield Decision(
        what="compiler", value=made.compiler, why="the kernel's configuration was made with it"
    )
    for entry in (made.anchor, *made.modules):
        for function in entry.functions:
            where = f"{entry.name or 'vmlinux'}:{function.old}"
            if entry.name in manifest.test.targets:
                why = "checked when the test target is built"
            elif function.sympos:
                why = f"position {function.sympos} of several of that name"
            else:
                why = "the only one of that name, and traceable"
            yield Decision(what=f"replace {where}", value=function.new, why=why)
            if function.words:
                yield Decision(
                    what=f"count {where}",
                    value=f"{function.words} words",
                    why="its wrapper hands on so much of the arguments, and counts the visit",
                )
    for entry in made.patched:
        for symbol in entry.symbols:
            yield Decision(
                what=f"symbol {entry.name or 'vmlinux'}:{symbol.name}",
                value=symbol.c_name,
                why=_how_resolved(symbol, module=entry.name is not None),
            )
    if made.with_slots:
        yield Decision(
            what="slots",
            value="cleared by the kernel" if made.clears_relocations else "cleared by the glue",
            why="what is written for a module must be gone before it is loaded again",
        )
    if made.anchor.functions == ():
        yield Decision(
            what="anchor",
            value="vmlinux",
            why="callbacks of an object that is not loaded do not run; vmlinux always is",
        )
    if manifest.kernel_headers:
        yield Decision(
            what="private headers",
            value=", ".join(manifest.kernel_headers),
            why=f"from {package_of(made.kernel)}, the sources of this very kernel",
        )
    if made.replace:
        yield Decision(
            what="replaces",
            value=", ".join(manifest.replaces),
            why="cumulative: the kernel removes every other live patch, so all have to be named",
        )
    for state in made.states:
        yield Decision(
            what=f"state {state.what}",
            value=f"{state.id:#x} version {state.version}",
            why="the kernel refuses a replacing patch that lacks it, and an older version",
        )
    for entry in made.patched:
        for step, name in (*entry.hooks.of_the_kernel, ("barrier", entry.hooks.barrier)):
            if name:
                yield Decision(
                    what=f"{step} {entry.name or 'vmlinux'}", value=name, why="the author's hook"
                )
    for var, id_ in made.shadows:
        yield Decision(
            what=f"shadow {var.name} {var.version}",
            value=f"{id_:#x}",
            why="a new layout is a new version and id",
        )
    for world in manifest.world:
        yield Decision(
            what=f"transform {world.name}",
            value=f"in the stop, {world.max_stop_ms} ms at most",
            why="all instances are counted in a stop before the transition, and it is refused if "
            "that takes too long; in the stop that flips all are converted, or none",
        )
    for name in manifest.irreversible:
        yield Decision(
            what=f"transform {name}",
            value="irreversible",
            why="what it has converted stays so, and revert is refused from then on",
        )
    yield Decision(
        what="phase 2",
        value="convert" if made.converts else "none",
        why="new code converts what it touches once every thread has switched"
        if made.converts
        else "TRANSFORM_WORLD: the data is converted in the stop that flips"
        if manifest.world
        else "the patch has no data to convert",
    )


def _how_resolved(symbol: SymbolUse, *, module: bool) -> str:
    if symbol.exported:
        return "this kernel exports it: an ordinary symbol, with its checksum"
    of = f"position {symbol.sympos} of several" if symbol.sympos else "the only one"
    if not module:
        return f"{of} of that name; the kernel finds it when the patch is loaded"
    kind = "a function, called by a stub" if symbol.callable else "data, reached by a pointer"
    where = f" of {symbol.module}, which is there before it" if symbol.module else ""
    return f"{kind}; {of} of that name{where}, found whenever the module is there"
