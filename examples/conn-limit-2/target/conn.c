// SPDX-License-Identifier: GPL-2.0-only
/*
 * The target of the example: a table of connections that knows nothing of any patch.
 *
 * /proc/conn lists each connection with its raw word, and takes commands: "open NAME", "close
 * NAME", "syn NAME", "ack NAME", "reset NAME", "wait NAME" (sleeps until "wake NAME").
 * /proc/conn_limit says what limit there is: none.
 */
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "conn.h"

static struct conn_table conn_table = {
	.lock = __MUTEX_INITIALIZER(conn_table.lock),
	.conns = LIST_HEAD_INIT(conn_table.conns),
};

noinline struct conn *conn_new(const char *name)
{
	struct conn *c = kzalloc(sizeof(*c), GFP_KERNEL);

	if (!c)
		return NULL;
	refcount_set(&c->users, 1);
	mutex_init(&c->lock);
	init_waitqueue_head(&c->sleepers);
	strscpy(c->name, name, sizeof(c->name));
	return c;
}

/* The last user has gone: nobody else can reach it. */
noinline void conn_free(struct conn *c)
{
	kfree(c);
}

noinline int conn_syn(struct conn *c)
{
	mutex_lock(&c->lock);
	c->word++;
	mutex_unlock(&c->lock);
	return 0;
}

noinline int conn_ack(struct conn *c)
{
	int err = 0;

	mutex_lock(&c->lock);
	if (c->word)
		c->word--;
	else
		err = -ENOENT;
	mutex_unlock(&c->lock);
	return err;
}

noinline int conn_wait(struct conn *c)
{
	u32 turn = READ_ONCE(c->turn);

	return wait_event_killable(c->sleepers, READ_ONCE(c->turn) != turn);
}

noinline int conn_limit_show(struct seq_file *m, void *v)
{
	seq_puts(m, "off\n");
	return 0;
}

static void conn_put(struct conn *c)
{
	if (refcount_dec_and_test(&c->users))
		conn_free(c);
}

/* With a reference that the caller puts. */
static struct conn *conn_find(const char *name)
{
	struct conn *c, *found = NULL;

	mutex_lock(&conn_table.lock);
	list_for_each_entry(c, &conn_table.conns, list) {
		if (!strcmp(c->name, name)) {
			refcount_inc(&c->users);
			found = c;
			break;
		}
	}
	mutex_unlock(&conn_table.lock);
	return found;
}

static int conn_open(const char *name)
{
	struct conn *c = conn_new(name);

	if (!c)
		return -ENOMEM;
	mutex_lock(&conn_table.lock);
	list_add_tail(&c->list, &conn_table.conns);
	mutex_unlock(&conn_table.lock);
	return 0;
}

static void conn_close(struct conn *c)
{
	bool linked;

	mutex_lock(&conn_table.lock);
	linked = !list_empty(&c->list);
	list_del_init(&c->list);
	mutex_unlock(&conn_table.lock);
	if (linked)
		conn_put(c);
}

static int conn_command(const char *verb, const char *name)
{
	struct conn *c;
	int err = 0;

	if (!strcmp(verb, "open"))
		return conn_open(name);
	c = conn_find(name);
	if (!c)
		return -ENOENT;
	if (!strcmp(verb, "close")) {
		conn_close(c);
	} else if (!strcmp(verb, "syn")) {
		err = conn_syn(c);
	} else if (!strcmp(verb, "ack")) {
		err = conn_ack(c);
	} else if (!strcmp(verb, "reset")) {
		while (!conn_ack(c))
			;
	} else if (!strcmp(verb, "wait")) {
		err = conn_wait(c);
	} else if (!strcmp(verb, "wake")) {
		WRITE_ONCE(c->turn, c->turn + 1);
		wake_up_all(&c->sleepers);
	} else {
		err = -EINVAL;
	}
	conn_put(c);
	return err;
}

static ssize_t conn_write(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	char line[32], verb[16], name[CONN_NAME_LEN];
	int err;

	if (len >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, buf, len))
		return -EFAULT;
	line[len] = '\0';
	if (sscanf(line, "%15s %15s", verb, name) != 2)
		return -EINVAL;
	err = conn_command(verb, name);
	return err ? err : len;
}

static int conn_show(struct seq_file *m, void *v)
{
	struct conn *c;

	mutex_lock(&conn_table.lock);
	list_for_each_entry(c, &conn_table.conns, list)
		seq_printf(m, "%s 0x%08x\n", c->name, READ_ONCE(c->word));
	mutex_unlock(&conn_table.lock);
	return 0;
}

static int conn_open_list(struct inode *inode, struct file *file)
{
	return single_open(file, conn_show, NULL);
}

static int conn_open_limit(struct inode *inode, struct file *file)
{
	return single_open(file, conn_limit_show, &conn_table);
}

static const struct proc_ops conn_ops = {
	.proc_open = conn_open_list,
	.proc_read = seq_read,
	.proc_write = conn_write,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
};

static const struct proc_ops conn_limit_ops = {
	.proc_open = conn_open_limit,
	.proc_read = seq_read,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
};

static void conn_close_all(void)
{
	struct conn *c, *next;

	list_for_each_entry_safe(c, next, &conn_table.conns, list)
		conn_close(c);
}

static int __init conn_init(void)
{
	int err = conn_open("web") ?: conn_open("mail");

	if (err)
		goto out;
	err = -ENOMEM;
	if (!proc_create("conn", 0600, NULL, &conn_ops))
		goto out;
	if (!proc_create("conn_limit", 0400, NULL, &conn_limit_ops))
		goto out_proc;
	return 0;

out_proc:
	remove_proc_entry("conn", NULL);
out:
	conn_close_all();
	return err;
}

static void __exit conn_exit(void)
{
	remove_proc_entry("conn_limit", NULL);
	remove_proc_entry("conn", NULL);
	conn_close_all();
}

module_init(conn_init);
module_exit(conn_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A table of connections, the target of lppack's example conn-limit");
