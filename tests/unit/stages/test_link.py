# SPDX-License-Identifier: MIT
"""link, of modules that no compiler made."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lppack import abi
from lppack.consistency import EngineName
from lppack.elf.livepatch import convert
from lppack.elf.module import read_module
from lppack.errors import BuildFailed
from lppack.model import ExitList, FunctionPatch, Module, ObjectPatch, SymbolUse
from lppack.stages.inspect import inspect
from lppack.stages.link import link
from tests.kit import fake_image as fake
from tests.kit import tiny_elf
from tests.kit.samples import VMLINUX, kernel, manifest, plan

SLOTS = ".data..lp_slots.victim"
COUNTER = SymbolUse(name="counter", c_name="counter", sympos=0)
DUP = SymbolUse(name="dup_helper", c_name="dup", sympos=2, callable=True)
SAVED = SymbolUse(name="saved_command_line", c_name="saved_command_line", sympos=0)


def victim(*symbols: SymbolUse, old: str = "between") -> ObjectPatch:
    function = FunctionPatch(old=old, new="lp_between", sympos=0)
    return ObjectPatch(name="victim", functions=(function,), symbols=symbols)


def built(folder: Path, ko: bytes, *, modules: tuple[ObjectPatch, ...] = (), **of: Any) -> Module:
    anchor = of.pop("anchor", VMLINUX)
    made = plan(manifest(), anchor=anchor, modules=modules)
    (folder / f"{made.module}.ko").write_bytes(ko)
    (folder / "victim.ko").write_bytes(fake.module())
    return Module(
        plan=made,
        ko=folder / f"{made.module}.ko",
        targets=(folder / "victim.ko",) if modules else (),
        engine=None,
        programs=(),
        provenance=(),
        seconds=0.0,
        cached=False,
        work=folder,
    )


def with_slots(*calls: tiny_elf.Reloc) -> bytes:
    """What kbuild would make of `victim`: slots, a stub, lp_between() and lp_show()."""
    return tiny_elf.module(
        weak=["__lp_function_lp_between", "__lp_symbol_counter", "__lp_symbol_dup"],
        defined={"lp_slot_counter": SLOTS, "dup": ".text", "lp_show": ".text.lp_show"}
        | {"lp_between": ".text.lp_between"},
        code={name: bytes(24) for name in (SLOTS, ".text", ".text.lp_show", ".text.lp_between")},
        relocations={
            SLOTS: [
                (0, "__lp_function_lp_between", 1, 0),
                (8, "__lp_symbol_counter", 1, 0),
                (16, "__lp_symbol_dup", 1, 0),
            ],
            ".text.lp_between": [(0, "lp_slot_counter", 2, -4)],
            ".text.lp_show": list(calls),
        },
    )


def test_a_module_that_needs_nothing_stays_as_it_is(tmp_path: Path) -> None:
    needs = [line for line in tiny_elf.MODINFO if not line.startswith("depends=")]
    made = built(tmp_path, tiny_elf.module([*needs, f"depends={abi.ENGINE}"]))
    module = replace(made, plan=replace(made.plan, engine=EngineName.CONSISTENCY))
    assert link(module) is module


def test_what_the_kernel_moves_sees_whether_somebody_is_inside(tmp_path: Path) -> None:
    ko = tiny_elf.module(
        weak=["idle_task", "stack_trace_save_tsk_reliable"],
        code={".text": bytes(16)},
        relocations={
            ".text": [(1, "stack_trace_save_tsk_reliable", 4, -4), (9, "idle_task", 4, -4)]
        },
    )
    linked = link(built(tmp_path, ko))
    assert sorted(read_module(linked.ko.read_bytes()).klp_symbols) == [
        (".klp.sym.vmlinux.idle_task,0", True),
        (".klp.sym.vmlinux.stack_trace_save_tsk_reliable,0", True),
    ]


def test_where_threads_that_exit_are_on_lists_it_looks_at_those(tmp_path: Path) -> None:
    ko = tiny_elf.module(
        weak=[abi.EXIT_LISTS],
        code={".text": bytes(16)},
        relocations={".text": [(1, abi.EXIT_LISTS, 11, 0)]},
    )
    module = built(tmp_path, ko)
    linked = link(replace(module, plan=replace(module.plan, exit_list=ExitList(head=8, node=8))))
    assert read_module(linked.ko.read_bytes()).klp_symbols == (
        (f".klp.sym.vmlinux.{abi.EXIT_LISTS},0", True),
    )
    with pytest.raises(BuildFailed, match=abi.EXIT_LISTS):
        link(module)


def test_symbols_of_vmlinux(tmp_path: Path) -> None:
    ko = tiny_elf.module(
        weak=["saved_command_line"],
        code={".text": bytes(8)},
        relocations={".text": [(1, "saved_command_line", 2, -4)]},
    )
    anchor = ObjectPatch(name=None, functions=VMLINUX.functions, symbols=(SAVED,))
    module = built(tmp_path, ko, anchor=anchor)
    linked = link(module)
    assert linked.ko != module.ko
    assert module.ko.read_bytes() == ko
    read = read_module(linked.ko.read_bytes())
    assert read.klp_symbols == ((".klp.sym.vmlinux.saved_command_line,0", True),)
    assert link(module).ko.read_bytes() == linked.ko.read_bytes()


def test_symbols_of_a_module(tmp_path: Path) -> None:
    linked = link(built(tmp_path, with_slots(), modules=(victim(COUNTER, DUP),)))
    assert [name for name, _ in read_module(linked.ko.read_bytes()).klp_symbols] == [
        ".klp.sym.victim.between,0",
        ".klp.sym.victim.counter,0",
        ".klp.sym.victim.dup_helper,2",
    ]


def test_code_of_vmlinux_may_not_use_them(tmp_path: Path) -> None:
    module = built(tmp_path, with_slots((0, "dup", 4, -4)), modules=(victim(COUNTER, DUP),))
    with pytest.raises(BuildFailed, match=r'lp_show\(\) belongs to vmlinux, and uses "dup" of vic'):
        link(module)
    assert not (tmp_path / "linked").exists()


def test_a_refusal_names_the_module_and_writes_nothing(tmp_path: Path) -> None:
    ko = tiny_elf.module(
        weak=["saved_command_line"],
        code={".text": b"\1" * 8},
        relocations={".text": [(1, "saved_command_line", 2, -4)]},
    )
    anchor = ObjectPatch(name=None, functions=VMLINUX.functions, symbols=(SAVED,))
    with pytest.raises(BuildFailed, match=r"lppack_proc_cmdline_1\.ko: symbol saved_command_line"):
        link(built(tmp_path, ko, anchor=anchor))
    assert not (tmp_path / "linked").exists()


def test_what_modules_export_is_told_apart(tmp_path: Path) -> None:
    """So that draft can list it."""
    symvers = "0x1\t_printk\tvmlinux\tEXPORT_SYMBOL\t\n0x2\tdrm_do\tdrivers/drm\tEXPORT_SYMBOL\t\n"
    modinfo = [line.replace("depends=", "depends=drm") for line in tiny_elf.MODINFO]
    module = built(tmp_path, tiny_elf.module(modinfo, undefined=["_printk", "drm_do"]))
    chosen = kernel(tmp_path)
    chosen.headers.mkdir(parents=True)
    (chosen.headers / "Module.symvers").write_text(symvers)
    module = replace(module, plan=replace(module.plan, kernel=chosen))
    with pytest.raises(BuildFailed, match="the module depends on drm") as error:
        link(module)
    assert error.value.report == {"undefined": ["drm_do"]}


def test_a_weak_symbol_that_is_not_listed(tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match="undefined weak symbol nobody would be NULL"):
        link(built(tmp_path, tiny_elf.module(weak=["nobody"])))


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        (victim(COUNTER, old="betwixt"), '"betwixt" of victim: is not in victim.ko'),
        (victim(COUNTER, old="work"), "is not in victim.ko, but work.isra.0"),
        (
            victim(SymbolUse(name="dup_helper", c_name="dup", sympos=0, callable=True)),
            "victim.ko has 2; give `sympos`",
        ),
        (
            victim(SymbolUse(name="dup_helper", c_name="dup", sympos=3, callable=True)),
            "victim.ko has only 2",
        ),
        (
            victim(SymbolUse(name="counter", c_name="counter", sympos=0, callable=True)),
            "is no function in victim.ko",
        ),
        (
            victim(SymbolUse(name="before", c_name="before", sympos=0)),
            "is a function in victim.ko",
        ),
        (
            victim(SymbolUse(name="get", c_name="get", sympos=0, module="base")),
            '"get" of base: victim.ko does not depend on base',
        ),
    ],
)
def test_what_the_test_target_does_not_have(tmp_path: Path, entry: ObjectPatch, says: str) -> None:
    with pytest.raises(BuildFailed) as error:
        link(built(tmp_path, with_slots(), modules=(entry,)))
    assert says in error.value.message


def test_inspect_names_the_livepatch_symbols_and_where_they_are_used(tmp_path: Path) -> None:
    linked = link(built(tmp_path, with_slots(), modules=(victim(COUNTER, DUP),)))
    found = inspect(linked.ko)
    facts = dict(found.facts)
    assert facts[".klp.sym.victim.dup_helper,2"] == f"used in {SLOTS}"
    assert found.faults == ()


def test_a_relocation_that_was_written_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would load, and call into the middle of a function."""
    ko = tiny_elf.module(
        weak=["saved_command_line"],
        code={".text": bytes(8)},
        relocations={".text": [(1, "saved_command_line", 2, -4)]},
    )
    anchor = ObjectPatch(name=None, functions=VMLINUX.functions, symbols=(SAVED,))
    module = built(tmp_path, ko, anchor=anchor)

    def wrong(data: bytes, *of: Any) -> bytes:
        addend = (-4).to_bytes(8, "little", signed=True)
        return convert(data, *of).replace(addend, bytes(8))

    monkeypatch.setattr("lppack.stages.link.convert", wrong)
    with pytest.raises(BuildFailed, match=r"\+0x0, unlike kbuild's"):
        link(module)
    assert not (tmp_path / "linked").exists()
