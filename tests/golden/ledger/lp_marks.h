/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Made by lppack for lppack_ledger_1, and included first in the author's files.
 *
 * Symbols of vmlinux are weak: modpost passes over undefined weak symbols, and over nothing else.
 * A variable of a module is where its slot points to: its declaration becomes that of the slot.
 * A function of a module is a stub of that name, in lp_slots.c.
 */
#ifndef LP_MARKS_H
#define LP_MARKS_H

/* ledger: ledger,0 */
#define lp_the_ledger (*lp_slot_lp_the_ledger)

#endif
