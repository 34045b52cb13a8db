# SPDX-License-Identifier: MIT
"""The same bits, built twice in different ways and out of the bundle itself."""

import shutil
from pathlib import Path

import pytest

from lppack import store
from tests.kit.at_once import empty_cache
from tests.kit.bundles import put, repacked
from tests.kit.command import EXAMPLES, check_shape, lppack

pytestmark = pytest.mark.docker

_PATH = "static void __used trap(int x)\n{\n\tWARN_ON(x);\n\tpr_info(__FILE__);\n}\n"
_HOST = 'asm(".pushsection .rodata\\n.incbin \\"/etc/hostname\\"\\n.popsection");\n'
_DATE = "static const char trap[] __used = __DATE__;\n"
#: (what a source does, the builder, the exit code of `build --check`)
TRAPS = [
    (_PATH, "docker", 0),
    (_HOST, "docker", 9),
    (_DATE, "docker", 5),
]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = store.cache_dir() / "facts"
    monkeypatch.setenv("XDG_CACHE_HOME", str(empty_cache(tmp_path)))
    (tmp_path / "cache/lppack/facts").symlink_to(facts)


@pytest.mark.parametrize(("trap", "builder", "code"), TRAPS)
def test_what_depends_on_where_it_was_built_is_refused(
    trap: str, builder: str, code: int, tmp_path: Path
) -> None:
    patch = tmp_path / "proc-cmdline"
    shutil.copytree(EXAMPLES / "proc-cmdline", patch)
    source = patch / "cmdline.c"
    source.write_text(f"{source.read_text()}\n#include <linux/bug.h>\n{trap}")
    ran = lppack("build", patch, "--check", "--builder", builder, "-o", tmp_path)
    assert ran.rc == code, ran.err
    assert bool(list(tmp_path.glob("*.lpp"))) is (ran.rc == 0)
    if ran.rc == 9:
        assert "proc-cmdline for 6.1.0" in ran.err
        assert "built twice, differs: lppack_proc_cmdline_1.ko" in ran.err


def test_a_bundle_is_built_again_out_of_itself(tmp_path: Path) -> None:
    built = lppack("build", EXAMPLES / "proc-cmdline", "-o", tmp_path)
    bundle = Path(built.out.strip())
    shutil.rmtree(tmp_path / "cache/lppack/modules")
    ran = lppack("rebuild", bundle, "--format", "json", cwd=tmp_path)
    assert ran.rc == 0, ran.err
    check_shape("rebuild", ran.json)
    assert ran.json["identical"] is True

    source = (EXAMPLES / "proc-cmdline/cmdline.c").read_text() + "int other __used;\n"
    forged = repacked(bundle, put("sources/cmdline.c", source.encode()))
    said = lppack("rebuild", forged, "--builder", "host", "--format", "json")
    assert said.rc == 9, said.err
    check_shape("rebuild", said.json)
    assert said.json["different"] == ["lppack_proc_cmdline_1.ko"]
    assert any(line.startswith("builder: docker then") for line in said.json["provenance"])
