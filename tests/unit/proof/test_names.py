# SPDX-License-Identifier: MIT
"""Names of symbols without what the compiler has counted in them."""

import pytest

from lppack.kernel.elf64 import ElfSymbol
from lppack.proof.names import plain_names
from lppack.proof.objects import Function
from tests.unit.proof.read import function, uses
from tests.unit.proof.tiny_object import (
    FUNC,
    LOCAL,
    MOV_DI,
    OBJECT,
    R_32S,
    RET,
    Sect,
    Sym,
)


def test_numbers_of_statics_do_not_count_but_names_do() -> None:
    one = uses("__key.35", ".bss.__key.35")
    assert one.key == uses("__key.7", ".bss.__key.7").key
    assert one.key == uses("__key.7", ".bss.__key.7", direct=False).key
    assert one.key != uses("__lock.35", ".bss.__lock.35").key
    assert one.references[0].symbol == "__key.35"


def test_two_statics_of_one_name_are_told_apart() -> None:
    def of(first: str, second: str, used: str) -> Function:
        symbols = [Sym(n, f".bss.{n}", 8, kind=OBJECT, binding=LOCAL) for n in (first, second)]
        sections = [Sect(f".bss.{n}", bytes(8)) for n in (first, second)]
        return function(MOV_DI + RET, [(3, used, R_32S, 0)], *sections, symbols=symbols)

    assert of("n.1", "n.2", "n.1").key == of("n.5", "n.9", "n.5").key
    assert of("n.1", "n.2", "n.1").key != of("n.1", "n.2", "n.2").key


def test_unique_ids_do_not_count() -> None:
    one = uses("__UNIQUE_ID_x12", ".data.__UNIQUE_ID_x12")
    assert one.key == uses("__UNIQUE_ID_x345", ".data.__UNIQUE_ID_x345").key
    assert one.key != uses("__UNIQUE_ID_y12", ".data.__UNIQUE_ID_y12").key


def symbol(name: str, kind: int = OBJECT) -> ElfSymbol:
    return ElfSymbol(name=name, value=0, size=8, kind=kind, binding=LOCAL, section=1)


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("limit", "limit"),
        ("__key.35", "__key#0"),
        ("CSWTCH.7", "CSWTCH#0"),
        (".LC12", ".LC12"),
        ("__UNIQUE_ID_alias245", "__UNIQUE_ID_alias#0"),
        # What stands before the counted number has numbers of its own.
        ("__UNIQUE_ID_ipv4_limit245", "__UNIQUE_ID_ipv4_limit#0"),
        ("__UNIQUE_ID___addressable_ext4_init245", "__UNIQUE_ID___addressable_ext4_init#0"),
        ("__UNIQUE_ID_x_245", "__UNIQUE_ID_x_#0"),  # as later kernels write it
        ("__BTF_ID__struct__task_struct__17", "__BTF_ID__struct__task_struct__#0"),
        ("x86_32", "x86_32"),
    ],
)
def test_what_was_counted(name: str, plain: str) -> None:
    assert plain_names([symbol(name)]) == {name: plain}


def test_of_a_function_only_a_unique_id_is_counted() -> None:
    names = plain_names([symbol("f.isra.0", FUNC), symbol("__UNIQUE_ID_q780_x12", FUNC)])
    assert names == {"f.isra.0": "f.isra.0", "__UNIQUE_ID_q780_x12": "__UNIQUE_ID_q780_x"}


def test_those_of_one_name_are_numbered_in_their_order() -> None:
    names = plain_names([symbol("n.9"), symbol("m.1"), symbol("n.2"), symbol("n.9"), symbol("")])
    assert names == {"n.9": "n#0", "m.1": "m#0", "n.2": "n#1"}
