# SPDX-License-Identifier: MIT
"""What `fixes` of a draft names: functions of which no copy is left that the rules would miss."""

from lppack.drafting.draft import fixed
from lppack.drafting.places import Target
from tests.kit.fake_facts import FakeFacts, inlining_of, symbol


def target(name: str, object_: str = "vmlinux") -> Target:
    return Target(name=name, path=f"{name}.1.c", object=object_, sympos=None, covers=(name,))


def test_a_function_with_copies_that_stay_is_not_named() -> None:
    names = ("sync", "fsync", "other")
    symbols = [symbol(name, n + 1) for n, name in enumerate(names)]
    facts = FakeFacts({"vmlinux": symbols}, inlining_of(symbols, {"sync": ["fsync"]}))
    assert fixed([target("sync"), target("other")], facts) == ("other",)
    assert fixed([target("sync"), target("fsync")], facts) == ("sync", "fsync")
    assert fixed([target("sync", "ext4")], facts) == ("sync",)
    assert fixed([target("sync")], FakeFacts({"vmlinux": symbols})) == ("sync",)
