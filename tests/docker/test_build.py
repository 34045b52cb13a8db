# SPDX-License-Identifier: MIT
"""`lppack build` and what it leaves: the same bytes from everywhere."""

import shutil
import zipfile
from pathlib import Path

import pytest

from tests.kit.command import EXAMPLES, check_shape, lppack

pytestmark = pytest.mark.docker


@pytest.mark.parametrize("name", ["proc-cmdline", "conn-limit"])
def test_two_directories_two_builders_one_module(name: str, tmp_path: Path) -> None:
    modules = []
    for builder, place in (("docker", "a"), ("host", "b/deeper/than-a")):
        folder = tmp_path / place
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(EXAMPLES / name, folder)
        out = tmp_path / f"out-{builder}"
        out.mkdir()
        cache = {"XDG_CACHE_HOME": str(tmp_path / f"cache-{builder}")}
        _share_kernels(tmp_path / f"cache-{builder}" / "lppack")
        words = ("build", folder, "-o", out, "--builder", builder, "--format", "json")
        ran = lppack(*words, env=cache)
        assert ran.rc == 0, ran.err
        check_shape("build", ran.json)
        [built] = ran.json["bundles"]
        assert not built["cached"], "or nothing was compared"
        with zipfile.ZipFile(built["path"]) as archive:
            modules.append({n: archive.read(n) for n in archive.namelist() if n.endswith(".ko")})
    assert modules[0] == modules[1]
    assert len(modules[0]) == (2 if name == "conn-limit" else 1)


def _share_kernels(cache: Path) -> None:
    """A cache of its own, but for the kernels: those were downloaded once."""
    from lppack import store

    cache.mkdir(parents=True)
    for name in ("kernels", "facts", "apt"):
        if (store.cache_dir() / name).exists():
            (cache / name).symlink_to(store.cache_dir() / name)


def test_a_second_build_is_from_the_cache_and_the_same(tmp_path: Path) -> None:
    first, second = (
        lppack("build", EXAMPLES / "conn-limit", "-o", tmp_path / where, "--format", "json")
        for where in ("one", "two")
    )
    [one], [two] = first.json["bundles"], second.json["bundles"]
    assert two["cached"]
    assert Path(one["path"]).read_bytes() == Path(two["path"]).read_bytes()


def test_plan_generate_inspect(tmp_path: Path) -> None:
    plan = lppack("plan", EXAMPLES / "conn-limit", "--format", "json")
    check_shape("plan", plan.json)
    assert plan.json["needs"]["transform"] == "TRANSFORM_ON_ACCESS"
    assert plan.json["provides"]["user"] == "LEAVE_PATCHED_SET SWITCH_THREAD"
    generated = lppack("generate", EXAMPLES / "conn-limit", "-o", tmp_path / "sources")
    assert generated.rc == 0
    assert (tmp_path / "sources/lp_convert.c").is_file()
    built = lppack("build", EXAMPLES / "conn-limit", "-o", tmp_path)
    inspected = lppack("inspect", built.out.strip(), "--format", "json")
    assert inspected.rc == 0
    check_shape("inspect", inspected.json)
    assert inspected.json["facts"]["livepatch"] == "Y"
    # A module that is no live patch is a fault.
    with zipfile.ZipFile(built.out.strip()) as archive:
        archive.extract("test/targets/conn.ko", tmp_path)
    ran = lppack("inspect", tmp_path / "test/targets/conn.ko")
    assert ran.rc == 9
    assert "livepatch=Y" in ran.err


def test_a_mode_that_the_engine_does_not_give_is_refused() -> None:
    ran = lppack("plan", EXAMPLES / "conn-limit", "--engine", "livepatch", "--mode", "kpatch")
    assert ran.rc == 3
    assert "engine-provides-the-mode" in ran.err
    assert lppack("plan", EXAMPLES / "conn-limit", "--mode", "kpatch").rc == 0


def test_several_patches_in_one_run(tmp_path: Path) -> None:
    ran = lppack("build", EXAMPLES / "proc-cmdline", EXAMPLES / "conn-limit", "-o", tmp_path)
    assert ran.rc == 0, ran.err
    assert len(list(tmp_path.glob("*.lpp"))) == 2
