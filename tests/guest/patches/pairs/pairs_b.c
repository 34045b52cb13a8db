// SPDX-License-Identifier: GPL-2.0-only
/* Another transform of the same. */
#include "lppack.h"

bool lp_b_is_new(const struct pair *p)
{
	return p->form_b;
}

int lp_b_upgrade(struct pair *p)
{
	p->form_b = true;
	return 0;
}

void lp_b_downgrade(struct pair *p)
{
	p->form_b = false;
}

void lp_b_lock(struct pair *p)
{
	mutex_lock(&p->lock);
}

void lp_b_unlock(struct pair *p)
{
	mutex_unlock(&p->lock);
}

void lp_pairs_b(struct pair *p)
{
	lp_convert_b(p);
	lp_forget_b(p);
}
