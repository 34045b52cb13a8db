// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bounds the half-open requests of a connection.
 *
 * Old form of conn.word: the number of requests. New form: CONN_NEW, the limit, and the number.
 * Every function tells the form by CONN_NEW, under the lock of the connection, and never by a
 * flag.
 */
#include <linux/bitfield.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "lppack.h"

#define CONN_NEW	BIT(31)
#define CONN_LIMIT	GENMASK(30, 16)
#define CONN_COUNT	GENMASK(15, 0)
#define CONN_LIMIT_OF_NEW	8

bool lp_conn_is_new(const struct conn *c)
{
	return c->word & CONN_NEW;
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
	if (c->word > FIELD_MAX(CONN_COUNT))
		return -ERANGE;
	if (!conn_ext_get_or_alloc(c))
		return -ENOMEM;
	c->word |= CONN_NEW | FIELD_PREP(CONN_LIMIT, CONN_LIMIT_OF_NEW);
	return 0;
}

void lp_conn_downgrade(struct conn *c)
{
	c->word = FIELD_GET(CONN_COUNT, c->word);
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
	if (!lp_conn_is_new(c)) {
		c->word++;
	} else if (FIELD_GET(CONN_COUNT, c->word) < FIELD_GET(CONN_LIMIT, c->word)) {
		c->word++;
	} else {
		conn_ext_get(c)->refused++;
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
	if (lp_conn_is_new(c) ? FIELD_GET(CONN_COUNT, c->word) : c->word)
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
		if (lp_conn_is_new(c)) {
			limited = true;
			seq_printf(m, "%s limit %lu refused %lu\n", c->name,
				   FIELD_GET(CONN_LIMIT, (unsigned long)c->word),
				   conn_ext_get(c)->refused);
		}
		mutex_unlock(&c->lock);
	}
	mutex_unlock(&table->lock);
	if (!limited)
		seq_puts(m, "off\n");
	return 0;
}
