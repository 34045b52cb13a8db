/* SPDX-License-Identifier: MIT */
/* Holds what usually ties a module to its directory: __FILE__, WARN_ON, inlines of headers. */
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/uaccess.h>

static char text[64];

static ssize_t hello_write(struct file *file, const char __user *from, size_t n, loff_t *at)
{
	if (WARN_ON(n > sizeof(text)))
		return -EINVAL;
	return copy_from_user(text, from, n) ? -EFAULT : n;
}

static const struct proc_ops ops = { .proc_write = hello_write };

static int __init hello_init(void)
{
	pr_info("%s\n", __FILE__);
	return proc_create("lppack_hello", 0600, NULL, &ops) ? 0 : -ENOMEM;
}

static void __exit hello_exit(void)
{
	remove_proc_entry("lppack_hello", NULL);
}

module_init(hello_init);
module_exit(hello_exit);
MODULE_LICENSE("Dual MIT/GPL");
