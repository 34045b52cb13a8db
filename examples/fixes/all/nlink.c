// SPDX-License-Identifier: GPL-2.0-only
/*
 * The number of links of a directory in /proc counts the directories in it. proc_register() counted
 * what else is registered, too, and nobody took that back. The three functions that count are
 * upstream's new ones; the hooks bring all counts that there are to the new meaning, and back.
 */
#include <linux/livepatch.h>
#include <linux/proc_fs.h>
#include <linux/rtnetlink.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <net/net_namespace.h>

#include "fs/proc/internal.h"
#include "lppack.h"

/* ---- as in fs/proc/generic.c ---- */

static int proc_match(const char *name, struct proc_dir_entry *de, unsigned int len)
{
	if (len < de->namelen)
		return -1;
	if (len > de->namelen)
		return 1;

	return memcmp(name, de->name, len);
}

static struct proc_dir_entry *pde_subdir_first(struct proc_dir_entry *dir)
{
	return rb_entry_safe(rb_first(&dir->subdir), struct proc_dir_entry, subdir_node);
}

static struct proc_dir_entry *pde_subdir_next(struct proc_dir_entry *dir)
{
	return rb_entry_safe(rb_next(&dir->subdir_node), struct proc_dir_entry, subdir_node);
}

static struct proc_dir_entry *pde_subdir_find(struct proc_dir_entry *dir, const char *name,
					      unsigned int len)
{
	struct rb_node *node = dir->subdir.rb_node;

	while (node) {
		struct proc_dir_entry *de = rb_entry(node, struct proc_dir_entry, subdir_node);
		int result = proc_match(name, de, len);

		if (result < 0)
			node = node->rb_left;
		else if (result > 0)
			node = node->rb_right;
		else
			return de;
	}
	return NULL;
}

static bool pde_subdir_insert(struct proc_dir_entry *dir, struct proc_dir_entry *de)
{
	struct rb_root *root = &dir->subdir;
	struct rb_node **new = &root->rb_node, *parent = NULL;

	while (*new) {
		struct proc_dir_entry *this = rb_entry(*new, struct proc_dir_entry, subdir_node);
		int result = proc_match(de->name, this, de->namelen);

		parent = *new;
		if (result < 0)
			new = &(*new)->rb_left;
		else if (result > 0)
			new = &(*new)->rb_right;
		else
			return false;
	}

	rb_link_node(&de->subdir_node, parent, new);
	rb_insert_color(&de->subdir_node, root);
	if (S_ISDIR(de->mode))
		dir->nlink++;
	return true;
}

static int __xlate_proc_name(const char *name, struct proc_dir_entry **ret, const char **residual)
{
	const char *cp = name, *next;
	struct proc_dir_entry *de;

	de = *ret ?: &proc_root;
	while ((next = strchr(cp, '/')) != NULL) {
		de = pde_subdir_find(de, cp, next - cp);
		if (!de) {
			WARN(1, "name '%s'\n", name);
			return -ENOENT;
		}
		cp = next + 1;
	}
	*residual = cp;
	*ret = de;
	return 0;
}

static void pde_set_flags(struct proc_dir_entry *pde)
{
	const struct proc_ops *proc_ops = pde->proc_ops;

	if (!proc_ops)
		return;

	if (proc_ops->proc_flags & PROC_ENTRY_PERMANENT)
		pde->flags |= PROC_ENTRY_PERMANENT;
	if (proc_ops->proc_read_iter)
		pde->flags |= PROC_ENTRY_proc_read_iter;
#ifdef CONFIG_COMPAT
	if (proc_ops->proc_compat_ioctl)
		pde->flags |= PROC_ENTRY_proc_compat_ioctl;
#endif
	if (proc_ops->proc_lseek)
		pde->flags |= PROC_ENTRY_proc_lseek;
}

static void pde_erase(struct proc_dir_entry *pde, struct proc_dir_entry *parent)
{
	rb_erase(&pde->subdir_node, &parent->subdir);
	RB_CLEAR_NODE(&pde->subdir_node);
	if (S_ISDIR(pde->mode))
		parent->nlink--;
}

struct proc_dir_entry *lp_proc_register(struct proc_dir_entry *dir, struct proc_dir_entry *dp)
{
	if (proc_alloc_inum(&dp->low_ino))
		goto out_free_entry;

	if (!S_ISDIR(dp->mode))
		pde_set_flags(dp);

	write_lock(&proc_subdir_lock);
	dp->parent = dir;
	if (!pde_subdir_insert(dir, dp)) {
		WARN(1, "proc_dir_entry '%s/%s' already registered\n", dir->name, dp->name);
		write_unlock(&proc_subdir_lock);
		goto out_free_inum;
	}
	write_unlock(&proc_subdir_lock);

	return dp;
out_free_inum:
	proc_free_inum(dp->low_ino);
out_free_entry:
	pde_free(dp);
	return NULL;
}

void lp_remove_proc_entry(const char *name, struct proc_dir_entry *parent)
{
	struct proc_dir_entry *de = NULL;
	const char *fn = name;
	unsigned int len;

	write_lock(&proc_subdir_lock);
	if (__xlate_proc_name(name, &parent, &fn) != 0) {
		write_unlock(&proc_subdir_lock);
		return;
	}
	len = strlen(fn);

	de = pde_subdir_find(parent, fn, len);
	if (de) {
		if (unlikely(pde_is_permanent(de))) {
			WARN(1, "removing permanent /proc entry '%s'", de->name);
			de = NULL;
		} else {
			pde_erase(de, parent);
		}
	}
	write_unlock(&proc_subdir_lock);
	if (!de) {
		WARN(1, "name '%s'\n", name);
		return;
	}

	proc_entry_rundown(de);

	WARN(pde_subdir_first(de),
	     "%s: removing non-empty directory '%s/%s', leaking at least '%s'\n",
	     "remove_proc_entry", de->parent->name, de->name, pde_subdir_first(de)->name);
	pde_put(de);
}

int lp_remove_proc_subtree(const char *name, struct proc_dir_entry *parent)
{
	struct proc_dir_entry *root = NULL, *de, *next;
	const char *fn = name;
	unsigned int len;

	write_lock(&proc_subdir_lock);
	if (__xlate_proc_name(name, &parent, &fn) != 0) {
		write_unlock(&proc_subdir_lock);
		return -ENOENT;
	}
	len = strlen(fn);

	root = pde_subdir_find(parent, fn, len);
	if (!root) {
		write_unlock(&proc_subdir_lock);
		return -ENOENT;
	}
	if (unlikely(pde_is_permanent(root))) {
		write_unlock(&proc_subdir_lock);
		WARN(1, "removing permanent /proc entry '%s/%s'", root->parent->name, root->name);
		return -EINVAL;
	}
	pde_erase(root, parent);

	de = root;
	while (1) {
		next = pde_subdir_first(de);
		if (next) {
			if (unlikely(pde_is_permanent(next))) {
				write_unlock(&proc_subdir_lock);
				WARN(1, "removing permanent /proc entry '%s/%s'",
				     next->parent->name, next->name);
				return -EINVAL;
			}
			pde_erase(next, de);
			de = next;
			continue;
		}
		next = de->parent;
		write_unlock(&proc_subdir_lock);

		proc_entry_rundown(de);
		if (de == root)
			break;
		pde_put(de);

		write_lock(&proc_subdir_lock);
		de = next;
	}
	pde_put(root);
	return 0;
}

/* ---- the counts that there are ---- */

/* The entry after de, from the top down; NULL after the last one below top. */
static struct proc_dir_entry *lp_next(struct proc_dir_entry *de, struct proc_dir_entry *top)
{
	struct proc_dir_entry *next = pde_subdir_first(de);

	while (!next && de != top) {
		next = pde_subdir_next(de);
		de = de->parent;
	}
	return next;
}

/* The new meaning, or the old: all that is in the directory now. */
static void lp_count(struct proc_dir_entry *dir, bool old)
{
	struct proc_dir_entry *de;
	nlink_t nlink = 2;

	for (de = pde_subdir_first(dir); de; de = pde_subdir_next(de))
		nlink += old || S_ISDIR(de->mode);
	WRITE_ONCE(dir->nlink, nlink);
}

static void lp_count_below(struct proc_dir_entry *top, bool old)
{
	struct proc_dir_entry *de;

	write_lock(&proc_subdir_lock);
	for (de = top; de; de = lp_next(de, top)) {
		/* That of a namespace has no mode; those of sysctls are not counted. */
		if ((de == top || S_ISDIR(de->mode)) && de->nlink)
			lp_count(de, old);
	}
	write_unlock(&proc_subdir_lock);
}

/*
 * Every thread runs the new functions, so each count is what it was when the last of them left it:
 * no directory is out of the tree and still to be subtracted, which remove_proc_subtree() did late.
 */
static void lp_count_all(bool old)
{
	struct net *net;

	lp_count_below(&proc_root, old);
	/*
	 * A namespace has a directory that is in no other. It is on the list save while it is set
	 * up or cleaned up; who does that holds this for reading.
	 */
	down_write(&pernet_ops_rwsem);
	for_each_net(net) {
		lp_count_below(net->proc_net, old);
		cond_resched();
	}
	up_write(&pernet_ops_rwsem);
}

void lp_nlink_post_patch(struct klp_object *obj)
{
	lp_count_all(false);
}

void lp_nlink_pre_unpatch(struct klp_object *obj)
{
	lp_count_all(true);
}
