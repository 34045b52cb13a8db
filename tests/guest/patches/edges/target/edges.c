// SPDX-License-Identifier: GPL-2.0-only
/*
 * For tests. Reading /proc/edges sends an NMI to the other CPUs, whose handler calls a function;
 * and it calls another one, which calls itself.
 */
#include <linux/module.h>
#include <linux/nmi.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <asm/apic.h>
#include <asm/nmi.h>

#include "edges.h"

#define DEPTH	40

atomic_t edges_strikes[2];

/* By a pointer, so that the compiler does not make a loop of it. */
static int (*deeper)(int depth) = edges_deep;

noinline int edges_deep(int depth)
{
	if (!depth)
		cond_resched();
	return depth ? READ_ONCE(deeper)(depth - 1) + 1 : 0;
}

static noinline void edges_struck(void)
{
	atomic_inc(&edges_strikes[0]);
}

static int edges_nmi(unsigned int type, struct pt_regs *regs)
{
	edges_struck();
	return NMI_DONE;	/* those that are others' are so still */
}

/* Handled: nobody else has to explain where it came from. */
static int edges_unknown(unsigned int type, struct pt_regs *regs)
{
	return NMI_HANDLED;
}

static int edges_show(struct seq_file *m, void *v)
{
	apic->send_IPI_allbutself(NMI_VECTOR);
	seq_printf(m, "%d %d %d\n", READ_ONCE(deeper)(DEPTH), atomic_read(&edges_strikes[0]),
		   atomic_read(&edges_strikes[1]));
	return 0;
}

static int __init edges_init(void)
{
	int err;

	err = register_nmi_handler(NMI_LOCAL, edges_nmi, 0, "edges");
	if (err)
		return err;
	err = register_nmi_handler(NMI_UNKNOWN, edges_unknown, 0, "edges_unknown");
	if (!err && !proc_create_single("edges", 0444, NULL, edges_show)) {
		unregister_nmi_handler(NMI_UNKNOWN, "edges_unknown");
		err = -ENOMEM;
	}
	if (err)
		unregister_nmi_handler(NMI_LOCAL, "edges");
	return err;
}

static void __exit edges_exit(void)
{
	remove_proc_entry("edges", NULL);
	unregister_nmi_handler(NMI_LOCAL, "edges");
	unregister_nmi_handler(NMI_UNKNOWN, "edges_unknown");
}

module_init(edges_init);
module_exit(edges_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Functions that call themselves and run in NMI, for tests");
