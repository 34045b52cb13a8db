// SPDX-License-Identifier: GPL-2.0-only
/* Reads both forms, and converts what it uses once it may. */
#include "target/gates.h"
#include "lp_gates.h"
#include "lppack.h"

bool lp_cell_is_new(const struct gates_cell *c)
{
	return c->word & GATES_NEW;
}

void lp_cell_lock(struct gates_cell *c)
	__acquires(&c->lock)
{
	spin_lock(&c->lock);
}

void lp_cell_unlock(struct gates_cell *c)
	__releases(&c->lock)
{
	spin_unlock(&c->lock);
}

int lp_cell_upgrade(struct gates_cell *c)
{
	c->word |= GATES_NEW;
	return 0;
}

void lp_cell_downgrade(struct gates_cell *c)
{
	c->word &= ~GATES_NEW;
}

static void lp_use(struct gates_thread *t, struct gates_cell *cell)
{
	lp_convert_cell(cell);
	lp_cell_lock(cell);
	cell->word++;
	t->ops->used(t);
	lp_cell_unlock(cell);
}

void lp_gates_f(struct gates_thread *t)
{
	struct gates_cell *cell;

	t->ops->enter(t, 'f', GATES_NEW_CODE);
	while ((cell = t->ops->next(t)))
		lp_use(t, cell);
	t->ops->leave(t, 'f', GATES_NEW_CODE);
}

void lp_gates_g(struct gates_thread *t)
{
	struct gates_cell *cell;

	t->ops->enter(t, 'g', GATES_NEW_CODE);
	while ((cell = t->ops->next(t)))
		lp_use(t, cell);
	t->ops->leave(t, 'g', GATES_NEW_CODE);
}
