# SPDX-License-Identifier: MIT
"""The example ledger in a guest: whole, or with a switch for what an author can get wrong."""

import contextlib
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from lppack import pipeline
from lppack.consistency import ModeName
from lppack.hosts.guest import GuestHost
from lppack.model import Bundle, Kernel
from lppack.stages.apply import Control, apply
from lppack.stages.bundle import extract
from lppack.stages.revert import revert
from lppack.stages.test import load_targets
from tests.kit.command import EXAMPLES

FIRST = 100  # accounts that the target makes by itself
#: What an old account must not hold, and check looks for.
END_OF_SCALE = 2**32 - 1
EIO, ENODEV, ERANGE = 5, 19, 34

_EXAMPLE = EXAMPLES / "ledger"


class Wrong(IntEnum):
    """What the author's functions do wrong, or slowly: written to a parameter of the target."""

    NOTHING = 0
    CHECK = 1  # overlooks an account that forward then refuses
    SLOW_CHECK = 2
    SLOW_FORWARD = 3
    LAZY_FORWARD = 4  # leaves the account as it is
    LAZY_REVERSE = 5
    MARKER = 6  # says new of every account
    PREPARE = 7  # cannot
    TWICE = 8  # meets each account of the new form twice
    INTERRUPTED = 9  # forward says -EINTR
    INIT = 10  # of the target: takes its time, and then fails
    SLOW = 11  # forward and reverse


#: (file, what stands there, what is put before it).
_EDITS = (
    ("manifest.yaml", "{name: ledger, as", "{name: wrong, as: lp_wrong}, "),
    (
        "target/ledger.c",
        "/* Nobody else can reach",
        "static int wrong;\nmodule_param(wrong, int, 0600);\n\n",
    ),
    (
        "ledger.c",
        "bool lp_account_is_new(",
        "#include <linux/delay.h>\n\nextern int lp_wrong;\n\n",
    ),
    (
        "target/ledger.c",
        "\terr = ledger_open_many(LEDGER_FIRST, LEDGER_FIRST);",
        "\tif (wrong == 10) {\n\t\tmsleep(5000);\n\t\treturn -ENODEV;\n\t}\n",
    ),
    ("target/ledger.c", "#include <linux/module.h>", "#include <linux/delay.h>\n"),
    (
        "ledger.c",
        "\t\t\terr = visit(a, data);",
        "\t\t\tif (lp_wrong == 8 && lp_account_is_new(a))\n\t\t\t\tvisit(a, data);\n",
    ),
    (
        "ledger.c",
        "\treturn a->cents == U32_MAX",
        "\tif (lp_wrong == 2)\n\t\tmdelay(3);\n\tif (lp_wrong == 1)\n\t\treturn 0;\n",
    ),
    (
        "ledger.c",
        "\tif (!n)\n\t\treturn -EAGAIN;",
        "\tif (a->cents == U32_MAX)\n\t\treturn -ERANGE;\n"
        "\tif (lp_wrong == 3 || lp_wrong == 11)\n\t\tmdelay(3);\n"
        "\tif (lp_wrong == 4)\n\t\treturn 0;\n\tif (lp_wrong == 9)\n\t\treturn -EINTR;\n",
    ),
    (
        "ledger.c",
        "\ta->cents = to_new(a)->cents;",
        "\tif (lp_wrong == 5)\n\t\treturn;\n\tif (lp_wrong == 11)\n\t\tmdelay(3);\n"
        "\tWARN_ON_ONCE(!lp_account_is_new(a));\n",
    ),
    ("ledger.c", "\treturn a->id & ACCOUNT_NEW;", "\tif (lp_wrong == 6)\n\t\treturn true;\n"),
    ("ledger.c", "\twhile (lp_fresh_count", "\tif (lp_wrong == 7)\n\t\treturn -ENOSPC;\n"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What /proc/ledger tells."""

    accounts: int
    total: int
    digest: str


def build(
    kernel: Kernel, folder: Path, mode: ModeName, *, limit: int, switch: bool = False
) -> tuple[Bundle, Path]:
    """The bundle and where it was extracted, with stops of ``limit`` ms at most; ``switch``: with
    that for Wrong."""
    patch = Path(shutil.copytree(_EXAMPLE, folder / "patch"))
    for name, place, text in _EDITS if switch else ():
        _insert(patch / name, place, text)
    manifest = patch / "manifest.yaml"
    manifest.write_text(manifest.read_text().replace("stop_ms: 2000", f"stop_ms: {limit}"))
    plan = pipeline.make_plan(patch, kernel=str(kernel.root), mode=mode)
    made = pipeline.make_bundle(plan, folder, builder="docker", on_line=lambda _line: None)
    extract(made.path, folder / "files")
    return made.bundle, folder / "files"


def _insert(file: Path, place: str, text: str) -> None:
    old = file.read_text()
    assert old.count(place) == 1, f"{place!r} is not in {file} once"
    file.write_text(old.replace(place, text + place))


class Ledger:
    """The target, and the patch that was built with it."""

    def __init__(self, host: GuestHost, bundle: Bundle, files: Path) -> None:
        self.host = host
        self.bundle = bundle
        self.ko = files / f"{bundle.module}.ko"

    def tell(self, command: str) -> None:
        self.host.write("/proc/ledger", command)

    def shown(self) -> Shown:
        words = self.host.read("/proc/ledger").split()
        return Shown(accounts=int(words[1]), total=int(words[3]), digest=words[5])

    def grow(self, accounts: int) -> None:
        """Until there are so many."""
        self.tell(f"open {accounts - self.shown().accounts} 100")

    def wrong(self, what: Wrong) -> None:
        self.host.write("/sys/module/ledger/parameters/wrong", str(what.value))

    def sh(self, command: str) -> str:
        return self.host.run(["/bin/sh", "-c", command], limit=60.0).out.strip()

    @contextlib.contextmanager
    def loaded(self) -> Iterator["Ledger"]:
        """With the target in the guest."""
        load_targets(self.host, self.bundle, self.ko.parent)
        yield self
        assert self.host.run(["rmmod", "ledger"], limit=60.0).rc == 0

    @contextlib.contextmanager
    def audit(self) -> Iterator[None]:
        """A thread sleeps in a function of the patched set."""
        self.sh("echo audit > /proc/ledger 2> /tmp/audit &")
        self.until("grep -q ledger_audit /proc/[0-9]*/stack && echo asleep", "asleep")
        yield
        self.tell("done")

    @contextlib.contextmanager
    def movers(self, threads: int = 3) -> Iterator[None]:
        """Money is moved and counted meanwhile; in the end all of it is where it was."""
        self.sh(f"/test/mover {threads} 0 > /tmp/mover 2>&1 &")
        self.until("pidof mover > /dev/null && echo there", "there")
        yield
        self.sh("kill -TERM $(pidof mover)")
        self.until("cat /tmp/mover", "wrong 0")

    def until(self, command: str, wanted: str) -> None:
        end = time.monotonic() + 60
        while (said := self.sh(command)) != wanted:
            assert time.monotonic() < end, said
            time.sleep(0.2)


def round_trips(control: Control, ledger: Ledger, rounds: int) -> float:
    """Applies and reverts so often under load: the longest stop in ms. Checks the sums."""
    before = ledger.shown()
    longest = 0.0
    with ledger.movers():
        for _ in range(rounds):
            report = apply(control, ledger.bundle, ledger.ko)
            assert report.converted == before.accounts
            state = control.engine.state(ledger.bundle.module)
            longest = max(longest, state.longest_stop_ms or 0.0)
            revert(control, "ledger")
    assert ledger.shown() == before
    return longest


#: max_stop_ms: more than a machine that is busy with other things can take away; and for those with
#: a switch, of which some take 3 ms for an account.
LIMIT, SHORT = 10_000, 3000
