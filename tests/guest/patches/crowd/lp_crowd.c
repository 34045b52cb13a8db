// SPDX-License-Identifier: GPL-2.0-only
/* The new form of a member's word has MEMBER_NEW, and a struct member_ext beside it. */
#include <linux/bug.h>
#include <linux/errno.h>
#include <linux/mutex.h>

#include "lppack.h"

bool lp_member_is_new(const struct member *m)
{
	return m->word & MEMBER_NEW;
}

void lp_member_lock(struct member *m)
{
	mutex_lock(&m->lock);
}

void lp_member_unlock(struct member *m)
{
	mutex_unlock(&m->lock);
}

int lp_member_ext_init(struct member *m, struct member_ext *ext)
{
	ext->magic = MEMBER_EXT_MAGIC;
	return 0;
}

int lp_member_upgrade(struct member *m)
{
	if (m->stubborn)
		return -EBUSY;
	if (!member_ext_get_or_alloc(m))
		return -ENOMEM;
	atomic_long_inc(&m->counts->converted);
	if (!m->word)
		atomic_long_inc(&m->counts->born_new);
	m->word |= MEMBER_NEW;
	return 0;
}

void lp_member_downgrade(struct member *m)
{
	WARN_ON(m->alive != MEMBER_ALIVE);
	atomic_long_inc(&m->counts->reversed);
	m->word &= ~MEMBER_NEW;
}

void lp_member_use(struct member *m)
{
	struct member_ext *ext;

	lp_convert_member(m);
	lp_test_point("member-use");
	mutex_lock(&m->lock);
	if (lp_member_is_new(m)) {
		ext = member_ext_get(m);
		WARN_ON(!ext || ext->magic != MEMBER_EXT_MAGIC);
		if (ext)
			ext->uses++;
	}
	m->word++;
	mutex_unlock(&m->lock);
}

void lp_member_gone(struct member *m)
{
	lp_forget_member(m);
	if (lp_member_is_new(m))
		atomic_long_inc(&m->counts->freed_new);
}
