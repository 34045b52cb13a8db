// SPDX-License-Identifier: GPL-2.0-only
/*
 * Made by lppack for lppack_ledger_1: the author's transforms, in the form in
 * which lppack_engine calls them: it does not know the types, so it passes void pointers.
 */
#include <linux/kernel.h>
#include <linux/types.h>

#include "lp_runtime.h"
#include "lp_world.h"
#include "lppack.h"

static int lp_world_visit_account(struct account *obj, void *data)
{
	struct lpe_visitor *visitor = data;

	return visitor->visit(visitor, obj);
}

static int lp_world_each_account(struct lpe_visitor *visitor)
{
	return lp_account_each(lp_world_visit_account, visitor);
}

static bool lp_world_is_new_account(const void *obj)
{
	return lp_account_is_new(obj);
}

static int lp_world_check_account(const void *obj)
{
	return lp_account_check(obj);
}

static int lp_world_forward_account(void *obj)
{
	return lp_account_upgrade(obj);
}

static void lp_world_reverse_account(void *obj)
{
	lp_account_downgrade(obj);
}

struct lpe_transform lp_world[] = {
	{
		.name = "account",
		.object = "ledger",
		.max_stop_ms = 2000,
		.prepare = lp_account_prepare,
		.finish = lp_account_finish,
		.for_each = lp_world_each_account,
		.is_new = lp_world_is_new_account,
		.check = lp_world_check_account,
		.forward = lp_world_forward_account,
		.reverse = lp_world_reverse_account,
	},
};

unsigned long lp_world_count(void)
{
	unsigned long count = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lp_world); i++)
		count += READ_ONCE(lp_world[i].converted);
	return count;
}
