# SPDX-License-Identifier: MIT
"""Manifests that nobody wrote: generated, mutated, and those accepted made into C."""

import copy
import json
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as hypothesis_seed
from hypothesis import strategies as st
from pygments.lexers.c_cpp import CLexer
from pygments.token import String, Token

from lppack.consistency import EngineName, mode_named, weakest
from lppack.debian.supported import releases_of
from lppack.errors import ManifestError
from lppack.ids import Ids
from lppack.model import Manifest, ObjectPatch, Plan, SourceTree
from lppack.model.plan import info_json
from lppack.stages.generate import generate
from lppack.stages.load import load
from lppack.stages.validate import validate
from tests.kit import samples
from tests.kit.samples import stubs

#: Of the accepted ones, those whose C is tokenised: each costs as much as twenty validations.
TOKENISED_EVERY = 8
SLOWEST = 1.0  # seconds for one manifest

#: What an attacker, or a tired author, would write into text.
EVIL = (
    *('"', "'", "\\", "*/", "/*", "//", "\n#include <x>", "%s%n", "{{ plan }}", "{% raw %}"),
    *("$(id)", "`id`", "??/", "\u2028", "\0", "\x1b[2J", "\ud800", "é", "x" * 300, "a b"),
    *("#define X", "; y();"),
)
_WORDS = ("a", "conn", "tcp_rcv", "x9", "vm_area", "k", "ext4_get_block", "list", "sk_buff_q", "on")
_NAME = st.sampled_from(_WORDS)
_LETTERS = "abcXYZ019 _-.,:;!?()[]{}<>+*/\\'\"%$#@&|~^=`äß李🐧"
_TEXT = st.text(_LETTERS, min_size=1, max_size=20) | st.sampled_from(
    [text for text in EVIL if text.isprintable()]
)


@st.composite
def manifests(draw: st.DrawFn) -> dict[str, Any]:
    """A manifest in which nothing is wrong, of any size."""
    shift = draw(st.integers(0, 99))
    names = [f"{word}_{shift}" for word in _WORDS]
    objects = draw(st.lists(_NAME, max_size=3, unique=True)) or ["vmlinux"]
    version = draw(st.integers(1, 9999))
    made: dict[str, Any] = {
        "lppack": 1,
        "name": f"{draw(_NAME)}-{shift}".replace("_", "-"),
        "version": version,
        "description": draw(_TEXT),
        "license": draw(st.sampled_from(["GPL-2.0-only", "GPL-2.0-or-later", "GPL-2.0"])),
        "author": draw(_TEXT),
        "kernels": [releases_of()],
        "needs": ["LEAVE_PATCHED_SET", "SWITCH_THREAD"],
        "sources": ["a.c"],
        "objects": [
            {"name": name, "functions": [{"old": f"f_{n}", "new": f"lp_f_{n}"}]}
            for n, name in enumerate(objects)
        ],
    }
    if draw(st.booleans()):
        made["fixes"] = [{"cve": "CVE-2026-0001", "functions": [names[0]]}]
    transform = draw(st.sampled_from([None, "TRANSFORM_ON_ACCESS", "TRANSFORM_WORLD"]))
    kind = f"struct {names[1]}"
    if transform == "TRANSFORM_WORLD":
        made["needs"] = ["LEAVE_PATCHED_SET", "SWITCH_KERNEL", transform]
        more = draw(st.lists(st.sampled_from(["prepare", "check", "finish"]), unique=True))
        keys = ("marker", "forward", "reverse", "for_each", *more)
        made["transforms"] = [
            {"name": f"t_{names[2]}", "object": objects[0], "type": kind}
            | {"max_stop_ms": draw(st.integers(1, 10_000))}
            | {key: f"lp_{key}_{names[2]}" for key in keys}
        ]
    elif transform:
        made["needs"].append(transform)
        lock = {"take": f"lp_take_{names[2]}", "release": f"lp_release_{names[2]}"}
        verbs = {key: f"lp_{key}_{names[2]}" for key in ("marker", "forward", "reverse")}
        made["transforms"] = [
            {"name": f"t_{names[2]}", "object": objects[0], "type": kind, "lock": lock}
            | {"context": "process"}
            | verbs
        ]
        if draw(st.booleans()):
            del made["transforms"][0]["reverse"]
            made["transforms"][0]["irreversible"] = True
        made["shadow_variables"] = [
            {"name": f"s_{names[3]}", "version": draw(st.integers(1, 99)), "attached_to": kind}
            | {"type": f"struct {names[4]}", "transform": f"t_{names[2]}"}
            for _ in range(draw(st.integers(0, 1)))
        ]
    if draw(st.booleans()):
        expect = {"before": f"={draw(_TEXT)}"}
        made["test"] = {"checks": [{"run": draw(_TEXT), "expect": expect}]}
    return made


def _places(value: object, pointer: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield pointer
    items: Any = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else items
    for step, below in items:
        yield from _places(below, (*pointer, step))


_STRANGE: tuple[object, ...] = (None, True, -1, 0, 1.5, [], {}, [[]], [{}], "vmlinux", "../a.c")
_ODD: st.SearchStrategy[object] = st.sampled_from((*EVIL, *_STRANGE, "LEAVE_KERNEL"))


def mutated(data: dict[str, Any], seed: random.Random, odd: object) -> dict[str, Any]:
    """``data`` with one value changed, dropped, doubled, or put into another place."""
    made = copy.deepcopy(data)
    places = [place for place in _places(made) if place]
    chosen = seed.choice(places)
    path, last = chosen[:-1], chosen[-1]
    holder: Any = made
    for step in path:
        holder = holder[step]
    in_list = isinstance(last, int)
    match seed.randrange(4):
        case 0:
            holder[last] = odd
        case 1:
            del holder[last]
        case 2 if in_list:
            holder.append(copy.deepcopy(holder[last]))
        case 2:
            holder[f"{last}s"] = copy.deepcopy(holder[last])
        case _:
            other: Any = made
            for step in seed.choice(places)[:-1]:
                other = other[step]
            holder[last] = copy.deepcopy(other)
    return made


def planned(manifest: Manifest) -> Plan:
    """What plan makes of it, without a kernel: every function is found, and the only one."""
    objects = [
        replace(
            entry, functions=tuple(replace(fn, sympos=fn.sympos or 0) for fn in entry.functions)
        )
        for entry in manifest.objects
    ]
    found = [entry for entry in objects if entry.name is None]
    shadows = tuple(
        (var, Ids().shadow(manifest.name, var.name, var.version))
        for var in manifest.shadow_variables
    )
    made = samples.plan(
        manifest,
        transform_states=tuple(
            (t.name, Ids().transform(manifest.name, t.name)) for t in manifest.transforms
        ),
        mode=mode_named(weakest(manifest.needs).name),
        engine=EngineName.CONSISTENCY if manifest.world else EngineName.LIVEPATCH,
        anchor=found[0] if found else ObjectPatch(name=None, functions=()),
        modules=tuple(entry for entry in objects if entry.name is not None),
        shadows=shadows,
    )
    return samples.plan(**{**_fields(made), "info": info_json(made)})


def _fields(made: Plan) -> dict[str, Any]:
    fields = {name: getattr(made, name) for name in made.__dataclass_fields__}
    return {"of": fields.pop("manifest"), **fields}


_LEXER = CLexer()


def outside_strings(manifest: Manifest) -> list[tuple[str, str, str]]:
    """Every token of the generated C but string literals: (file, kind, text)."""
    found = []
    for name, text in generate(planned(manifest)).files:
        if name.endswith((".c", ".h")):
            assert text.isascii()
            for kind, value in _LEXER.get_tokens(text):
                assert kind not in Token.Error, (name, value)
                if kind not in String:
                    found.append((name, str(kind), value))
    return found


def assert_data_stays_data(manifest: Manifest) -> None:
    """With other text of the author, only string literals of the generated C differ."""
    plain = replace(manifest, description="x", author="x", fixes=())
    assert outside_strings(manifest) == outside_strings(plain)


class Count:
    def __init__(self) -> None:
        self.all = self.accepted = self.tokenised = 0
        self.slowest = 0.0


def try_manifests(folder: Path, examples: int) -> Count:
    """Validates that many; every promise of validate is held on the way."""
    count = Count()

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(data=manifests(), times=st.integers(0, 2), seed=st.integers(0, 1 << 32), odd=_ODD)
    def one(data: dict[str, Any], times: int, seed: int, odd: object) -> None:
        drawn = random.Random(seed)
        code = stubs(data)
        for _ in range(times):
            data = mutated(data, drawn, odd)
        write(folder, data, code)
        start = time.process_time()
        manifest = accepted(folder)
        count.slowest = max(count.slowest, time.process_time() - start)
        count.all += 1
        if manifest is not None:
            if count.accepted % TOKENISED_EVERY == 0:
                assert_data_stays_data(manifest)
                count.tokenised += 1
            count.accepted += 1

    one()
    assert count.all >= examples
    assert count.accepted >= count.all / 4
    assert count.accepted < count.all
    assert count.tokenised >= count.accepted / TOKENISED_EVERY
    assert count.slowest < SLOWEST
    return count


def write(folder: Path, data: dict[str, Any], code: str) -> None:
    text = json.dumps(data, ensure_ascii=False)  # YAML too, and quickly made
    (folder / "manifest.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
    (folder / "a.c").write_text(code)


def accepted(folder: Path) -> Manifest | None:
    try:
        document = load(folder)
        return validate(document)
    except ManifestError as error:
        assert error.problems
        assert all(problem.message.isprintable() for problem in error.problems)
        return None


def drawn(folder: Path, count: int, seed: int) -> list[Manifest]:
    """That many manifests that validate accepts, each in a folder of its own, with C that compiles;
    their modules have different names."""
    found: dict[str, Manifest] = {}

    @settings(
        max_examples=count * 8,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis_seed(seed)
    @given(data=manifests(), times=st.integers(0, 1), odd=_ODD, dice=st.integers(0, 1 << 32))
    def one(data: dict[str, Any], times: int, odd: object, dice: int) -> None:
        if len(found) == count:
            return
        place = folder / f"p{len(found)}"
        place.mkdir(exist_ok=True)
        for _ in range(times):
            data = mutated(data, random.Random(dice), odd)
        write(place, data, stubs(data))
        manifest = accepted(place)
        if manifest is not None and not manifest.world:  # would need the engine's symbols
            found.setdefault(manifest.module, manifest)

    one()
    assert len(found) == count
    return [_compiling(manifest) for manifest in found.values()]


def _compiling(manifest: Manifest) -> Manifest:
    """``manifest`` with sources in which every function that it names has its prototype."""
    types = dict.fromkeys(
        (
            *(transform.type for transform in manifest.transforms),
            *(var.type for var in manifest.shadow_variables),
        )
    )
    header = "".join(f"{name} {{\n\tint x;\n}};\n" for name in types)
    code = ["#include <linux/types.h>\n", '#include "lppack.h"\n']
    for entry in manifest.objects:
        for function in entry.functions:
            code.append(f"void {function.new}(void);\nvoid {function.new}(void)\n{{\n}}\n")
    for t in manifest.transforms:
        bodies = {
            f"bool {t.marker}(const {t.type} *obj)": "return false;",
            f"void {t.take}({t.type} *obj)": "",
            f"void {t.release}({t.type} *obj)": "",
            f"int {t.forward}({t.type} *obj)": "return 0;",
        }
        if t.reverse is not None:
            bodies[f"void {t.reverse}({t.type} *obj)"] = ""
        code += [f"{head}\n{{\n\t{body}\n}}\n" for head, body in bodies.items()]
    manifest.folder.joinpath("a.h").write_text(header)
    manifest.folder.joinpath("a.c").write_text("".join(code))
    return replace(manifest, sources=("a.c",), headers=("a.h",))


def tree(manifest: Manifest) -> SourceTree:
    """What kbuild would see of it."""
    return generate(planned(manifest))
