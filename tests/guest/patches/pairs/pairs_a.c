// SPDX-License-Identifier: GPL-2.0-only
/* A patch with data, of which there never is any: what matters is what may follow what. */
#include <linux/seq_file.h>

#include "lppack.h"

bool lp_a_is_new(const struct pair *p)
{
	return p->form_a;
}

void lp_a_lock(struct pair *p)
{
	mutex_lock(&p->lock);
}

void lp_a_unlock(struct pair *p)
{
	mutex_unlock(&p->lock);
}

int lp_a_upgrade(struct pair *p)
{
	p->form_a = true;
	return 0;
}

void lp_a_downgrade(struct pair *p)
{
	p->form_a = false;
}

int lp_pairs_show(struct seq_file *m, void *v)
{
	if (m->private == lp_pairs_show) {
		lp_convert_a(m->private);
		lp_forget_a(m->private);
	}
	seq_puts(m, KBUILD_MODNAME "\n");
	return 0;
}
