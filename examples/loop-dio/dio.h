/* SPDX-License-Identifier: GPL-2.0-only */
/* What drivers/block/loop.c has, and no header declares. */
#include <linux/device.h>
#include <linux/idr.h>

ssize_t loop_attr_do_show_offset(struct device *dev, struct device_attribute *attr, char *buf);
ssize_t loop_attr_do_show_sizelimit(struct device *dev, struct device_attribute *attr, char *buf);
extern struct idr loop_index_idr;
