/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Made by lppack for lppack_ledger_1, and included first in the author's files.
 *
 * Symbols of vmlinux are weak, because modpost accepts an undefined symbol only if it is weak. A
 * variable of a module is used through its slot, which points to it: the macro turns the
 * declaration of the variable into that of the slot. A function of a module is a stub of that name,
 * in lp_slots.c.
 */
#ifndef LP_MARKS_H
#define LP_MARKS_H

/* ledger: ledger,0 */
#define lp_the_ledger (*lp_slot_lp_the_ledger)

#endif
