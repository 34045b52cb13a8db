/* SPDX-License-Identifier: GPL-2.0-only */
/* Made by lppack for lppack_ledger_1: the transforms that the engine gets. */
#ifndef LP_WORLD_H
#define LP_WORLD_H

#include "lppack_engine.h"

extern struct lpe_transform lp_world[];

#endif
