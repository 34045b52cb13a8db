// SPDX-License-Identifier: GPL-2.0-only
/* lppack_engine: what tests can spoil and slow down; compiled with LPE_TEST alone. */
#include <linux/atomic.h>
#include <linux/module.h>
#include <linux/timekeeping.h>

#include "faults.h"

unsigned int lpe_fault;
module_param_named(fault, lpe_fault, uint, 0644);
MODULE_PARM_DESC(fault, "which step is left out: enum lpe_fault");

unsigned int lpe_point;
module_param_named(point, lpe_point, uint, 0644);
MODULE_PARM_DESC(point, "where somebody dwells: enum lpe_point");

static unsigned int lpe_dwell_us = 3000;
module_param_named(dwell_us, lpe_dwell_us, uint, 0644);
MODULE_PARM_DESC(dwell_us, "for so long");

static unsigned long lpe_dwelt;
module_param_named(dwelt, lpe_dwelt, ulong, 0444);
MODULE_PARM_DESC(dwelt, "how often somebody did");

static unsigned int lpe_dwelling;

/*
 * One at a time, or nobody would get anywhere. It spins, so that it may be called anywhere, and is
 * switched out where that place can be. Nothing of it can be traced.
 */
void notrace lpe_dwell(void)
{
	u64 end;

	if (xchg(&lpe_dwelling, 1))
		return;
	lpe_dwelt++;
	end = ktime_get_mono_fast_ns() + READ_ONCE(lpe_dwell_us) * 1000ULL;
	while (ktime_get_mono_fast_ns() < end)
		cpu_relax();
	WRITE_ONCE(lpe_dwelling, 0);
}
