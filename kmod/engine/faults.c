// SPDX-License-Identifier: GPL-2.0-only
/* lppack_engine: steps that tests can leave out or delay; compiled with LPE_TEST alone. */
#include <linux/atomic.h>
#include <linux/module.h>
#include <linux/timekeeping.h>

#include "faults.h"

unsigned int lpe_fault;
module_param_named(fault, lpe_fault, uint, 0644);
MODULE_PARM_DESC(fault, "which step is left out: enum lpe_fault");

unsigned int lpe_point;
module_param_named(point, lpe_point, uint, 0644);
MODULE_PARM_DESC(point, "where threads are delayed: enum lpe_point");

static unsigned int lpe_dwell_us = 3000;
module_param_named(dwell_us, lpe_dwell_us, uint, 0644);
MODULE_PARM_DESC(dwell_us, "how long a thread is delayed");

static unsigned long lpe_dwelt;
module_param_named(dwelt, lpe_dwelt, ulong, 0444);
MODULE_PARM_DESC(dwelt, "how often a thread was delayed");

static unsigned int lpe_dwelling;

/*
 * Delay one thread at a time, because otherwise no thread would make progress. It spins, so that it
 * can be called anywhere, and can be preempted where its caller can be. Nothing in it can be
 * traced.
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
