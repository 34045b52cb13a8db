# SPDX-License-Identifier: MIT
"""Changes of a diff to data and locks, which an author must check."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from lppack.csource.changes import Changes
from lppack.csource.items import Item, ItemKind
from lppack.csource.parse import members
from lppack.drafting.places import Cannot, Places

# include/linux/{mutex,spinlock,rwlock,rwsem,rcupdate,srcu}.h, include/net/sock.h (v6.1).
_LOCK = re.compile(
    r"\b((?:mutex|spin|raw_spin|read|write|rcu_read|srcu_read|local)_(?:try)?(?:un)?lock\w*"
    r"|(?:down|up)(?:_read|_write)\w*|(?:lock|release)_sock\w*|rtnl_(?:un)?lock)\s*\(([^()]*)"
)
_COUNTER = re.compile(
    r"(?:->|\.)(?P<after>\w+)\s*(?P<sign>\+\+|--|\+=|-=)"
    r"|(?P<first>\+\+|--)\s*\w+(?:->|\.)(?P<before>\w+)"
    r"|\batomic\w*_(?P<word>inc|dec|add|sub)\w*\s*\([^;]*?(?:->|\.)(?P<atomic>\w+)\s*\)"
)
# A struct that has no tag is known by its typedef.
_TYPEDEF = re.compile(r"typedef\s+(?:struct|union)\s*\{")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedLayout:
    """A structure that the diff changes, or a new one that is attached to existing objects."""

    type: str  # "struct conn"
    size: int | None  # of existing objects, in bytes; None: the kernel has none
    gained: tuple[str, ...]
    lost: tuple[str, ...]
    renamed: str | None = None  # what the diff calls it, if that is another name

    @property
    def name(self) -> str:
        """Return the name without "struct"; a typedef has only its name."""
        return self.type.rpartition(" ")[2]

    @property
    def in_place(self) -> bool:
        """Return True if objects themselves must change: members are gone or have another type.

        A shadow variable beside the object can only add members.
        """
        return self.size is not None and (bool(self.lost) or not self.gained)


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    layouts: tuple[ChangedLayout, ...]
    data: tuple[str, ...]  # static variables whose contents the diff changes
    counters: tuple[str, ...]  # members whose counting changes
    locks: tuple[str, ...]  # functions whose locking the diff changes

    @property
    def world(self) -> bool:
        """Return True if all data must change at once; otherwise shadow variables are enough."""
        return any(layout.in_place for layout in self.layouts)

    @property
    def changes_data(self) -> bool:
        return bool(self.layouts or self.data or self.counters)


def advise(every: Sequence[Changes], places: Callable[[str], Places]) -> Advice:
    """Return the advice for the changed items; ``places`` returns the places of a file's code."""
    locks: list[str] = []
    counters: Counter[str] = Counter()
    for changes in every:
        before = changes.before.functions
        for item in (*changes.changed, *changes.added):
            if item.kind is ItemKind.FUNCTION:
                old = before.get(item.name)
                if _locks(item) != _locks(old):
                    locks.append(item.name)
                counters.update(_counted(item))
                counters.subtract(_counted(old))
        for item in changes.removed:
            counters.subtract(_counted(item))
    data = [i.name for c in every for i in c.changed if i.kind is ItemKind.VARIABLE]
    renamed = [*_renamed(every)]
    layouts = [_layout(old, new, places(at)) for at, old, new in renamed if _differs(old, new)]
    other = [new for _, _, new in renamed]
    layouts += [one for c in every for one in _layouts(c, places(c.before.path), other)]
    return Advice(
        layouts=tuple(layouts),
        data=tuple(dict.fromkeys(data)),
        counters=tuple(sorted({what[:-1] for what, count in counters.items() if count})),
        locks=tuple(dict.fromkeys(name for name in locks if _was_there(name, every))),
    )


def refused(advice: Advice) -> tuple[Cannot, ...]:
    """Return the changes that no live patch can make."""
    living = [layout for layout in advice.layouts if layout.size is not None]
    if not living or not advice.locks:
        return ()
    types = ", ".join(f"{x.type} ({x.size} bytes; {_difference(x)})" for x in living)
    return (
        Cannot(
            what=", ".join(advice.locks),
            why=f"the locking changes together with the layout of what lives already: {types}. An "
            "object made before the patch lacks the new members, and a thread that holds the old "
            "lock does not keep out one that takes the new one",
            way="fix the defect within the present locking, if possible; otherwise install the "
            "fixed kernel",
        ),
    )


def words(advice: Advice) -> Iterator[str]:
    """Yield the decisions for the author, one sentence each."""
    for layout in advice.layouts:
        if layout.size is None:
            yield (
                f"{layout.type} is new: state for each of something that lives already. A shadow "
                "variable is proposed; say what it is attached to, and what objects made before "
                "the patch get"
            )
        else:
            yield (
                f"the layout of {layout.type}{_now(layout)} changes ({_difference(layout)}), and "
                f"the kernel has such objects of {layout.size} bytes: "
                + (
                    "what is gone or has another type cannot stand beside it, so all change in the "
                    "stop of TRANSFORM_WORLD, each in its place or by another in its place"
                    if layout.in_place
                    else "no function of the patch may use the new layout. Members that are added "
                    "become a shadow variable, converted on access"
                )
            )
    for name in advice.data:
        yield (
            f"{name} is static data with other contents: the kernel's own stays as it is until a "
            "hook changes it (pre_patch), and must be as it was after the patch (post_unpatch)"
        )
    for name in advice.counters:
        yield (
            f"{name} is counted otherwise: what was counted before the patch stays wrong unless it "
            "is converted, and old functions must find the old count again after revert"
        )
    for name in advice.locks:
        yield (
            f"the locking in {name} changes: while threads switch, old and new code run side by "
            "side. Is each safe beside the other? If not, it needs SWITCH_KERNEL"
        )


def stubs(advice: Advice) -> tuple[str, ...]:
    """Return #error lines, which stop the build until the author has written the missing code."""
    found = [
        f"write the transform of {layout.type}: lp_{layout.name}_forward() and the rest of "
        "lppack.h's contract, and remove this line"
        for layout in advice.layouts
    ]
    found += [
        f"write lp_pre_patch() and lp_post_unpatch() for {name}, and remove this line"
        for name in advice.data
    ]
    found += [
        f"decide how {name} of what lives already is converted, and remove this line"
        for name in advice.counters
    ]
    return tuple(found)


def _layouts(
    changes: Changes, places: Places, renamed: Collection[Item]
) -> Iterator[ChangedLayout]:
    source = changes.before.path.endswith(".c")
    for item in changes.changed:
        for name in _laid_out(item):
            old = next(i for i in changes.before.by_name[name] if i.kind is ItemKind.TYPE)
            yield replace(_layout(old, item, places), type=name)
    for item in changes.added:
        for name in item.names if item not in renamed else ():
            if source and item.kind is ItemKind.TYPE and name.startswith("struct "):
                yield ChangedLayout(type=name, size=None, gained=tuple(members(item)), lost=())


def _layout(old: Item, new: Item, places: Places) -> ChangedLayout:
    name, now = _laid_out(old)[0], _laid_out(new)[0]
    known = places.facts.layouts(name, module=places.module)
    had, has = members(old), members(new)
    return ChangedLayout(
        type=name,
        size=known[0].size if known else None,
        gained=tuple(m for m in has if m not in had),
        lost=tuple(m for m in had if m not in has),
        renamed=now if now != name else None,
    )


def _laid_out(item: Item) -> list[str]:
    """Return the names of the structure that the item defines."""
    return [
        name
        for name in (item.names if item.kind is ItemKind.TYPE else ())
        if name.startswith(("struct ", "union ")) or _TYPEDEF.match(item.text)
    ]


def _renamed(every: Sequence[Changes]) -> Iterator[tuple[str, Item, Item]]:
    """Yield the file, the old and the new form of each structure that has another name, another
    file or other conditions: most of its members are the same."""
    added = [item for changes in every for item in changes.added if _laid_out(item)]
    for changes in every:
        for old in (item for item in changes.removed if _laid_out(item)):
            had, names = {*members(old)}, _laid_out(old)

            def likeness(new: Item, had: set[str] = had, names: list[str] = names) -> float:
                same = 2 if {*names} & {*_laid_out(new)} else 0
                return same + len(had & {*members(new)}) / max(len(had), 1)

            new = max(added, key=likeness, default=None)
            if new is None or likeness(new) <= 0.5:
                continue
            added.remove(new)
            yield changes.before.path, old, new


def _differs(old: Item, new: Item) -> bool:
    """Return True if the name is not all that differs."""
    was, now = (_laid_out(item)[0].rpartition(" ")[2] for item in (old, new))
    return re.sub(rf"\b{re.escape(was)}\b", now, old.tokens) != new.tokens


def _difference(layout: ChangedLayout) -> str:
    said = [f"+{name}" for name in layout.gained] + [f"-{name}" for name in layout.lost]
    return " ".join(said) or "other types"


def _now(layout: ChangedLayout) -> str:
    return f", which is {layout.renamed} now," if layout.renamed else ""


def _locks(item: Item | None) -> Counter[str]:
    """Return every call that takes or releases a lock, with its arguments."""
    found = _LOCK.findall(item.tokens) if item else []
    return Counter(f"{call}({''.join(of.split())})" for call, of in found)


def _counted(item: Item | None) -> list[str]:
    """Return the members that the function increments or decrements, once for each occurrence."""
    return [
        f"{match['after'] or match['before'] or match['atomic']}"
        f"{'+' if (match['sign'] or match['first'] or match['word'])[0] in '+ia' else '-'}"
        for match in (_COUNTER.finditer(item.tokens) if item else ())
    ]


def _was_there(name: str, every: Sequence[Changes]) -> bool:
    return any(name in changes.before.functions for changes in every)
