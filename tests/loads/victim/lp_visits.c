// SPDX-License-Identifier: GPL-2.0-only
/* Writes the new form at once: only a mode that lets no old code run beside it can bear that. */
#include "target/victim.h"
#include "lp_victim.h"
#include "lppack.h"

void lp_victim_inner(struct victim_visit *v)
{
	v->ops->seen(v, VICTIM_NEW_CODE);
	spin_lock(&v->cell->lock);
	v->cell->word |= VICTIM_NEW;
	v->cell->word++;
	spin_unlock(&v->cell->lock);
}
