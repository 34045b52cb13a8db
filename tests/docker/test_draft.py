# SPDX-License-Identifier: MIT
"""draft on the diffs of real fixes, with the exact kernel, its sources and the real compiler."""

import difflib
from pathlib import Path
from typing import Any

import pytest

from lppack.debian.linux_source import source_file
from lppack.drafting.expected import expected
from lppack.kernel.elf64 import Elf
from lppack.model import Plan
from lppack.pipeline.build import Built, make_bundle
from lppack.pipeline.check import make_plan
from lppack.pipeline.draft import make_draft
from lppack.proof.reader import ObjectReader
from lppack.stages.bundle import contents
from tests.kit.command import EXAMPLES, check_shape, lppack
from tests.kit.drafts import DATA, KERNEL, draft, of_fix

pytestmark = pytest.mark.docker


def test_a_diff_becomes_a_patch_that_builds(tmp_path: Path) -> None:
    ran = of_fix("prctl-auxv", tmp_path / "prctl-auxv")
    assert ran.rc == 0, ran.err
    check_shape("draft", ran.json)
    assert ran.json["built"], ran.json["why"]
    assert ran.json["complete"] == "proved"
    assert ran.json["package"] == "linux-source-6.1 6.1.170-3"
    [vmlinux] = ran.json["objects"]
    [function] = vmlinux["functions"]
    assert (vmlinux["name"], function["name"]) == ("vmlinux", "prctl_set_auxv")
    assert (function["file"], function["covers"]) == ("kernel/sys.c", ["prctl_set_auxv"])
    source = (tmp_path / "prctl-auxv/sys.c").read_text()
    assert "memcpy(mm->saved_auxv, user_auxv, sizeof(user_auxv));" in source
    assert '#undef KBUILD_MODNAME\n#define KBUILD_MODNAME "sys"\n' in source
    ran = lppack("validate", tmp_path / "prctl-auxv", "--kernel", KERNEL, "--prove")
    assert ran.rc == 0, ran.err
    assert "complete: proved" in ran.out


def test_a_diff_that_lacks_something_says_what(tmp_path: Path) -> None:
    ran = of_fix("binfmt-misc", tmp_path / "made")
    assert ran.rc == 9, ran.err
    check_shape("draft-refused", ran.json)
    assert ran.json["complete"] == "incomplete"
    assert "fs/binfmt_misc.c does not compile" in ran.json["error"]["message"]
    assert "exe_file_allow_write_access" in ran.json["error"]["message"]


def test_data_stops_the_build_until_a_person_has_written_it(tmp_path: Path) -> None:
    for name, sign in zip(DATA, ("nlink", "secretmem_inode_state", "ipv4_net_table"), strict=True):
        ran = of_fix(name, tmp_path / name)
        assert ran.rc == 9, ran.err
        assert ran.json["complete"] == "incomplete"
        assert ran.json["why"] == "it has lines that a person must fill in"
        [source] = (tmp_path / name).glob("*.c")
        assert [
            line for line in source.read_text().splitlines() if "#error" in line and sign in line
        ]
        built = lppack("build", tmp_path / name, "--kernel", KERNEL, "-o", tmp_path)
        assert built.rc in (3, 5), built.err


def test_two_versions_instead_of_a_diff(tmp_path: Path) -> None:
    ran = draft(
        *("--between", "6.1.170-3", "6.1.192-2", "--path", "kernel/sys.c"),
        *("--function", "prctl_set_auxv", "-o", tmp_path / "between"),
    )
    assert ran.rc == 0, ran.err
    assert ran.json["built"], ran.json["why"]
    assert of_fix("prctl-auxv", tmp_path / "diff").rc == 0
    one, other = (
        (tmp_path / f"{name}/sys.c").read_text().partition("*/")[2] for name in ("between", "diff")
    )
    assert one == other


def test_what_cannot_be_traced_is_refused(tmp_path: Path) -> None:
    """The fix "tracing: Free histogram the field rejected for a bad modifier" (CVE-2026-97921)."""
    ran = draft(
        *("--between", "6.1.170-3", "6.1.192-2", "--path", "kernel/trace/trace_events_hist.c"),
        *("--function", "__create_val_field", "-o", tmp_path / "no"),
    )
    assert ran.rc == 9, ran.out
    check_shape("draft-refused", ran.json)
    assert "it has no fentry call (notrace)" in ran.json["error"]["message"]
    assert "install the fixed kernel" in ran.json["error"]["hint"]
    assert not (tmp_path / "no").exists()


def test_layout_and_locking_of_what_lives_is_refused(tmp_path: Path) -> None:
    """The fix "epoll: use refcount to reduce ep_mutex contention"."""
    ran = draft(
        *("--between", "6.1.170-3", "6.1.192-2", "--path", "fs/eventpoll.c"),
        *("-o", tmp_path / "no"),
    )
    assert ran.rc == 9, ran.out
    check_shape("draft-refused", ran.json)
    message = ran.json["error"]["message"]
    assert "the locking changes together with the layout" in message
    assert "struct eventpoll" in message and "+refcount" in message
    assert "eventpoll_release_file" in message
    assert ran.json["error"]["hint"]
    assert not (tmp_path / "no").exists()


def changed(folder: Path, *changes: tuple[str, str], path: str = "fs/eventpoll.c") -> Path:
    """A diff of the kernel's own file, each change at the one place where it fits."""
    text = source_file("linux-source-6.1 6.1.170-3", path)
    assert text is not None
    old = new = text.decode()
    for was, is_ in changes:
        assert new.count(was) == 1
        new = new.replace(was, is_)
    before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    lines = difflib.unified_diff(before, after, f"a/{path}", f"b/{path}")
    diff = folder / "made.diff"
    diff.write_text("".join(lines))
    return diff


CODE = ("if (unlikely(!file->f_ep)) {", "if (!file->f_ep) {")


def test_init_is_refused(tmp_path: Path) -> None:
    ran = draft(changed(tmp_path, ("totalhigh) / 25)", "totalhigh) / 50)")), "-o", tmp_path / "no")
    assert ran.rc == 9, ran.out
    check_shape("draft-refused", ran.json)
    message = ran.json["error"]["message"]
    assert "eventpoll_init of vmlinux: it is __init: it has run" in message
    assert "pre_patch" in ran.json["error"]["hint"]
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize(
    ("change", "said", "flag", "key"),
    [
        (
            ("\tu64 gen;\n", "\tu64 gen;\n\tu64 more;\n"),
            "the layout of struct eventpoll changes (+more), and the kernel has such objects of "
            "176 bytes: no function of the patch may use the new layout",
            "TRANSFORM_ON_ACCESS",
            "shadow_variables",
        ),
        (
            ("\tu64 gen;\n", "\tu32 gen;\n"),
            "the layout of struct eventpoll changes (other types), and the kernel has such objects "
            "of 176 bytes: what is gone or has another type cannot stand beside it",
            "TRANSFORM_WORLD",
            "for_each",
        ),
        (
            ('\t\t.procname\t= "max_user_watches",\n', '\t\t.procname\t= "most_watches",\n'),
            "epoll_table is static data with other contents",
            "SWITCH_THREAD",
            "pre_patch: lp_pre_patch",
        ),
    ],
    ids=["a member more", "a member of another type", "static data"],
)
def test_a_change_of_data_is_proposed_and_stops_the_build(
    change: tuple[str, str], said: str, flag: str, key: str, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    ran = draft(changed(tmp_path, CODE, change), "-o", made)
    assert ran.rc == 9, ran.err
    assert ran.json["complete"] == "incomplete" and ran.json["left_out"]
    assert ran.json["why"] == "it has lines that a person must fill in"
    assert any(line.startswith(said) for line in ran.json["decide"]), ran.json["decide"]
    manifest = (made / "manifest.yaml").read_text()
    assert flag in manifest and key in manifest
    assert "#error" in (made / "eventpoll.c").read_text()
    assert said.partition(",")[0] in (made / "README.md").read_text()
    built = lppack("build", made, "--kernel", KERNEL, "-o", tmp_path)
    assert built.rc in (3, 5), built.err


def test_other_locking_is_said(tmp_path: Path) -> None:
    """Beside static data, so that nothing has to be built."""
    diff = changed(
        tmp_path,
        ("mutex_lock(&epmutex);\n\tif (unlikely(!file->f_ep))", "if (unlikely(!file->f_ep))"),
        ('= "max_user_watches"', '= "most_watches"'),
    )
    ran = draft(diff, "-o", tmp_path / "made")
    assert ran.rc == 9, ran.err
    [said] = [line for line in ran.json["decide"] if "locking" in line]
    assert said.startswith("the locking in eventpoll_release_file changes: while threads switch")
    assert said.endswith("If not, it needs SWITCH_KERNEL")


def test_a_function_that_did_not_change_is_said(tmp_path: Path) -> None:
    ran = draft(
        *("--between", "6.1.170-3", "6.1.192-2", "--path", "kernel/sys.c"),
        *("--function", "getrusage", "-o", tmp_path / "no"),
    )
    assert ran.rc == 9, ran.out
    assert "getrusage is the same in both versions of kernel/sys.c" in ran.json["error"]["message"]


@pytest.mark.parametrize(
    "words",
    [
        (str(EXAMPLES / "fixes/vsock-buffer/upstream.diff"),),
        (*("--between", "6.1.170-3", "6.1.192-3"), "--path", "kernel/sys.c")
        + ("--function", "prctl_set_auxv"),
    ],
    ids=["diff", "between"],
)
def test_a_kernel_that_has_the_fix_is_not_patched(words: tuple[str, ...], tmp_path: Path) -> None:
    fixed = ("--kernel", "6.1.0-57-amd64", "-o", tmp_path / "made")
    ran = lppack("draft", *words, *fixed, "--format", "json", limit=900.0)
    assert ran.rc == 9, ran.out
    assert ran.json["error"]["kind"] == "has-it-already"
    assert "have this change already: nothing to patch" in ran.json["error"]["message"]
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("{diff}", "--between", "1", "2"), "one of these: a diff, --between, or --function"),
        ((), "one of these: a diff, --between, or --function"),
        (("--between", "1", "2"), "--between requires --path"),
        (("{diff}", "--function", "f"), "one of these: a diff, --between, or --function"),
        (("{diff}", "--path", "f"), "--path requires"),
    ],
)
def test_usage(words: tuple[str, ...], said: str) -> None:
    diff = str(EXAMPLES / "fixes/prctl-auxv/upstream.diff")
    ran = lppack("draft", *(word.format(diff=diff) for word in words), "--kernel", KERNEL)
    assert ran.rc == 2
    assert said in ran.err


def test_what_a_person_has_made_of_a_draft_is_not_overwritten(tmp_path: Path) -> None:
    made = tmp_path / "made"
    assert of_fix("prctl-auxv", made).rc == 0
    manifest = made / "manifest.yaml"
    manifest.write_text(manifest.read_text() + "# decided\n")
    before = {file.name: file.read_bytes() for file in made.iterdir()}
    ran = of_fix("prctl-auxv", made)
    assert ran.rc == 4, ran.out
    assert (
        "manifest.yaml exists, and was changed since lppack draft" in ran.json["error"]["message"]
    )
    assert "--force" in ran.json["error"]["hint"]
    assert {file.name: file.read_bytes() for file in made.iterdir()} == before
    manifest.write_bytes(before["manifest.yaml"].replace(b"# decided\n", b""))
    assert of_fix("prctl-auxv", made).rc == 0, "the draft as it was is replaced"


def test_a_folder_of_the_users_is_not_overwritten(tmp_path: Path) -> None:
    for command in ("draft", "generate"):
        name, place = ("README.md", tmp_path / "d") if command == "draft" else ("Kbuild", tmp_path)
        place.mkdir(exist_ok=True)
        (place / name).write_text("mine")
        ran = (
            of_fix("prctl-auxv", place)
            if command == "draft"
            else lppack("generate", EXAMPLES / "proc-cmdline", "-o", place, "--kernel", KERNEL)
        )
        assert ran.rc == 4, ran.out
        assert f"was not written by lppack {command}" in ran.out + ran.err
        assert (place / name).read_text() == "mine"
        assert not (place / "manifest.yaml").exists() and not (place / "lp_glue.c").exists()
    sources = ("generate", EXAMPLES / "proc-cmdline", "-o", tmp_path, "--kernel", KERNEL)
    assert lppack(*sources, "--force").rc == 0
    assert "mine" not in (tmp_path / "Kbuild").read_text()


def test_a_function_as_it_is_to_be_edited(tmp_path: Path) -> None:
    """Its text is the kernel's, with all that it needs; and nothing follows from no change."""
    made = tmp_path / "made"
    ran = draft("--function", "rtc_device_release", "-o", made)
    assert ran.rc == 0, ran.err
    check_shape("draft", ran.json)
    assert (ran.json["built"], ran.json["complete"]) == (True, "not checked")
    [vmlinux] = ran.json["objects"]
    assert [function["name"] for function in vmlinux["functions"]] == ["rtc_device_release"]
    text = (source_file("linux-source-6.1 6.1.170-3", "drivers/rtc/class.c") or b"").decode()
    original = text[text.index("\nstatic void rtc_device_release(") :].partition("\n}\n")[0]
    copy = (made / "class.c").read_text()
    assert original.replace("static void ", "void lp_") in copy
    assert "nop" not in copy
    manifest = (made / "manifest.yaml").read_text()
    assert "follows" not in manifest and "fixes" not in manifest and "rtc_ida" in manifest
    assert not (made / "change.diff").exists()


def test_a_macro_that_a_header_no_longer_has_is_undefined(tmp_path: Path) -> None:
    """The headers of the patch's build have it still, so that #ifdef takes the old branch."""
    made, line = tmp_path / "made", "#define VSOCK_OPTIMIZATION_FLOW_CONTROL 1\n"
    path = "net/vmw_vsock/vmci_transport_notify.h"
    ran = draft(changed(tmp_path, (line, ""), path=path), "-o", made)
    assert ran.rc == 0, ran.err
    source = (made / "vmci_transport_notify.c").read_text()
    above, _, below = source.partition("#undef VSOCK_OPTIMIZATION_FLOW_CONTROL\n")
    assert "#include" in above and "#include" not in below
    assert "#ifdef VSOCK_OPTIMIZATION_FLOW_CONTROL\n" in below


def test_code_of_the_kernel_is_not_compiled_as_a_modules(tmp_path: Path) -> None:
    """include/linux/proc_fs.h (v6.1): for a module PROC_ENTRY_PERMANENT is 0, so that a function
    with pde_is_permanent() would do something else, without a word from the compiler."""
    path, made = "fs/proc/inode.c", tmp_path / "made"
    head = "static loff_t proc_reg_llseek(struct file *file, loff_t offset, int whence)\n{\n"
    head += "\tstruct proc_dir_entry *pde = PDE(file_inode(file));\n\tloff_t rv = -EINVAL;\n"
    ran = draft(
        changed(tmp_path, (head, head.replace("-EINVAL", "-ENOENT")), path=path), "-o", made
    )
    assert (ran.rc, ran.json["complete"]) == (0, "proved"), ran.err
    built = make_bundle(
        make_plan(made, kernel=KERNEL), made, builder="docker", on_line=lambda _line: None
    )
    module = contents(built.path)[f"{built.bundle.module}.ko"]
    [ours] = ObjectReader(Elf(module, "the patch")).called("lp_proc_reg_llseek")
    targets = [str(one.target[1]) for one in ours.references]
    # Once for an entry that is permanent, once for one that may go away.
    assert len([to for to in targets if to.startswith("__x86_indirect_thunk_")]) == 2
    check = ("validate", made, "--kernel", KERNEL, "--prove")
    assert "complete: proved" in lppack(*check).out
    source = made / "inode.c"
    source.write_text(source.read_text().replace("#undef MODULE", ""))
    ran = lppack(*check)
    assert ran.rc == 9
    assert f"proc_reg_llseek of {path} is other code if MODULE is defined" in ran.err


def test_a_function_of_which_there_are_several(tmp_path: Path) -> None:
    ran = draft("--function", "name_show", "-o", tmp_path / "made")
    assert ran.rc == 9
    assert "files define name_show" in ran.json["error"]["message"]
    assert "--path " in ran.json["error"]["hint"]
    ran = draft("--function", "no_such_function_here", "-o", tmp_path / "made")
    assert ran.rc == 9
    assert "no C file of this kernel's sources defines" in ran.json["error"]["message"]


@pytest.mark.parametrize("more", [(), ("saved_command_line",)])
def test_symbols_are_expected_before_the_first_build(
    more: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One build, or a second one where too much was expected; never a symbol that is not used."""
    real, build = expected, make_bundle
    builds: list[Plan] = []

    def wider(*given: Any) -> frozenset[str]:
        return real(*given) | {*more}

    def counted(plan: Plan, *given: Any, **named: Any) -> Built:
        builds.append(plan)
        return build(plan, *given, **named)

    monkeypatch.setattr("lppack.drafting.draft.expected", wider)
    monkeypatch.setattr("lppack.pipeline.draft.make_bundle", counted)
    made = make_draft(
        EXAMPLES / "fixes/ipc-next-id/upstream.diff",
        kernel=KERNEL,
        folder=tmp_path / "made",
        builder="docker",
        say=lambda _line: None,
        on_line=lambda _line: None,
        force=False,
    )
    assert made.built, made.why
    assert made.draft.symbols == ("ipc_kht_params", "ipc_min_cycle", "ipc_mni", "ipc_mni_shift")
    assert len(builds) == (2 if more else 1)
