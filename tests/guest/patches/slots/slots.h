/* SPDX-License-Identifier: GPL-2.0-only */
#include <linux/jump_label.h>
#include <linux/percpu-defs.h>
#include <linux/static_call.h>
#include <linux/tracepoint.h>

struct klp_object;
struct seq_file;

/* What the target has, and does not tell: as in its own files. */
int dup_helper_main(int number);
int dup_helper_other(int number);
int victim_exported(int number);
extern int victim_counter;
extern struct static_key_false victim_loud;
extern int __percpu victim_count;
extern struct tracepoint __tracepoint_victim_shown;
int __traceiter_victim_shown(void *data, int number);
int victim_call(int number);
DECLARE_STATIC_CALL(victim_call, victim_call);

/* What base.ko has, which is there whenever victim is. */
int base_note(int number);
extern int base_so_far;

int lp_victim_pre(struct klp_object *obj);
int lp_cmdline_proc_show(struct seq_file *m, void *v);
int lp_victim_show(struct seq_file *m, void *v);
