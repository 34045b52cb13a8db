/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lppack_engine: steps that transitions with and without a gate share. Called by the worker only,
 * or in its stops.
 */
#ifndef LPPACK_ENGINE_TRANSITION_H
#define LPPACK_ENGINE_TRANSITION_H

#include "internal.h"

#define LPE_FAKE	1000	/* ms; after this time sleepers get a fake signal */

bool lpe_turned(struct lpe_patch *patch);
bool lpe_is_over(struct lpe_patch *patch, unsigned long begin);
unsigned int lpe_step(struct lpe_patch *patch, unsigned long begin);
bool lpe_is_due(struct lpe_patch *patch, unsigned long begin, unsigned int ms);
bool lpe_wakes(struct lpe_patch *patch, unsigned long begin);
int lpe_flip(void *patch);
int lpe_try(struct lpe_patch *patch);

/* gate.c */
int lpe_gates(struct lpe_patch *patch);

#endif
