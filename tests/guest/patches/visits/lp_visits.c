// SPDX-License-Identifier: GPL-2.0-only
#include <linux/delay.h>

#include "lppack.h"

void lp_visits_wait(unsigned int us);

void lp_visits_wait(unsigned int us)
{
	usleep_range(us, us + 50);
}
