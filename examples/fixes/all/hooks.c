// SPDX-License-Identifier: GPL-2.0-only
/*
 * An object has one hook for each step; two of the fixes have one for these. They change nothing in
 * common, so that their order does not matter.
 */
#include <linux/livepatch.h>

#include "lppack.h"

void lp_all_post_patch(struct klp_object *obj)
{
	lp_nlink_post_patch(obj);
	lp_reordering_post_patch(obj);
}

void lp_all_pre_unpatch(struct klp_object *obj)
{
	lp_reordering_pre_unpatch(obj);
	lp_nlink_pre_unpatch(obj);
}
