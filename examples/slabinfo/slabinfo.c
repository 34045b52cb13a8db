// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shows how each cache was made, where /proc/slabinfo shows how full it is. Which flags of a cache
 * count is in mm/slab.h, which only the kernel's own sources have.
 */
#include <linux/mm.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "lppack.h"
#include "mm/slab.h"

int lp_slab_show(struct seq_file *m, void *p);

/* Takes the place of slab_show() in mm/slab_common.c; slab_mutex is held. */
int lp_slab_show(struct seq_file *m, void *p)
{
	struct kmem_cache *s = list_entry(p, struct kmem_cache, list);
	slab_flags_t flags = s->flags & SLAB_CACHE_FLAGS;

	seq_printf(m, "%s %u bytes, reclaim %d account %d\n", s->name, s->object_size,
		   !!(flags & SLAB_RECLAIM_ACCOUNT), !!(flags & SLAB_ACCOUNT));
	return 0;
}
