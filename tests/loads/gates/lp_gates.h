/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LP_GATES_H
#define LP_GATES_H

struct gates_thread;

void lp_gates_f(struct gates_thread *t);
void lp_gates_g(struct gates_thread *t);

#endif
