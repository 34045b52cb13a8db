# SPDX-License-Identifier: MIT
"""What a machine holds: slabs, modules, files, processes; and what has grown between two looks."""

from collections.abc import Mapping
from dataclasses import dataclass

from lppack.hosts.guest import GuestHost

#: The journal keeps the last 500 records, and those are no leak.
_HISTORY = "/var/lib/lppack/history"
_COUNT = f"""
echo 3 > /proc/sys/vm/drop_caches
for cache in /sys/kernel/slab/*/shrink; do echo 1 > $cache; done 2> /dev/null
echo modules $(wc -l < /proc/modules) $(ls /sys/module | wc -l)
echo symbols $(wc -l < /proc/kallsyms)
echo mappings $(wc -l < /proc/vmallocinfo)
echo files $(find / -xdev -not -path "{_HISTORY}/*" | wc -l)
echo history $(ls {_HISTORY} | wc -l)
echo open $(cut -f1 /proc/sys/fs/file-nr)
echo processes $(ls /proc | grep -c '^[0-9]')
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Residue:
    exact: Mapping[str, str]  # the same to the last one
    about: Mapping[str, int]  # moves by itself
    slabs: Mapping[str, int]  # objects in use of each cache
    history: int


def residue(host: GuestHost) -> Residue:
    ran = host.run(["/bin/sh", "-c", _COUNT], limit=120.0)
    assert ran.rc == 0, ran.err
    rows = dict(line.split(" ", 1) for line in ran.out.splitlines())
    slabs = (line.split()[:2] for line in host.read("/proc/slabinfo").splitlines()[2:])
    return Residue(
        exact={name: rows[name] for name in ("modules", "files")},
        about={name: int(rows[name]) for name in ("symbols", "mappings", "open", "processes")},
        slabs={name: int(objects) for name, objects in slabs},
        history=int(rows["history"]),
    )


def grown(before: Residue, after: Residue, cycles: int) -> dict[str, str]:
    """Return what has grown as something does of which each cycle, or every second, leaves one."""
    found = {
        name: f"{before.exact[name]} -> {value}"
        for name, value in after.exact.items()
        if value != before.exact[name]
    }
    counts = {**before.about, **before.slabs}
    for name, value in {**after.about, **after.slabs}.items():
        if value - counts.get(name, 0) >= cycles / 2:
            found[name] = f"{counts.get(name, 0)} -> {value}"
    if after.history > 501:
        found["history"] = str(after.history)
    return found
