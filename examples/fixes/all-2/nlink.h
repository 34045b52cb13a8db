/* SPDX-License-Identifier: GPL-2.0-only */
/* What the kernel has, and no header declares. */
#include <linux/spinlock.h>

struct proc_dir_entry;

/* fs/proc/generic.c: static. */
extern rwlock_t proc_subdir_lock;

struct proc_dir_entry *lp_proc_register(struct proc_dir_entry *dir, struct proc_dir_entry *dp);
void lp_remove_proc_entry(const char *name, struct proc_dir_entry *parent);
int lp_remove_proc_subtree(const char *name, struct proc_dir_entry *parent);
