// SPDX-License-Identifier: GPL-2.0-only
#include <linux/list.h>
#include <linux/seq_file.h>
#include <linux/vmalloc.h>

#include "lppack.h"

int lp_s_show(struct seq_file *m, void *p);

/* Takes the place of s_show() in mm/vmalloc.c; vmap_area_lock is held. */
int lp_s_show(struct seq_file *m, void *p)
{
	struct vmap_area *va = list_entry(p, struct vmap_area, list);

	seq_printf(m, "%lu bytes\n", va->va_end - va->va_start);
	return 0;
}
