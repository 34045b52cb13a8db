# SPDX-License-Identifier: MIT
"""What both engines read of a host, which may say anything."""

import errno
from typing import Any

import pytest

from lppack import abi
from lppack.engines import modules
from lppack.engines.kernel import KernelEngines
from lppack.errors import HostError
from tests.kit.control import MODULE, patched
from tests.kit.fake_kernel import FakeHost, FakeKernel, Patch, info


@pytest.fixture
def kernel() -> FakeKernel:
    return FakeKernel()


@pytest.fixture
def host(kernel: FakeKernel) -> FakeHost:
    return FakeHost(kernel)


def says(host: FakeHost, monkeypatch: pytest.MonkeyPatch, path: str, text: str) -> None:
    shown = host.files
    monkeypatch.setattr(host, "files", lambda: {**shown(), path: text})


NO_NUMBERS = ["x", "-", "--1", "1.5", "0x1", "\u0663", "1 2", "9" * 5000]


@pytest.mark.parametrize("said", NO_NUMBERS)
@pytest.mark.parametrize("engine", ["livepatch", "consistency"])
def test_a_count_that_is_no_number_is_an_error_of_the_host(
    kernel: FakeKernel, host: FakeHost, monkeypatch: pytest.MonkeyPatch, said: str, engine: str
) -> None:
    """And no traceback, nor a zero: revert asks whether anything was converted."""
    kernel.patches[MODULE] = Patch(info=info(engine=engine), complete=True)
    says(host, monkeypatch, abi.parameter(MODULE, "converted"), f"{said}\n")
    with pytest.raises(HostError, match="is no number") as caught:
        KernelEngines(host).state(MODULE)
    assert caught.value.errno == errno.EBADMSG
    assert len(caught.value.message) < 200


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("12", 12), ("007", 7), ("-1", -1)])
def test_a_number(text: str, value: int) -> None:
    assert modules.number("/x", text) == value


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ()),
        ("0 lp_reverse\n2 lp_other\n", (("lp_reverse", 0), ("lp_other", 2))),
        ("something else entirely\n", ()),
    ],
)
def test_what_is_left_in_the_new_form(
    kernel: FakeKernel, host: FakeHost, text: str, found: tuple[tuple[str, int], ...]
) -> None:
    kernel.patches[MODULE] = patched()
    kernel.patches[MODULE].still_new = text
    assert modules.still_new(host, MODULE) == found
    kernel.patches[MODULE].still_new = None
    assert modules.still_new(host, MODULE) is None
    kernel.patches[MODULE].still_new = "x lp_reverse"
    with pytest.raises(HostError):
        modules.still_new(host, MODULE)


def test_who_is_in_the_way(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = "7\t8\tlp_open+0x1\tis in\tconn \tworker\n9\t9\t-\truns\tsh\n"
    says(host, monkeypatch, "/inside", f"{rows}10\t10\t-\tits sta")  # cut, at a page
    first, second = modules.blockers(host, "/inside")
    assert (first.pid, first.tid, first.comm) == (7, 8, "conn \tworker")
    assert (first.function, first.reason) == ("lp_open+0x1", "is in lp_open+0x1")
    assert (second.function, second.reason) == (None, "runs")
    assert modules.blockers(host, "/nothing") == ()
    says(host, monkeypatch, "/inside", "")
    assert modules.blockers(host, "/inside") == ()
    for line in ("x\t8\t-\truns\tsh", "nonsense"):
        says(host, monkeypatch, "/inside", f"{rows}{line}\n")
        with pytest.raises(HostError) as caught:
            modules.blockers(host, "/inside")
        assert caught.value.errno == errno.EBADMSG


@pytest.mark.parametrize(("taken", "reads"), [(0, 1), (1, 2), (4, 5), (9, 5)])
def test_a_list_that_another_reader_took_over_is_read_again(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch, taken: int, reads: int
) -> None:
    said: list[str] = []

    def read(path: str) -> str:
        said.append(path)
        if len(said) <= taken:
            raise HostError(path, errno.ESTALE)
        return "7\t8\t-\truns\tsh\n"

    monkeypatch.setattr(host, "read", read)
    if taken < reads:
        assert len(modules.blockers(host, "/blockers")) == 1
    else:
        with pytest.raises(HostError) as caught:
            modules.blockers(host, "/blockers")
        assert caught.value.errno == errno.ESTALE
    assert len(said) == reads


def test_a_line_of_another_kind_is_no_thread(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a list would have it that is read in pieces of two moments."""
    says(host, monkeypatch, "/blockers", "7\t8\t-\truns\tsh\nm]\tis in\tload\n")
    with pytest.raises(HostError) as caught:
        modules.blockers(host, "/blockers")
    assert caught.value.errno == errno.EBADMSG


def test_a_file_that_is_not_there_is_told_from_one_that_cannot_be_read(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert modules.text(host, "/nothing") is None
    assert modules.names(host, "/nothing") == ()

    def refused(path: str) -> Any:
        raise HostError(path, errno.EIO)

    monkeypatch.setattr(host, "read", refused)
    monkeypatch.setattr(host, "list", refused)
    for question in (modules.text, modules.names):
        with pytest.raises(HostError):
            question(host, "/nothing")


def test_modules_are_told_by_the_kernel_and_the_newest_comes_last(
    kernel: FakeKernel, host: FakeHost
) -> None:
    kernel.patches |= {MODULE: patched(), "lppack_other_1": patched()}
    assert modules.is_loaded(host, MODULE) and not modules.is_loaded(host, "none")
    assert modules.load_order(host)[-1] != modules.load_order(host)[0]
    assert set(modules.ours(host)) == {MODULE, "lppack_other_1", abi.ENGINE}


@pytest.mark.parametrize(("wanted", "written"), [(True, "1"), (False, "0"), (None, "0")])
def test_an_attribute_is_written_as_it_is_wanted_or_turned(
    kernel: FakeKernel, host: FakeHost, wanted: bool | None, written: str
) -> None:
    kernel.patches[MODULE] = patched(converts=False)
    path = abi.patch_attribute(MODULE, "enabled")
    if wanted:
        with pytest.raises(HostError) as caught:  # as it is: the kernel's own answer
            modules.enable(host, path, wanted)
        assert caught.value.errno == errno.EINVAL
    else:
        modules.enable(host, path, wanted)
        assert kernel.log == [f"{MODULE} enabled {written}"]


def test_whether_a_transition_was_forced(kernel: FakeKernel, host: FakeHost) -> None:
    assert modules.was_forced(host) is False
    assert host.stored == {}
    kernel.dmesg = [f"[ 1.0] livepatch: {abi.FORCED}"]
    assert modules.was_forced(host) is True
    kernel.dmesg = ["[ 99.0] a later line, after the log has lost the first ones"]
    assert modules.was_forced(host) is True
    kernel.boot = "second"
    assert modules.was_forced(host) is False


def test_a_build_is_known_by_its_sources(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches[MODULE] = patched()
    assert modules.srcversion(host, MODULE) is None
    kernel.patches[MODULE].srcversion = "ABC"
    assert modules.srcversion(host, MODULE) == "ABC"
    assert modules.srcversion(host, "none") is None
