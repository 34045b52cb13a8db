/* SPDX-License-Identifier: GPL-2.0-only */
/* Made by lppack for lppack_ledger_1: where the symbols of modules are. */
#ifndef LP_SLOTS_H
#define LP_SLOTS_H

#include "lppack_engine.h"

extern const struct lpe_symbol lp_symbols[];

struct klp_object;

/* ledger: NULL while it is not loaded. */
extern void *lp_slot_lp_the_ledger;

void lp_slots_fill_ledger(void);
void lp_slots_clear_ledger(void);
void lp_slots_done_ledger(struct klp_object *obj);

#endif
