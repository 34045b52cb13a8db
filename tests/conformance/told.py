# SPDX-License-Identifier: MIT
"""Stories that are told to show a claim of docs/semantics.md, and what must come of them."""

from lppack.consistency import ModeName
from tests.conformance.story import Step, Story


def _told(mode: ModeName, text: str) -> tuple[Story, list[str]]:
    """Each line of ``text`` is a step and, behind a colon, what must come of it."""
    lines = [line.strip() for line in text.strip().splitlines()]
    steps = (Step(*line.split(":")[0].split()) for line in lines)
    return Story(seed=-1, mode=mode, steps=tuple(steps)), lines


#: By thread: others become new while one stays old; who is inside does not switch.
BY_THREAD = _told(
    ModeName.HYBRID,
    """
    T0 enter: enters [absent]
    T1 enter: enters [absent]
    T0 call f: calls old f [absent]
    engine load: done [patching, waits for T0]
    T1 call f: calls new f [patching, waits for T0]
    T0 call g: calls old g [patching, waits for T0]
    engine convert: refused: EBUSY [patching, waits for T0]
    T0 return: returns from old g [patching, waits for T0]
    T0 return: returns from old f [patched]
    T0 call f: calls new f [patched]
    """,
)

#: By kernel: all calls are old until nobody is inside, and then all are new.
BY_KERNEL = _told(
    ModeName.KPATCH,
    """
    T0 enter: enters [absent]
    T1 enter: enters [absent]
    T0 call f: calls old f [absent]
    engine load: done [patching, waits for T0]
    T1 call g: calls old g [patching, waits for T0 T1]
    T0 return: returns from old f [patching, waits for T1]
    T0 call f: calls old f [patching, waits for T0 T1]
    T1 return: returns from old g [patching, waits for T0]
    T0 return: returns from old f [patched]
    T0 call f: calls new f [patched]
    T1 call g: calls new g [patched]
    """,
)

#: A visit to the kernel has one universe; a kernel thread leaves the patched set alone.
AT_THE_BORDER = _told(
    ModeName.KGRAFT,
    """
    T0 enter: enters [absent]
    T3 call f: calls old f [absent]
    engine load: done [patching, waits for T0 T3]
    T3 return: returns from old f [patching, waits for T0]
    T3 call f: calls new f [patching, waits for T0]
    T0 call f: calls old f [patching, waits for T0]
    T0 return: returns from old f [patching, waits for T0]
    T0 call g: calls old g [patching, waits for T0]
    T0 return: returns from old g [patching, waits for T0]
    T0 exit: exits [patched]
    T0 enter: enters [patched]
    T0 call g: calls new g [patched]
    """,
)

#: On access: patched is one step and converting another; what nobody uses stays old.
ON_ACCESS = _told(
    ModeName.HYBRID,
    """
    engine load: done [patched]
    T3 call f: calls new f [patched]
    T3 use 0: uses cell 0, old [patched]
    engine convert: done [patched]
    T3 use 0: uses cell 0, new [patched]
    T3 return: returns from new f [patched]
    engine reverse: done [unpatched]
    T3 call f: calls old f [unpatched]
    T3 use 0: uses cell 0, old [unpatched]
    engine unload: done [absent]
    """,
)
