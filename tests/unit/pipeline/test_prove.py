# SPDX-License-Identifier: MIT
"""Which C files are compiled as code of vmlinux is, and what a patch may not follow."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from lppack.model import Completeness
from lppack.pipeline.prove import _built_in, prove
from tests.kit.fake_facts import FakeFacts
from tests.kit.samples import kernel, manifest

UNDEF = "#undef MODULE /* built in */\n"
FIRST = "#include <linux/static_call_types.h>\n"
OTHER = "#include <linux/proc_fs.h>\n"
BODY = "int lp_f(void)\n{\n}\n"


@pytest.mark.parametrize(
    ("sources", "built_in"),
    [
        ([UNDEF + OTHER + BODY], True),
        ([FIRST + UNDEF + OTHER + BODY], True),
        ([OTHER + BODY], False),
        ([OTHER + UNDEF + BODY], False),  # too late for that header
        ([UNDEF + OTHER, OTHER + BODY], False),  # in another file
        ([OTHER, UNDEF + OTHER + BODY], True),
    ],
)
def test_module_is_undefined_before_any_header(sources: list[str], built_in: bool) -> None:
    assert _built_in("lp_f", sources) == built_in


@pytest.mark.parametrize("path", ["../../sibling.c", "$(touch x)/a.c"])
def test_a_change_that_leads_out_of_the_sources_is_not_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """As `prove`, `validate --prove` and `build --prove` come here, with a bundle's as well."""
    read: list[str] = []
    sources = SimpleNamespace(package_of=str, source_file=lambda _package, path: read.append(path))
    found = SimpleNamespace(sources=sources)
    monkeypatch.setattr("lppack.distributions.open_distribution", lambda: found)
    monkeypatch.setattr("lppack.proof.prover.Prover", None)  # calling it would be a TypeError
    here = kernel(tmp_path)
    here.config.parent.mkdir()
    here.config.write_text("CONFIG_X=y\n")
    text = f"--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+int a;\n"
    (tmp_path / "change.diff").write_text(text)
    patch = manifest(tmp_path, follows="change.diff")
    proof = prove(patch, here, FakeFacts({"vmlinux": []}), builder="host", say=print)
    assert proof.complete is Completeness.INCOMPLETE
    assert proof.reasons == (f"the diff names '{path}', which is no path of the kernel's sources",)
    assert read == []
