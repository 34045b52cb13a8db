// SPDX-License-Identifier: GPL-2.0-only
#include <linux/seq_file.h>

#include "target/nap.h"

int lp_nap_show(struct seq_file *m, void *v);

int lp_nap_show(struct seq_file *m, void *v)
{
	return nap_sleep(m->private, 1);
}
