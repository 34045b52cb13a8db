// SPDX-License-Identifier: GPL-2.0-only
/*
 * Upstream's fix gives the entries tcp_reordering and tcp_max_reordering of ipv4_net_table another
 * handler and bounds. Here the same is done to the table of each network namespace. The table of
 * init_net is the template of those of new ones, whose bound then still is that of init_net; so new
 * ones are seen to when they are set up. No pointer into this module gets into a table.
 */
#include <linux/livepatch.h>
#include <linux/rcupdate.h>
#include <linux/rtnetlink.h>
#include <linux/rwsem.h>
#include <linux/string.h>
#include <linux/sysctl.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

#include "lppack.h"

/*
 * The tables are bounded, and values may have been brought into range. Its data is the id of the
 * memory of each namespace, in which the version that is live keeps what the values were.
 */
#define LP_REORDERING_STATE	0xda57cf3bf2cf382dUL

/* A value that was out of range. */
struct lp_value {
	bool changed;
	int was, now;
};

struct lp_reordering {
	struct lp_value reordering, largest;
};

static unsigned int lp_reordering_id;
static bool lp_registered;
static bool lp_borrowed;	/* the tables are still those of the version before; klp_mutex */

static struct ctl_table *lp_entry(struct net *net, const char *name)
{
	struct ctl_table *entry = net->ipv4.ipv4_hdr->ctl_table_arg;

	while (entry->procname && strcmp(entry->procname, name))
		entry++;
	return entry->procname ? entry : NULL;
}

static void lp_bound(struct ctl_table *entry, int *largest)
{
	if (!entry)
		return;
	entry->extra1 = SYSCTL_ONE;
	entry->extra2 = largest;
	/* A reader of the handler gets the bounds too: pairs with its use of what it has read. */
	smp_store_release(&entry->proc_handler, proc_dointvec_minmax);
}

static void lp_unbound(struct ctl_table *entry)
{
	if (!entry)
		return;
	WRITE_ONCE(entry->proc_handler, proc_dointvec);
	/* proc_dointvec_minmax(), where it still runs, takes NULL for no bound. */
	WRITE_ONCE(entry->extra1, NULL);
	WRITE_ONCE(entry->extra2, NULL);
}

static int lp_net_init(struct net *net)
{
	lp_bound(lp_entry(net, "tcp_reordering"), &net->ipv4.sysctl_tcp_max_reordering);
	lp_bound(lp_entry(net, "tcp_max_reordering"), NULL);
	return 0;
}

/* .init runs for each namespace that there is, too. Nothing is left to do when one goes. */
static struct pernet_operations lp_net_ops = {
	.init = lp_net_init,
	.id = &lp_reordering_id,
	.size = sizeof(struct lp_reordering),
};

static void lp_unbound_all(void)
{
	struct net *net;

	/* Whoever sets one up holds it for reading, from the copy of the table to the list. */
	down_write(&pernet_ops_rwsem);
	for_each_net(net) {
		lp_unbound(lp_entry(net, "tcp_reordering"));
		lp_unbound(lp_entry(net, "tcp_max_reordering"));
	}
	up_write(&pernet_ops_rwsem);
}

/*
 * cmpxchg: a value that someone writes meanwhile has been checked by the new handler. What is in
 * range already leaves alone what the version before has kept.
 */
static void lp_bring_into_range(int *value, int largest, struct lp_value *kept)
{
	int was = READ_ONCE(*value), now = clamp(was, 1, largest);

	if (now != was && cmpxchg(value, was, now) == was)
		*kept = (struct lp_value){ .changed = true, .was = was, .now = now };
}

/* Not what someone has written since. */
static void lp_bring_back(int *value, struct lp_value *kept)
{
	if (kept->changed)
		cmpxchg(value, kept->now, kept->was);
	kept->changed = false;
}

int lp_reordering_pre_patch(struct klp_object *obj)
{
	int err;

	lp_borrowed = klp_get_prev_state(LP_REORDERING_STATE);
	err = register_pernet_subsys(&lp_net_ops);
	if (err && !lp_borrowed)
		lp_unbound_all();
	lp_registered = !err;
	lp_state(LP_REORDERING_STATE)->data = &lp_reordering_id;
	return err;
}

/*
 * The version before has no callback any more, and its module cannot go before this returns: what
 * it has kept in each namespace is there, and from here on ours.
 */
void lp_reordering_post_patch(struct klp_object *obj)
{
	struct klp_state *before = klp_get_prev_state(LP_REORDERING_STATE);
	unsigned int *theirs = before ? before->data : NULL;
	struct net *net;

	lp_borrowed = false;

	/* Whoever has read the old handler before is through with it: it does not sleep. */
	synchronize_rcu_tasks();
	down_read(&net_rwsem);
	for_each_net(net) {
		struct lp_reordering *kept = net_generic(net, lp_reordering_id);
		int *largest = &net->ipv4.sysctl_tcp_max_reordering;

		if (theirs)
			memcpy(kept, net_generic(net, *theirs), sizeof(*kept));
		lp_bring_into_range(largest, INT_MAX, &kept->largest);
		lp_bring_into_range(&net->ipv4.sysctl_tcp_reordering, READ_ONCE(*largest),
				    &kept->reordering);
	}
	up_read(&net_rwsem);
}

void lp_reordering_pre_unpatch(struct klp_object *obj)
{
	struct net *net;

	down_read(&net_rwsem);
	for_each_net(net) {
		struct lp_reordering *kept = net_generic(net, lp_reordering_id);

		lp_bring_back(&net->ipv4.sysctl_tcp_max_reordering, &kept->largest);
		lp_bring_back(&net->ipv4.sysctl_tcp_reordering, &kept->reordering);
	}
	up_read(&net_rwsem);
}

/* Before post_unpatch, and before this module goes: also if a later version has taken its place. */
void lp_reordering_barrier(void)
{
	if (lp_registered)
		unregister_pernet_subsys(&lp_net_ops);
	lp_registered = false;
}

/* If a transition from the version before was turned round, that one goes on with its tables. */
void lp_reordering_post_unpatch(struct klp_object *obj)
{
	if (!lp_borrowed)
		lp_unbound_all();
}
