// SPDX-License-Identifier: GPL-2.0-only
/* Reads both forms, and converts what it touches once it may. */
#include "target/victim.h"
#include "lp_victim.h"
#include "lppack.h"

bool lp_cell_is_new(const struct victim_cell *c)
{
	return c->word & VICTIM_NEW;
}

void lp_cell_lock(struct victim_cell *c)
	__acquires(&c->lock)
{
	spin_lock(&c->lock);
}

void lp_cell_unlock(struct victim_cell *c)
	__releases(&c->lock)
{
	spin_unlock(&c->lock);
}

int lp_cell_upgrade(struct victim_cell *c)
{
	c->word |= VICTIM_NEW;
	return 0;
}

void lp_cell_downgrade(struct victim_cell *c)
{
	c->word &= ~VICTIM_NEW;
}

void lp_victim_inner(struct victim_visit *v)
{
	v->ops->seen(v, VICTIM_NEW_CODE);
	lp_convert_cell(v->cell);
	lp_cell_lock(v->cell);
	v->cell->word++;
	lp_cell_unlock(v->cell);
}
