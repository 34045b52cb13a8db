// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bounds the half-open requests of a connection.
 *
 * The original form of conn.word is the number of requests. Version 1 made it CONN_LIMITED, the
 * limit, and the number, and kept a struct conn_ext_v1 beside it; the new form has CONN_COUNTED as
 * well, and a struct conn_ext. Every function tells the three forms by these bits, under the lock
 * of the connection, and never by a flag. Until conversion is on, nothing is made new.
 */
#include <linux/bitfield.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "lppack.h"

#define CONN_LIMITED	BIT(31)
#define CONN_COUNTED	BIT(30)
#define CONN_LIMIT	GENMASK(29, 16)
#define CONN_COUNT	GENMASK(15, 0)
#define CONN_LIMIT_OF_NEW	8

bool lp_conn_is_new(const struct conn *c)
{
	return c->word & CONN_COUNTED;
}

static bool is_limited(const struct conn *c)
{
	return c->word & CONN_LIMITED;
}

void lp_conn_lock(struct conn *c)
{
	mutex_lock(&c->lock);
}

void lp_conn_unlock(struct conn *c)
{
	mutex_unlock(&c->lock);
}

int lp_conn_upgrade(struct conn *c)
{
	struct conn_ext_v1 *before = conn_ext_v1_get(c);
	struct conn_ext *ext;

	if (!is_limited(c) && c->word > FIELD_MAX(CONN_COUNT))
		return -ERANGE;
	ext = conn_ext_get_or_alloc(c);
	if (!ext)
		return -ENOMEM;
	if (before)
		ext->refused = before->refused;
	if (!is_limited(c))
		c->word |= CONN_LIMITED | FIELD_PREP(CONN_LIMIT, CONN_LIMIT_OF_NEW);
	c->word |= CONN_COUNTED;
	return 0;
}

void lp_conn_downgrade(struct conn *c)
{
	if (is_limited(c))
		c->word = FIELD_GET(CONN_COUNT, c->word);
}

static unsigned long refused(struct conn *c)
{
	return lp_conn_is_new(c) ? conn_ext_get(c)->refused : conn_ext_v1_get(c)->refused;
}

/*
 * conn_new() need not be replaced: a connection is born in the old form, and is converted, and
 * tracked, at its first use.
 */

void lp_conn_free(struct conn *c)
{
	lp_forget_conn(c);
	kfree(c);
}

int lp_conn_syn(struct conn *c)
{
	int err = 0;

	lp_convert_conn(c);
	mutex_lock(&c->lock);
	if (!is_limited(c) ||
	    FIELD_GET(CONN_COUNT, c->word) < FIELD_GET(CONN_LIMIT, c->word)) {
		c->word++;
		if (lp_conn_is_new(c))
			conn_ext_get(c)->let_in++;
	} else {
		if (lp_conn_is_new(c))
			conn_ext_get(c)->refused++;
		else
			conn_ext_v1_get(c)->refused++;
		err = -EBUSY;
	}
	mutex_unlock(&c->lock);
	return err;
}

int lp_conn_ack(struct conn *c)
{
	int err = 0;

	lp_convert_conn(c);
	mutex_lock(&c->lock);
	if (is_limited(c) ? FIELD_GET(CONN_COUNT, c->word) : c->word)
		c->word--;
	else
		err = -ENOENT;
	mutex_unlock(&c->lock);
	return err;
}

int lp_conn_wait(struct conn *c)
{
	u32 turn = READ_ONCE(c->turn);

	lp_convert_conn(c);
	return wait_event_killable(c->sleepers, READ_ONCE(c->turn) != turn);
}

int lp_conn_limit_show(struct seq_file *m, void *v)
{
	struct conn_table *table = m->private;
	bool limited = false;
	struct conn *c;

	mutex_lock(&table->lock);
	list_for_each_entry(c, &table->conns, list) {
		lp_convert_conn(c);
		mutex_lock(&c->lock);
		if (is_limited(c)) {
			limited = true;
			seq_printf(m, "%s limit %lu ", c->name,
				   FIELD_GET(CONN_LIMIT, (unsigned long)c->word));
			if (lp_conn_is_new(c))
				seq_printf(m, "let in %lu ", conn_ext_get(c)->let_in);
			seq_printf(m, "refused %lu\n", refused(c));
		}
		mutex_unlock(&c->lock);
	}
	mutex_unlock(&table->lock);
	if (!limited)
		seq_puts(m, "off\n");
	return 0;
}
