# SPDX-License-Identifier: MIT
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement

from lppack import abi
from lppack.stages.bundle import BadBundle, contents, read
from lppack.stages.provenance import options_of, statement
from lppack.stages.same import disagreements
from tests.kit.bundles import made, put, repacked
from tests.kit.samples import manifest, plan


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return made(tmp_path / "in", tmp_path)


def values(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for one in value.values():
            yield from values(one)
    elif isinstance(value, list):
        for one in value:
            yield from values(one)
    else:
        yield value


def test_it_is_what_in_toto_and_slsa_define(path: Path) -> None:
    value = json.loads(contents(path)["provenance.json"])
    parsed = json_format.ParseDict(value, statement_pb2.Statement())
    Statement.copy_from_pb(parsed).validate()
    json_format.ParseDict(value["predicate"], provenance_pb2.Provenance())
    assert {one["name"] for one in value["subject"]} == {
        "lppack_conn_limit_2.ko",
        "test/programs/opener",
        "test/targets/conn.ko",
    }
    assert all(isinstance(one, str) for one in values(value)), "a number loses its low bits"


def test_options_are_kept_as_they_were_given() -> None:
    options = {"deep": True, "prove": False, "mode": None, "engine": "auto", "accepted": ("a", "b")}
    value = json.loads(json.dumps(statement(plan(manifest()), {}, {}, options)))
    assert options_of(value) == {"deep": "True", "accepted": ("a", "b")}


@pytest.mark.parametrize(
    "data",
    [b"{}", b"[]", b"1", b'{"_type": "x", "predicateType": "y"}', b'{"inlining": "checked"}'],
)
def test_what_is_no_statement_is_refused(path: Path, data: bytes) -> None:
    with pytest.raises(BadBundle):
        read(repacked(path, put("provenance.json", data)))


def module(signature: bytes) -> bytes:
    if not signature:
        return b"\x7fELFcode"
    tail = bytes(8) + len(signature).to_bytes(4, "big")
    return b"\x7fELFcode" + signature + tail + abi.MODULE_SIGNATURE


def test_what_differs_is_named_and_a_signature_is_not(path: Path) -> None:
    was = contents(path)
    assert disagreements(was, was) == ([], [])
    said = json.loads(was["provenance.json"])
    facts = said["predicate"]["buildDefinition"]["internalParameters"]
    facts["compiler"] = "gcc-14"
    now = {**was, "sources/a.c": b"int b;\n", "provenance.json": json.dumps(said).encode()}
    assert disagreements(was, now) == (["sources/a.c"], ["compiler: gcc-12 then, gcc-14 now"])
    one, other = ({**was, "x.ko": module(signature)} for signature in (b"by one key", b""))
    assert disagreements(one, other) == ([], [])
    assert disagreements(one, {**other, "x.ko": b"\x7fELFother"})[0] == ["x.ko"]
    assert disagreements(one, was)[0] == ["x.ko"]
