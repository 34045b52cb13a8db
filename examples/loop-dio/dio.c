// SPDX-License-Identifier: GPL-2.0-only
#include <linux/kernel.h>
#include <linux/sysfs.h>

#include "lppack.h"

ssize_t lp_show_dio(struct device *dev, struct device_attribute *attr, char *buf);

static int count_one(int id, void *device, void *count)
{
	++*(int *)count;
	return 0;
}

/*
 * Takes the place of loop_attr_do_show_dio() in drivers/block/loop.c. Both functions that it calls
 * are static there, and made by a macro; the table of all loop devices is static too.
 */
ssize_t lp_show_dio(struct device *dev, struct device_attribute *attr, char *buf)
{
	unsigned long long offset, limit;
	int count = 0, err;

	/* Each writes a number and the end of the line into the whole page of sysfs. */
	if (loop_attr_do_show_offset(dev, attr, buf) < 0)
		return -EIO;
	err = kstrtoull(buf, 0, &offset);
	if (err)
		return err;
	if (loop_attr_do_show_sizelimit(dev, attr, buf) < 0)
		return -EIO;
	err = kstrtoull(buf, 0, &limit);
	if (err)
		return err;
	idr_for_each(&loop_index_idr, count_one, &count);
	return sysfs_emit(buf, "%llu of at most %llu, one of %d\n", offset, limit, count);
}
