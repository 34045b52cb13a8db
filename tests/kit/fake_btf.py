# SPDX-License-Identifier: MIT
"""Makes BTF: the encoder to lppack.kernel.btf, written from Documentation/bpf/btf.rst."""

import struct
from collections.abc import Sequence

from lppack.kernel import btf


class Writer:
    """Types are numbered as they are added; a split one goes on behind ``base``."""

    def __init__(self, base: "Writer | None" = None) -> None:
        self.strings = bytearray(b"" if base else b"\0")
        self.types = bytearray()
        self._first_string = base.end_string if base else 0
        self._base = base
        self.next: int = base.next if base else 1
        self.at: dict[int, int] = {}  # of each type, from the first type

    @property
    def end_string(self) -> int:
        return self._first_string + len(self.strings)

    def string(self, text: str) -> int:
        if not text:
            return 0
        for writer in filter(None, (self._base, self)):
            at = (b"\0" + bytes(writer.strings)).find(b"\0" + text.encode() + b"\0")
            if at >= 0:
                return writer._first_string + at
        self.strings += text.encode() + b"\0"
        return self.end_string - len(text.encode()) - 1

    def add(
        self,
        kind: int,
        name: str = "",
        value: int = 0,
        tail: Sequence[int] = (),
        vlen: int = 0,
        *,
        flag: bool = False,
    ) -> int:
        self.at[self.next] = len(self.types)
        info = kind << 24 | vlen | flag << 31
        self.types += struct.pack(f"<III{len(tail)}I", self.string(name), info, value, *tail)
        self.next += 1
        return self.next - 1

    def integer(self, name: str, size: int) -> int:
        return self.add(btf.INT, name, size, [8 * size])

    def struct(
        self,
        name: str,
        size: int,
        members: Sequence[tuple[str, int, int]],
        *,
        kind: int = btf.STRUCT,
        flag: bool = False,
    ) -> int:
        """Members are (name, type, place in bits)."""
        tail = [
            word for text, number, place in members for word in (self.string(text), number, place)
        ]
        return self.add(kind, name, size, tail, len(members), flag=flag)

    def prototype(self, result: int, parameters: Sequence[tuple[str, int]] = ()) -> int:
        tail = [word for text, number in parameters for word in (self.string(text), number)]
        return self.add(btf.FUNC_PROTO, "", result, tail, len(parameters))

    def function(self, name: str, result: int, parameters: Sequence[tuple[str, int]] = ()) -> int:
        return self.add(btf.FUNC, name, self.prototype(result, parameters), vlen=0)

    def bytes(self) -> bytes:
        types, strings = bytes(self.types), bytes(self.strings)
        header = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(strings))
        return header + types + strings


def sample() -> tuple[Writer, dict[str, int]]:
    """Some of everything that C can say."""
    w = Writer()
    t = {"int": w.integer("int", 4), "long": w.integer("long int", 8), "char": w.integer("char", 1)}
    t["seq"] = w.add(btf.FWD, "seq_file")
    t["seq *"] = w.add(btf.PTR, "", t["seq"])
    t["void *"] = w.add(btf.PTR)
    t["const char"] = w.add(btf.CONST, "", t["char"])
    t["const char *"] = w.add(btf.PTR, "", t["const char"])
    t["const char *const"] = w.add(btf.CONST, "", t["const char *"])
    t["char[16]"] = w.add(btf.ARRAY, tail=(t["char"], t["int"], 16))
    t["char[4][16]"] = w.add(btf.ARRAY, tail=(t["char[16]"], t["int"], 4))
    t["char (*)[16]"] = w.add(btf.PTR, "", t["char[16]"])
    t["handler"] = w.prototype(0, [("", t["int"])])
    t["handler *"] = w.add(btf.PTR, "", t["handler"])
    t["size_t"] = w.add(btf.TYPEDEF, "size_t", t["long"])
    t["anonymous"] = w.struct("", 8, [("low", t["int"], 0), ("high", t["int"], 32)])
    t["pair_t"] = w.add(btf.TYPEDEF, "pair_t", t["anonymous"])
    t["union"] = w.struct("", 8, [("", t["anonymous"], 0), ("all", t["long"], 0)], kind=btf.UNION)
    t["node"] = w.struct(
        "node",
        64,
        [
            ("name", t["char[16]"], 0),
            ("", t["union"], 128),
            ("hook", t["handler *"], 192),
            ("one", t["int"], 256 | 1 << 24),
            ("rest", t["int"], 257 | 31 << 24),
            ("pair", t["anonymous"], 320),
        ],
        flag=True,
    )
    t["color"] = w.add(btf.ENUM, "color", 4, (w.string("RED"), 0, w.string("BLUE"), 1), 2)
    t["show"] = w.function("show", t["int"], [("m", t["seq *"]), ("v", t["void *"])])
    t["s_show 1"] = w.function("s_show", t["int"], [("f", t["seq *"])])
    t["s_show 2"] = w.function("s_show", t["int"], [("m", t["seq *"])])
    t["s_show 3"] = w.function("s_show", t["int"], [("m", t["seq *"])])
    t["nothing"] = w.function("nothing", 0)
    t["print"] = w.function("print", t["int"], [("fmt", t["const char *"]), ("", 0)])
    t["signal"] = w.function("signal", t["handler *"], [("n", t["int"]), ("h", t["handler *"])])
    t["rows"] = w.function("rows", t["char (*)[16]"], [("c", t["color"])])
    return w, t


def of_the_fake() -> Writer:
    """Prototypes of the functions of fake.SYMBOLS."""
    w = Writer()
    number = w.integer("int", 4)
    w.struct("thing", 4, [("id", number, 0)])
    for name in ("alpha_open", "native_clock", "proc_name_show", "split_me", "with_endbr"):
        w.function(name, number, [("x", number)])
    w.function("s_show", number, [("first", number)])
    w.function("s_show", number, [("second", number)])
    return w
