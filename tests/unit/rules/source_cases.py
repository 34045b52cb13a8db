# SPDX-License-Identifier: MIT
from lppack.rules import conversion, source
from lppack.rules.registry import MANIFEST
from tests.kit.samples import CONN_C
from tests.unit.rules.cases import CodeCase, hooks, objects, shadow

_HOMES = (source.__name__, conversion.__name__)
_EVERY = [entry.rule for entry in MANIFEST.entries() if entry.rule.__module__ in _HOMES]


def _body(*lines: str, head: str = "int lp_conn_open(struct conn *c)") -> str:
    """A function whose first line of the body is line 3."""
    return "\n".join([head, "{", *lines, "}", ""])


def _changed(old: str, new: str) -> str:
    assert old in CONN_C
    return CONN_C.replace(old, new)


def _line(text: str, of: str) -> int:
    return next(n for n, line in enumerate(of.splitlines(), 1) if text in line)


STATIC = _changed("int lp_conn_open(", "static int lp_conn_open(")
INIT = "int lp_conn_ext_init(struct conn *c, struct conn_ext *ext)"
FORGETS_NOT = _changed("\tlp_forget_conn(c);\n", "")

_USE = "void f(struct conn *c)\n{\n\tlp_convert_conn(c);\n}\n"

CASES = (
    *(CodeCase(rule, "plain code", CONN_C) for rule in _EVERY),
    CodeCase(source.lppack_h_is_included, "in another way", '# include   "lppack.h"\n' + _USE),
    CodeCase(source.lppack_h_is_included, "not included", _USE, [3]),
    CodeCase(source.lppack_h_is_included, "not needed", "void f(void)\n{\n\tg();\n}\n"),
    CodeCase(source.included_files_are_listed, "listed", '#include "ext.h"\n'),
    CodeCase(source.included_files_are_listed, "of the kernel", "#include <linux/fs.h>\n"),
    CodeCase(source.included_files_are_listed, "not there", '#include "net/vlan.h"\n'),
    CodeCase(source.included_files_are_listed, "from /", '#include "/etc/passwd"\n'),
    CodeCase(source.included_files_are_listed, "outside", '#include "../../etc/passwd"\n'),
    CodeCase(
        source.included_files_are_listed, "not listed", '\n#include "ext.h"\n', [2], {"headers": []}
    ),
    CodeCase(source.included_files_are_listed, "in a folder", '#include "load/opener.c"\n', [1]),
    *(
        CodeCase(
            rule,
            "in comments and strings",
            CONN_C + "/* klp_shadow_free(c); module_init(x); __init */\n"
            '// EXPORT_SYMBOL(x) lp_convert_start()\nchar *text = "klp_enable_patch(p) /*";\n',
        )
        for rule in _EVERY
    ),
    # -- type-of-a-shadow-variable-is-defined (FULL's is in ext.h)
    *(
        CodeCase(
            source.type_of_a_shadow_variable_is_defined, type_, CONN_C, lines, shadow(type=type_)
        )
        for type_, lines in (
            ("struct conn_exd", [0]),
            ("struct list_head", []),  # perhaps the kernel's
            ("unsigned long", []),
        )
    ),
    # -- named-functions-are-defined
    CodeCase(source.named_functions_are_defined, "static", STATIC, [_line("lp_conn_open", STATIC)]),
    CodeCase(source.named_functions_are_defined, "none", "", [0] * 8),
    CodeCase(
        source.named_functions_are_defined,
        "a declaration is none",
        _changed("int lp_s_show(", "int lp_s_show(struct seq_file *m, void *v);\nint lp_t_show("),
        [0],
    ),
    CodeCase(
        source.named_functions_are_defined, "perhaps by a macro", "#define F(x) int lp_##x(void)\n"
    ),
    CodeCase(source.named_functions_are_defined, "perhaps elsewhere", '#include "more.c"\n'),
    CodeCase(
        source.named_functions_are_defined,
        "with attributes and a macro loop",
        CONN_C.replace("int lp_s_show(", "__printf(1, 2) noinline int\nlp_s_show(").replace(
            "\tkfree(c);", "\tlist_for_each_entry(c, &x, list) { kfree(c); }"
        ),
    ),
    # -- hooks-have-the-kernels-types
    CodeCase(
        source.hooks_have_the_kernels_types,
        "as they should",
        "int lp_pre(void)\n{\n}\nvoid lp_post(void)\n{\n}\n",
        changes=hooks(pre_patch="lp_pre", post_unpatch="lp_post"),
    ),
    CodeCase(
        source.hooks_have_the_kernels_types,
        "the other way round",
        "void lp_pre(void)\n{\n}\nint lp_post(void)\n{\n}\n",
        [1, 4],
        changes=hooks(pre_patch="lp_pre", post_unpatch="lp_post"),
    ),
    # -- livepatch-is-left-to-lppack
    CodeCase(
        source.livepatch_is_left_to_lppack,
        "all of it",
        'module_init(f);\nmodule_exit(g);\nMODULE_LICENSE("GPL");\nint f(void)\n{\n'
        "\treturn klp_enable_patch(&p);\n}\n",
        [1, 2, 3, 6],
    ),
    CodeCase(
        source.livepatch_is_left_to_lppack,
        "the state of the version before",
        _body("p = klp_get_prev_state(4711);"),
    ),
    # -- shadow variables behind lppack's back
    CodeCase(
        source.shadow_variables_are_freed_by_lppack,
        "freed",
        _body("klp_shadow_free(c, 1, NULL);", "klp_shadow_free_all(1, NULL);"),
        [3, 4],
    ),
    CodeCase(
        source.shadow_variables_are_made_by_lppack,
        "made and looked for",
        _body("klp_shadow_alloc(c, 1, 8, GFP_KERNEL, 0, 0);", "p = klp_shadow_get(c, 1);"),
        [3, 4],
    ),
    # -- nothing-is-exported, nothing-is-freed-after-init
    CodeCase(
        source.nothing_is_exported, "two", "EXPORT_SYMBOL(f);\nEXPORT_SYMBOL_GPL(g);\n", [1, 2]
    ),
    CodeCase(
        source.nothing_is_freed_after_init,
        "code and data",
        "static int __init f(void)\n{\n}\nstatic int x __initdata;\n",
        [1, 4],
    ),
    # -- glue-is-left-alone
    CodeCase(
        source.glue_is_left_alone,
        "starts, asks, drops",
        _body("lp_convert_start();", "if (lp_convert_is_on())", "\tlp_drop_conn();"),
        [3, 4, 5],
    ),
    CodeCase(source.glue_is_left_alone, "a test point", _body('lp_test_point("here");')),
    CodeCase(source.glue_is_left_alone, "a state of the manifest", _body("p = lp_state(4711);")),
    # -- stored-address-has-a-barrier
    CodeCase(
        source.stored_address_has_a_barrier,
        "work, RCU, a table",
        "static void late(struct work_struct *w)\n{\n}\n"
        "static const struct ops o = {\n\t.run = late,\n};\n"
        "int lp_conn_open(struct conn *c)\n{\n\tINIT_WORK(&c->work, late);\n"
        "\tcall_rcu(&c->rcu, late);\n\tc->fn = &late;\n\tlate(NULL);\n}\n",
        [5, 9, 10, 11],
    ),
    CodeCase(
        source.stored_address_has_a_barrier,
        "there is a barrier",
        "void late(void)\n{\n}\nvoid (*p)(void) = late;\n",
        changes=hooks(barrier="lp_drain"),
    ),
    CodeCase(
        source.stored_address_has_a_barrier,
        "called at once",
        "int cmp(void)\n{\n}\nint lp_a(void)\n{\n\tsort(a, n, 4, cmp, 0);\n\treturn x = cmp();\n}",
    ),
    # -- static-keys-are-not-a-modules
    CodeCase(
        source.static_keys_are_not_a_modules,
        "of a module, perhaps",
        _body("if (static_branch_unlikely(&key))", "\tstatic_call(f)(1);"),
        [3, 4],
    ),
    CodeCase(
        source.static_keys_are_not_a_modules,
        "vmlinux alone",
        _body("if (static_branch_unlikely(&key))"),
        changes=objects("vmlinux"),
    ),
    # -- this-module-is-the-patch
    CodeCase(source.this_module_is_the_patch, "of a module", _body("get(THIS_MODULE);"), [3]),
    CodeCase(
        source.this_module_is_the_patch,
        "of vmlinux",
        _body("get(THIS_MODULE);"),
        changes=objects("vmlinux"),
    ),
    # -- transform-is-called
    # -- transform-is-left-to-the-glue
    # -- constructor-does-not-sleep, forward-does-not-reclaim, reverse-needs-no-memory
    # -- stop-waits-for-nothing
    # -- shadow-variable-may-be-missing
    # -- new-data-is-made-by-forward
    # -- converted-type-is-forgotten, free-forgets-first
)
