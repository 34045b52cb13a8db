// SPDX-License-Identifier: GPL-2.0-only
/*
 * lppack_engine: find the patched function that an address belongs to. That is done for each frame
 * of each thread while the machine stands still, so it is a binary search.
 */
#include <linux/module.h>
#include <linux/sort.h>

#include "internal.h"

static int lpe_compare(const void *a, const void *b)
{
	const struct lpe_span *one = a, *other = b;

	return one->start < other->start ? -1 : one->start > other->start;
}

/* start + size is the last address that belongs to the function, see lpe_within(). */
static void lpe_add_span(struct lpe_object *obj, struct lpe_func *func, unsigned long start,
			 unsigned long size, bool old)
{
	if (!start)
		return;
	obj->spans[obj->span_count++] = (struct lpe_span) {
		.start = start,
		.last = start + size,
		.func = func,
		.old = old,
	};
}

/*
 * Call it before obj->hooked is set. The span of a wrapper is one byte shorter: a wrapper does not
 * end in a call, and the next function may begin at its end.
 */
void lpe_spans_make(struct lpe_object *obj)
{
	struct lpe_func *func;

	obj->span_count = 0;
	lpe_for_each_func(obj, func) {
		lpe_add_span(obj, func, func->old, func->old_size, true);
		lpe_add_span(obj, func, func->cold, func->cold_size, false);
		lpe_add_span(obj, func, func->new, func->new_size, false);
		lpe_add_span(obj, func, func->wrapper, func->wrapper_size - 1, false);
	}
	sort(obj->spans, obj->span_count, sizeof(*obj->spans), lpe_compare, NULL);
}

/* Return the span that the address is in, or NULL. */
static const struct lpe_span *lpe_span_of(const struct lpe_object *obj, unsigned long address)
{
	unsigned int low = 0, high = obj->span_count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (obj->spans[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low && address <= obj->spans[low - 1].last ? &obj->spans[low - 1] : NULL;
}

/*
 * Call it in a stop, or with preemption off: lpe_unhook() waits for that before spans can change.
 */
const struct lpe_span *lpe_span_at(const struct lpe_patch *patch, unsigned long address)
{
	const struct lpe_span *span;
	struct lpe_object *obj;

	lpe_for_each_object(patch, obj) {
		/* Pairs with smp_store_release() in lpe_hook(): the spans are complete. */
		span = smp_load_acquire(&obj->hooked) ? lpe_span_of(obj, address) : NULL;
		if (span)
			return span;
	}
	return NULL;
}
