/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LP_CAUGHT_H
#define LP_CAUGHT_H

#include "target/caught.h"

bool lp_caught_inner(struct caught *caught);
bool lp_caught_outer(struct caught *caught);

#endif
