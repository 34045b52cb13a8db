/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Made by lppack for lppack_ledger_1: the replacements and hooks. Only the
 * addresses of replacements are used here; their real types are in the author's files.
 */
#ifndef LP_FUNCTIONS_H
#define LP_FUNCTIONS_H

struct klp_object;
struct module;

void lp_ledger_open(void);
void lp_ledger_set(void);
void lp_ledger_move(void);
void lp_ledger_audit(void);
void lp_ledger_show(void);
struct module *lp_module_ledger(void);

#endif
