// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads sleep in visits_wait(): those that write a number of microseconds to /proc/visits, and
 * kernel threads, by parameters. Reading the file gives a histogram of the visits since "reset" was
 * written, in the words of bcc's funclatency.
 */
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/random.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>

#define SLOTS		32
#define THREADS_MAX	16
#define LONGEST		20000000

static unsigned int kthreads;
module_param(kthreads, uint, 0);
static unsigned int low = 1500000;
module_param(low, uint, 0);
static unsigned int high = 6500000;
module_param(high, uint, 0);
static unsigned int gap = 2500000;
module_param(gap, uint, 0);

static DEFINE_SPINLOCK(lock);	/* protects what was counted */
static unsigned long counts[SLOTS];
static u64 total;

static struct task_struct *threads[THREADS_MAX];

static noinline void visits_wait(unsigned int us)
{
	usleep_range(us, us + 50);
	barrier();	/* or its frame is gone before it sleeps: a sibling call */
}

static void visit(unsigned int us)
{
	ktime_t begin = ktime_get();
	u64 took;

	visits_wait(us);
	took = ktime_us_delta(ktime_get(), begin);
	spin_lock(&lock);
	counts[min_t(int, fls64(took), SLOTS - 1)]++;
	total += took;
	spin_unlock(&lock);
}

static int visitor(void *unused)
{
	while (!kthread_should_stop()) {
		visit(low + prandom_u32_max(high - low + 1));
		usleep_range(gap / 2, gap / 2 + gap);
	}
	return 0;
}

static int visits_show(struct seq_file *m, void *unused)
{
	unsigned long seen[SLOTS], count = 0;
	u64 sum;
	int i;

	spin_lock(&lock);
	memcpy(seen, counts, sizeof(seen));
	sum = total;
	spin_unlock(&lock);
	seq_puts(m, "     usecs               : count     distribution\n");
	for (i = 1; i < SLOTS; i++) {
		seq_printf(m, "%10lu -> %-10lu : %-8lu |\n", i > 1 ? 1UL << (i - 1) : 0,
			   (1UL << i) - 1, seen[i]);
		count += seen[i];
	}
	seq_printf(m, "\navg = %llu usecs, total: %llu usecs, count: %lu\n",
		   count ? div64_u64(sum, count) : 0, sum, count);
	return 0;
}

static int visits_open(struct inode *inode, struct file *file)
{
	return single_open(file, visits_show, NULL);
}

static ssize_t visits_write(struct file *file, const char __user *buf, size_t size, loff_t *pos)
{
	char word[16] = "";
	unsigned int us;

	if (!size || size >= sizeof(word))
		return -EINVAL;
	if (copy_from_user(word, buf, size))
		return -EFAULT;
	if (sysfs_streq(word, "reset")) {
		spin_lock(&lock);
		memset(counts, 0, sizeof(counts));
		total = 0;
		spin_unlock(&lock);
		return size;
	}
	if (kstrtouint(word, 10, &us) || us > LONGEST)
		return -EINVAL;
	visit(us);
	return size;
}

static const struct proc_ops visits_ops = {
	.proc_open = visits_open,
	.proc_read = seq_read,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
	.proc_write = visits_write,
};

static void stop_threads(void)
{
	int i;

	for (i = 0; i < THREADS_MAX; i++)
		if (threads[i])
			kthread_stop(threads[i]);
}

static int __init visits_init(void)
{
	unsigned int i;

	if (kthreads > THREADS_MAX || high < low || high > LONGEST)
		return -EINVAL;
	if (!proc_create("visits", 0600, NULL, &visits_ops))
		return -ENOMEM;
	for (i = 0; i < kthreads; i++) {
		struct task_struct *made = kthread_run(visitor, NULL, "visitor_k%u", i);

		if (IS_ERR(made)) {
			stop_threads();
			remove_proc_entry("visits", NULL);
			return PTR_ERR(made);
		}
		threads[i] = made;
	}
	return 0;
}

static void __exit visits_exit(void)
{
	stop_threads();
	remove_proc_entry("visits", NULL);
}

module_init(visits_init);
module_exit(visits_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Threads that sleep for lengths that a test chooses");
