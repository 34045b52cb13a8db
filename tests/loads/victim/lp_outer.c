// SPDX-License-Identifier: GPL-2.0-only
/* What both patches of the victim share. */
#include <linux/seq_file.h>

#include "target/victim.h"
#include "lp_victim.h"
#include "lppack.h"

void lp_victim_outer(struct victim_visit *v)
{
	v->ops->enter(v, VICTIM_NEW_CODE);
	v->ops->inner(v);
	v->ops->sleep(v);
	v->ops->inner(v);
	v->ops->leave(v, VICTIM_NEW_CODE);
}

int lp_cmdline_proc_show(struct seq_file *m, void *v)
{
	seq_puts(m, "new\n");
	return 0;
}
