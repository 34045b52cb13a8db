# SPDX-License-Identifier: MIT
"""Match the static variables of functions in two compilations of a file.

gcc numbers them by file, and so does names.py: one more of them, as each ratelimited message has,
changes the numbers of others of that name. The functions that refer to a variable show which one it
is.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from lppack.proof.objects import Data, Function, ObjectFile, Reference

_COUNTED = re.compile(r"(.+)#\d+")
#: (function without the compiler's suffix, name of the variable without its number)
_User = tuple[str, str]


def aligned(after: ObjectFile, before: ObjectFile) -> ObjectFile:
    """Return ``after``, with its variables numbered as in ``before``; new ones get names of their
    own."""
    names = _names(after, before)
    if all(new == old for new, old in names.items()):
        return after
    return ObjectFile(
        functions={name: _function(one, names) for name, one in after.functions.items()},
        data={names.get(name, name): _data(one, names) for name, one in after.data.items()},
        others={name: _plain(one, names) for name, one in after.others.items()},
    )


def _names(after: ObjectFile, before: ObjectFile) -> dict[str, str]:
    """Map each counted name of ``after`` to its name in ``before``."""
    was, now = _used(before), _used(after)
    code, code_now = _codes(before), _codes(after)
    found: dict[str, str] = {}
    # The surest first: functions with the same code, then those with as many variables of the name.
    steps = (
        {user for user in was.keys() & now.keys() if code.get(user[0]) == code_now.get(user[0])},
        {user for user in was.keys() & now.keys() if len(was[user]) == len(now[user])},
        was.keys() & now.keys(),
    )
    for users in steps:
        for user in sorted(users):
            taken = {*found.values()}
            old = [name for name in was[user] if name not in taken]
            new = [name for name in now[user] if name not in found]
            found |= _alike(new, after, old, before)
    every = {name: _COUNTED.fullmatch(name) for name in (*after.data, *_targets(after))}
    taken = {*found.values(), *(name for names in was.values() for name in names)}
    for name, counted in every.items():
        if counted and name not in found:
            own = name in before.data and name not in taken
            found[name] = name if own else f"{counted[1]}#new{len(found)}"
    return found


def _alike(
    new: Sequence[str], after: ObjectFile, old: Sequence[str], before: ObjectFile
) -> dict[str, str]:
    """Pair the variables of one name in one function: first those with the same initial value, then
    the others in their order."""
    found: dict[str, str] = {}
    for same in (True, False):
        for name in new:
            left = [one for one in old if one not in found.values()]
            like = [one for one in left if not same or _value(after, name) == _value(before, one)]
            if name not in found and like:
                found[name] = like[0]
    return found


def _value(of: ObjectFile, name: str) -> object:
    data = of.data.get(name)
    return (data.key, data.size) if data else None


def _codes(of: ObjectFile) -> dict[str, list[bytes]]:
    """Map each function to the code of all its parts."""
    found: dict[str, list[bytes]] = {}
    for name, one in of.functions.items():
        found.setdefault(name.partition(".")[0], []).append(one.code)
    return found


def _used(of: ObjectFile) -> dict[_User, list[str]]:
    """Return the counted names that each function or variable refers to, in their order."""
    found: dict[_User, dict[str, None]] = {}
    for user, reference in _references(of):
        counted = _COUNTED.fullmatch(str(reference.target[1]))
        if counted and reference.target[0] == "symbol":
            found.setdefault((user, counted[1]), {})[counted[0]] = None
    return {user: [*names] for user, names in found.items()}


def _targets(of: ObjectFile) -> Iterator[str]:
    for _, reference in _references(of):
        kind, what, _ = reference.target
        if kind == "symbol":
            yield str(what)


def _references(of: ObjectFile) -> Iterator[tuple[str, Reference]]:
    for function in of.functions.values():
        for one in (*function.references, *(r for e in function.entries for r in e[2])):
            yield function.base, one
    for data in of.data.values():
        for one in data.references:
            yield _COUNTED.sub(r"\1", data.name), one


def _function(one: Function, names: Mapping[str, str]) -> Function:
    entries = tuple((table, data, _led(found, names)) for table, data, found in one.entries)
    return replace(one, references=_led(one.references, names), entries=entries)


def _data(one: Data, names: Mapping[str, str]) -> Data:
    return replace(
        one,
        name=names.get(one.name, one.name),
        key=_plain(one.key, names),
        references=_led(one.references, names),
    )


def _led(found: tuple[Reference, ...], names: Mapping[str, str]) -> tuple[Reference, ...]:
    return tuple(replace(one, target=_plain(one.target, names)) for one in found)


def _plain(value: Any, names: Mapping[str, str]) -> Any:
    """Return ``value`` with the symbols in it renamed, at any depth."""
    if not isinstance(value, tuple):
        return value
    if len(value) == 3 and value[0] == "symbol":
        return (value[0], names.get(value[1], value[1]), value[2])
    return tuple(_plain(one, names) for one in value)
