# SPDX-License-Identifier: MIT
from lppack.rules import conversion
from tests.unit.rules.cases import CodeCase, transform, world
from tests.unit.rules.source_cases import FORGETS_NOT, INIT, _body, _changed, _line

CASES = (
    CodeCase(conversion.transform_is_called, "never", _changed("lp_convert_conn(c)", ";"), [0]),
    CodeCase(
        conversion.transform_is_called, "in a macro", "#define C(c) lp_convert_conn(c)\nint x;\n"
    ),
    CodeCase(
        conversion.transform_is_left_to_the_glue,
        "called by the author",
        _body("lp_conn_upgrade(c);", "lp_conn_downgrade(c);", "lp_conn_ext_init(c, e);"),
        [3, 4, 5],
    ),
    CodeCase(
        conversion.constructor_does_not_sleep,
        "it does",
        _body("mutex_lock(&c->lock);", "e->p = kmalloc(8, GFP_KERNEL);", head=INIT),
        [3, 4],
    ),
    CodeCase(
        conversion.constructor_does_not_sleep, "another function does", _body("mutex_lock(&l);")
    ),
    CodeCase(
        conversion.forward_does_not_reclaim,
        "it does",
        _body("c->p = kmalloc(8, GFP_KERNEL);", head="int lp_conn_upgrade(struct conn *c)"),
        [3],
    ),
    CodeCase(
        conversion.reverse_needs_no_memory,
        "it does",
        _body("c->p = kmalloc(8, GFP_ATOMIC);", head="void lp_conn_downgrade(struct conn *c)"),
        [3],
    ),
    CodeCase(
        conversion.stop_waits_for_nothing,
        "it does",
        _body("c->p = kmalloc(8, GFP_ATOMIC);", head="int lp_conn_upgrade(struct conn *c)")
        + _body("mutex_lock(&l);", head="int lp_conn_each(int (*visit)(struct conn *, void *))"),
        [3, 7],
        changes=world(),
    ),
    CodeCase(
        conversion.stop_waits_for_nothing,
        "prepare may",
        _body("c->p = kmalloc(8, GFP_KERNEL);", head="int lp_conn_prepare(void)"),
        changes=world(prepare="lp_conn_prepare"),
    ),
    CodeCase(
        conversion.stop_waits_for_nothing,
        "on access there is no stop",
        _body("c->p = kmalloc(8, GFP_NOWAIT);", head="int lp_conn_upgrade(struct conn *c)"),
    ),
    CodeCase(conversion.transform_is_called, "never, and all at once", "int x;", changes=world()),
    CodeCase(
        conversion.shadow_variable_may_be_missing,
        "used at once",
        _body("conn_ext_get(c)->limit++;"),
        [3],
    ),
    CodeCase(
        conversion.shadow_variable_may_be_missing,
        "never looked at",
        _body("struct conn_ext *e = conn_ext_get(c);", "e->limit++;"),
        [3],
    ),
    CodeCase(
        conversion.shadow_variable_may_be_missing,
        "looked at",
        _body("struct conn_ext *e = conn_ext_get(c);", "if (e)", "\te->limit++;"),
    ),
    CodeCase(
        conversion.shadow_variable_may_be_missing,
        "refused",
        _body("e = conn_ext_get(c);", "if (!e)", "\treturn 0;", "e->limit++;"),
    ),
    CodeCase(
        conversion.new_data_is_made_by_forward,
        "by a replacement",
        _body("conn_ext_get_or_alloc(c);"),
        [3],
    ),
    CodeCase(
        conversion.new_data_is_made_by_forward,
        "by what forward calls",
        "static void *make(struct conn *c)\n{\n\treturn conn_ext_get_or_alloc(c);\n}\n"
        "int lp_conn_upgrade(struct conn *c)\n{\n\treturn make(c) ? 0 : -ENOMEM;\n}\n",
    ),
    CodeCase(conversion.converted_type_is_forgotten, "never", FORGETS_NOT, [0]),
    CodeCase(
        conversion.free_forgets_first,
        "it does not",
        FORGETS_NOT,
        [_line("\tkfree(c)", FORGETS_NOT)],
    ),
    CodeCase(
        conversion.free_forgets_first,
        "of another type",
        _body("struct other *o = c->other;", "kfree(o);"),
    ),
    CodeCase(
        conversion.free_forgets_first,
        "a type of one word",
        _body("conn_t *c = v;", "kfree(c);", head="void lp_free(void *v)"),
        [4],
        changes=transform(type="conn_t"),
    ),
)
