/* SPDX-License-Identifier: GPL-2.0-only */
/* The hooks of the single fixes that lp_all_*() call; the others are hooks of this patch itself. */
struct klp_object;

void lp_nlink_post_patch(struct klp_object *obj);
void lp_nlink_pre_unpatch(struct klp_object *obj);
void lp_reordering_post_patch(struct klp_object *obj);
void lp_reordering_pre_unpatch(struct klp_object *obj);
