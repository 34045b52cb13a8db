# SPDX-License-Identifier: MIT
"""What the facts predict of a function, against what the kernel does when it is asked."""

import os
import random
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lppack.builders.container import ContainerBuilder
from lppack.builders.protocol import kbuild_argv
from lppack.hosts.guest import GuestHost, boot
from lppack.hosts.initramfs import modules_in_order
from lppack.kernel.facts import Facts, Symbol, SymbolVerdict, open_facts, verdict
from lppack.kernel.modules import read_module
from lppack.model import Kernel
from tests.kit.command import ROOT

pytestmark = pytest.mark.guest

MODULES = ("loop", "vfat", "ext4", "nf_tables", "dummy", "tun", "isofs", "bridge", "dm_mod", "zram")
#: MODULE_SOFTDEP of lib/libcrc32c.c (v6.1): it asks for a module, and there is no modprobe.
FIRST = ("crc32c_generic",)
DRAWN = 50
_EINVAL, _ECANCELED = -22, -125  # include/uapi/asm-generic/errno-base.h, errno.h

# tests/loads/probe/probe.c: what each step said, and what kernel/livepatch/core.c (v6.1) printed
# before it, in klp_find_object_symbol().
_SAID = re.compile(r"probe: (\S+) (\S+) (\d+): symbol (-?\d+) location (-?\d+) hook (-?\d+)")
_AMBIGUOUS = "unresolvable ambiguity for symbol"
_NO_SYMBOL = "not found in symbol table"
_NO_POSITION = "livepatch: symbol position"


@dataclass(frozen=True, slots=True)
class Question:
    object: str
    function: str
    sympos: int = 0


@dataclass(frozen=True, slots=True)
class Heard:
    symbol: int
    location: int
    hook: int
    log: str

    def means(self, init_of_module: bool) -> set[SymbolVerdict]:
        """The verdicts that this is right for."""
        if self.symbol == _ECANCELED and self.location == 0:
            return {SymbolVerdict.PATCHABLE} if self.hook == 0 else set()
        if self.symbol == _ECANCELED and self.location == _EINVAL:
            return {SymbolVerdict.UNTRACEABLE, SymbolVerdict.INIT}
        if self.symbol == _EINVAL and _AMBIGUOUS in self.log:
            return {SymbolVerdict.AMBIGUOUS}
        if self.symbol == _EINVAL and _NO_POSITION in self.log:
            return {SymbolVerdict.MISSING}
        if self.symbol == _EINVAL and _NO_SYMBOL in self.log:
            # A module's init symbols are forgotten when it is up: kernel/module/main.c (v6.1),
            # do_init_module(): mod->kallsyms becomes core_kallsyms.
            gone = {SymbolVerdict.INIT} if init_of_module else set()
            return {SymbolVerdict.MISSING, SymbolVerdict.CLONE_ONLY} | gone
        return set()


class Prober:
    """A guest with the modules loaded, and the facts of its kernel."""

    def __init__(self, host: GuestHost, facts: Facts) -> None:
        self.host = host
        self.facts = facts

    def predicted(self, question: Question) -> SymbolVerdict:
        name = question.function
        if question.object == "vmlinux":
            copies, clones = self.facts.copies(name), self.facts.clones(name)
        else:
            copies = self.facts.module_copies(question.object, name)
            clones = self.facts.module_clones(question.object, name)
        return verdict(copies, clones, question.sympos)

    def heard(self, question: Question) -> Heard:
        words = f"object={question.object} function={question.function} sympos={question.sympos}"
        ran = self.host.run(
            ["/bin/sh", "-c", f"dmesg -c >/dev/null; insmod /tmp/probe.ko {words}; dmesg"],
            limit=60.0,
        )
        said = _SAID.findall(ran.out)
        assert said, f"{question}: {ran.out}{ran.err}"
        assert said[-1][:3] == (question.object, question.function, str(question.sympos))
        symbol, location, hook = map(int, said[-1][3:])
        return Heard(symbol, location, hook, ran.out)

    def disagreements(
        self, questions: list[Question]
    ) -> list[tuple[Question, SymbolVerdict, Heard]]:
        found = []
        for question in questions:
            expected, heard = self.predicted(question), self.heard(question)
            of_module = question.object != "vmlinux"
            if expected not in heard.means(of_module and expected is SymbolVerdict.INIT):
                found.append((question, expected, heard))
        return found


@pytest.fixture(scope="module")
def probe(kernel: Kernel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("probe")
    shutil.copytree(ROOT / "tests/loads/probe", work / "m")
    with ContainerBuilder().open(work, kernel) as site:
        done = site.run([*kbuild_argv(site, kernel, "m"), "modules"], limit=300.0)
    assert done.ok, done.summary(tail=20)
    return work / "m/probe.ko"


@pytest.fixture(scope="module")
def prober(
    kernel: Kernel, initramfs: Path, probe: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prober]:
    """A guest of its own: the probe taints it, and the modules stay."""
    work = tmp_path_factory.mktemp("g")
    with boot(kernel, work=work, initramfs=initramfs) as host, open_facts(kernel) as facts:
        host.put(probe, "/tmp/probe.ko")
        loaded = {line.split()[0] for line in host.read("/proc/modules").splitlines()}
        for file in modules_in_order(kernel, (*FIRST, *MODULES)):
            if file.name.removesuffix(".ko").replace("-", "_") not in loaded:
                host.put(file, f"/tmp/{file.name}")
                ran = host.run(["insmod", f"/tmp/{file.name}"], limit=60.0)
                assert ran.rc == 0, f"{file}: {ran.err}"
        yield Prober(host, facts)
        assert host.faults() == ()


def vmlinux(*names: str) -> list[Question]:
    return [Question("vmlinux", name) for name in names]


KINDS = {
    SymbolVerdict.PATCHABLE: [
        *vmlinux("cmdline_proc_show", "meminfo_proc_show", "loadavg_proc_show", "vfs_read"),
        Question("loop", "lo_ioctl"),
        Question("vfat", "vfat_lookup"),
        Question("ext4", "ext4_file_open"),
        Question("isofs", "isofs_lookup"),
    ],
    SymbolVerdict.AMBIGUOUS: vmlinux("s_show", "type_show", "name_show", "state_show"),
    SymbolVerdict.UNTRACEABLE: [
        # notrace, or in a directory that is built without -pg
        *vmlinux("sched_clock", "ring_buffer_write", "trace_clock", "native_write_msr"),
        # noinstr
        *vmlinux("exc_int3", "exc_page_fault", "irqentry_enter", "irqentry_exit"),
    ],
    SymbolVerdict.INIT: [
        *vmlinux("start_kernel", "proc_cmdline_init", "proc_meminfo_init", "console_setup"),
        Question("loop", "loop_init"),
    ],
    SymbolVerdict.MISSING: [
        # inlined away: they are in the sources of every kernel, and nowhere in this one
        *vmlinux("show_val_kb", "list_add", "get_current", "spin_lock"),
        # misspelt
        *vmlinux("cmdline_proc_shwo", "meminfo_prc_show", "strat_kernel", "vfs_raed"),
        # in a module
        *vmlinux("lo_ioctl", "vfat_lookup", "ext4_file_open", "isofs_lookup"),
        # no such copy
        Question("vmlinux", "vfs_read", 2),
        Question("vmlinux", "s_show", 99),
        # in vmlinux, not in the module
        Question("loop", "vfs_read"),
    ],
}


@pytest.mark.parametrize("kind", list(KINDS), ids=str)
def test_the_kernel_says_what_the_facts_predict(prober: Prober, kind: SymbolVerdict) -> None:
    questions = KINDS[kind]
    assert [prober.predicted(question) for question in questions] == [kind] * len(questions)
    assert prober.disagreements(questions) == []


def test_functions_of_which_only_clones_are_left(prober: Prober) -> None:
    known = {symbol.name for symbol in prober.facts.symbols()}
    stems = sorted({name.partition(".")[0] for name in known if ".isra." in name} - known)
    questions = vmlinux(*stems[:: len(stems) // 6])
    assert len(questions) >= 4
    assert {prober.predicted(question) for question in questions} == {SymbolVerdict.CLONE_ONLY}
    assert prober.disagreements(questions) == []


@pytest.mark.parametrize("name", ("s_show", "type_show", "state_show"))
def test_each_copy_by_its_position(prober: Prober, name: str) -> None:
    copies = prober.facts.copies(name)
    questions = [Question("vmlinux", name, copy.sympos) for copy in copies]
    assert prober.disagreements([*questions, Question("vmlinux", name, len(copies) + 1)]) == []


def test_a_wrong_prediction_is_seen(prober: Prober) -> None:
    """The probe does not agree with everything."""

    class Optimist(Prober):
        def predicted(self, question: Question) -> SymbolVerdict:
            return SymbolVerdict.PATCHABLE

    class Pessimist(Prober):
        def predicted(self, question: Question) -> SymbolVerdict:
            return SymbolVerdict.UNTRACEABLE

    questions = [of_kind[0] for of_kind in KINDS.values()]
    wrong = Optimist(prober.host, prober.facts).disagreements(questions)
    assert [question for question, *_ in wrong] == questions[1:]
    wrong = Pessimist(prober.host, prober.facts).disagreements(questions)
    agreed = {questions[2], questions[3]}  # INIT has no location either
    assert {question for question, *_ in wrong} == set(questions) - agreed


def test_functions_drawn_at_random(
    prober: Prober, kernel: Kernel, capfd: pytest.CaptureFixture[str]
) -> None:
    seed = int(os.environ.get("LPPACK_SEED") or random.SystemRandom().randrange(1 << 32))
    with capfd.disabled():
        sys.stderr.write(f"\ntest_verdicts: LPPACK_SEED={seed}\n")
    dice = random.Random(seed)
    of_vmlinux = [Question("vmlinux", name) for name in _functions(prober.facts.symbols())]
    of_modules = [
        Question(module, name) for module in MODULES for name in _functions(_module(kernel, module))
    ]
    drawn = dice.sample(of_vmlinux, DRAWN // 2) + dice.sample(of_modules, DRAWN // 2)
    assert prober.disagreements(drawn) == [], f"LPPACK_SEED={seed}"


def _functions(symbols: tuple[Symbol, ...]) -> list[str]:
    return sorted({symbol.name for symbol in symbols if symbol.type in "tTwW"})


def _module(kernel: Kernel, name: str) -> tuple[Symbol, ...]:
    [*_, path] = modules_in_order(kernel, (name,))
    return read_module(path).symbols
