// SPDX-License-Identifier: GPL-2.0-only
/*
 * A module through which threads are led step by step. A thread has a number and waits at gates:
 * those below WALKERS are processes, inside a read of /proc/gates_walk at the offset that is their
 * number; the last one is a kernel thread. What is written to /proc/gates lets one of them go on to
 * its next gate, and returns when it is there:
 *
 *	N enter		out of a sleep that signals end, to a gate in the kernel
 *	N call f|g	into f or g, to the gate inside
 *	N use CELL	the innermost function uses a cell
 *	N return	from the innermost function
 *	N exit		to user space, and back into the sleep
 *	N home		all the way out, from wherever it is
 *	clear		forgets what was noted, and puts all cells into the old form
 *
 * Read, it tells what was noted, then the cells.
 */
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

#include "gates.h"

#define WALKERS		3
#define THREADS		(WALKERS + 1)
#define CELLS		3
#define DEPTH		4
#define NOTED		8192
#define PATIENCE	(60 * HZ)

enum verb { NOTHING, ENTER, CALL, USE, RETURN, EXIT, HOME };

static const char * const verbs[] = {
	[ENTER] = "enter", [CALL] = "call", [USE] = "use",
	[RETURN] = "return", [EXIT] = "exit", [HOME] = "home",
};

struct walk {
	struct gates_thread thread;	/* first: ops are told of this one */
	struct task_struct *task;	/* a kernel thread that this module started */
	wait_queue_head_t gate;		/* where it waits */
	wait_queue_head_t leader;	/* where who told it something waits */
	enum verb verb;			/* what it is told; NOTHING: it was taken */
	char name;			/* of the function to call */
	unsigned int number;		/* of the cell to use */
	unsigned int depth;		/* functions that it is in */
	atomic_t taken;			/* somebody is this thread */
	bool inside;			/* past ENTER; a kernel thread always is */
	bool waiting;			/* at a gate, told nothing */
	bool home;			/* on its way out */
};

static struct walk walks[THREADS];
static struct gates_cell cells[CELLS];

static DEFINE_SPINLOCK(note_lock);	/* protects the next two; innermost */
static char noted[NOTED];
static size_t noted_size;

static DEFINE_MUTEX(lead_lock);		/* one leads at a time */

static struct walk *walk_of(struct gates_thread *t)
{
	return container_of(t, struct walk, thread);
}

static const char *word(enum gates_universe u)
{
	return u == GATES_NEW_CODE ? "new" : "old";
}

__printf(2, 3)
static void note(struct walk *w, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	spin_lock(&note_lock);
	noted_size += scnprintf(noted + noted_size, NOTED - noted_size, "T%d ",
				(int)(w - walks));
	noted_size += vscnprintf(noted + noted_size, NOTED - noted_size, format, args);
	noted_size += scnprintf(noted + noted_size, NOTED - noted_size, "\n");
	spin_unlock(&note_lock);
	va_end(args);
}

static bool ended(struct walk *w)
{
	return w->task ? kthread_should_stop() : fatal_signal_pending(current);
}

/*
 * Waits for the next thing to do; HOME if the thread is to end. In a sleep that is `open` a signal,
 * also one that is not there, gives NOTHING: the thread is to pass the border of the kernel.
 */
static enum verb next_verb(struct walk *w, bool open)
{
	enum verb verb;
	int ret = 0;

	if (w->home)
		return HOME;
	WRITE_ONCE(w->waiting, true);
	wake_up(&w->leader);
	if (open)
		ret = wait_event_interruptible(w->gate, READ_ONCE(w->verb) || ended(w));
	else
		wait_event_killable(w->gate, READ_ONCE(w->verb) || ended(w));
	WRITE_ONCE(w->waiting, false);
	if (ended(w)) {
		w->home = true;
		return HOME;
	}
	/* With the name or the number that lead() has written before. */
	verb = ret ? NOTHING : smp_load_acquire(&w->verb);
	if (verb == HOME)
		w->home = true;
	if (verb) {
		/* After waiting was cleared: see told(). */
		smp_store_release(&w->verb, NOTHING);
	}
	return verb;
}

static void enter(struct gates_thread *t, char name, enum gates_universe u)
{
	struct walk *w = walk_of(t);

	w->depth++;
	note(w, "calls %s %c", word(u), name);
}

static void leave(struct gates_thread *t, char name, enum gates_universe u)
{
	struct walk *w = walk_of(t);

	w->depth--;
	note(w, "returns from %s %c", word(u), name);
}

static void used(struct gates_thread *t)
{
	struct walk *w = walk_of(t);
	bool new = cells[w->number].word & GATES_NEW;

	note(w, "uses cell %u, %s", w->number, word(new));
}

static void call(struct walk *w)
{
	/* Through a pointer, as from anywhere: the calls of a function are redirected inside it. */
	void (*function)(struct gates_thread *t) = w->name == 'f' ? gates_f : gates_g;

	function(&w->thread);
}

static struct gates_cell *next(struct gates_thread *t)
{
	struct walk *w = walk_of(t);

	for (;;) {
		switch (next_verb(w, false)) {
		case CALL:
			call(w);
			break;
		case USE:
			return &cells[w->number];
		case RETURN:
		case HOME:
			return NULL;
		default:
			break;
		}
	}
}

static const struct gates_ops ops = {
	.enter = enter,
	.next = next,
	.used = used,
	.leave = leave,
};

/* Old code knows nothing of forms. */
static void use(struct gates_thread *t, struct gates_cell *cell)
{
	spin_lock(&cell->lock);
	cell->word++;
	t->ops->used(t);
	spin_unlock(&cell->lock);
}

noinline void gates_f(struct gates_thread *t)
{
	struct gates_cell *cell;

	t->ops->enter(t, 'f', GATES_OLD_CODE);
	while ((cell = t->ops->next(t)))
		use(t, cell);
	t->ops->leave(t, 'f', GATES_OLD_CODE);
}

noinline void gates_g(struct gates_thread *t)
{
	struct gates_cell *cell;

	t->ops->enter(t, 'g', GATES_OLD_CODE);
	while ((cell = t->ops->next(t)))
		use(t, cell);
	t->ops->leave(t, 'g', GATES_OLD_CODE);
}

/* In the kernel, in no function that is patched. */
static void stay(struct walk *w)
{
	for (;;) {
		switch (next_verb(w, false)) {
		case CALL:
			call(w);
			break;
		case EXIT:
		case HOME:
			return;
		default:
			break;
		}
	}
}

static ssize_t walk_read(struct file *file, char __user *buf, size_t size, loff_t *ppos)
{
	struct walk *w;
	int ret = 0;

	if (*ppos < 0 || *ppos >= WALKERS)
		return -EINVAL;
	w = &walks[*ppos];
	if (atomic_xchg(&w->taken, 1))
		return -EBUSY;
	switch (next_verb(w, true)) {
	case NOTHING:
		ret = signal_pending(current) ? -ERESTARTSYS : 0;
		break;
	case ENTER:
		note(w, "enters");
		WRITE_ONCE(w->inside, true);
		stay(w);
		WRITE_ONCE(w->inside, false);
		note(w, "exits");
		break;
	default:
		break;
	}
	w->home = false;
	/* What this one has done is seen by the next. */
	atomic_set_release(&w->taken, 0);
	return ret;
}

static int walk_thread(void *data)
{
	struct walk *w = data;

	while (!kthread_should_stop()) {
		stay(w);
		w->home = false;
	}
	return 0;
}

static bool fits(struct walk *w, enum verb verb)
{
	switch (verb) {
	case ENTER:
		return !w->inside;
	case CALL:
		return w->inside && w->depth < DEPTH;
	case USE:
	case RETURN:
		return w->depth;
	case EXIT:
		return w->inside && !w->depth && !w->task;
	default:
		return true;
	}
}

/* True if the thread took what it was told and is at its next gate. */
static bool told(struct walk *w)
{
	/*
	 * It clears waiting, then verb, and sets waiting again when it is there: verb is read
	 * first, so that waiting is not that of before.
	 */
	return !smp_load_acquire(&w->verb) && READ_ONCE(w->waiting);
}

/* Tells a thread what to do, and waits until it is at its next gate. */
static int lead(struct walk *w, enum verb verb)
{
	if (!wait_event_timeout(w->leader, READ_ONCE(w->waiting), PATIENCE))
		return -ETIMEDOUT;
	if (!fits(w, verb))
		return -EINVAL;
	if (verb == HOME && !w->depth && (!w->inside || w->task))
		return 0;
	/* Who takes it sees the name or the number too. */
	smp_store_release(&w->verb, verb);
	wake_up(&w->gate);
	if (!wait_event_timeout(w->leader, told(w), PATIENCE))
		return -ETIMEDOUT;
	return 0;
}

static void clear(void)
{
	int i;

	spin_lock(&note_lock);
	noted_size = 0;
	spin_unlock(&note_lock);
	for (i = 0; i < CELLS; i++) {
		spin_lock(&cells[i].lock);
		cells[i].word = 0;
		spin_unlock(&cells[i].lock);
	}
}

static int command(char *text)
{
	char name[8] = "", what[4] = "";
	unsigned int number;
	struct walk *w;
	int verb;

	if (sysfs_streq(text, "clear")) {
		clear();
		return 0;
	}
	if (sscanf(text, "%u %7s %3s", &number, name, what) < 2 || number >= THREADS)
		return -EINVAL;
	verb = match_string(verbs + 1, ARRAY_SIZE(verbs) - 1, name) + 1;
	if (verb <= 0)
		return -EINVAL;
	w = &walks[number];
	if (verb == CALL) {
		w->name = what[0];
		if (w->name != 'f' && w->name != 'g')
			return -EINVAL;
	}
	if (verb == USE && (kstrtouint(what, 10, &w->number) || w->number >= CELLS))
		return -EINVAL;
	return lead(w, verb);
}

static ssize_t gates_write(struct file *file, const char __user *buf, size_t size, loff_t *ppos)
{
	char text[32] = "";
	int ret;

	if (size >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, buf, size))
		return -EFAULT;
	mutex_lock(&lead_lock);
	ret = command(text);
	mutex_unlock(&lead_lock);
	return ret ?: size;
}

static int gates_show(struct seq_file *m, void *v)
{
	u32 used;
	int i;

	spin_lock(&note_lock);
	seq_write(m, noted, noted_size);
	spin_unlock(&note_lock);
	for (i = 0; i < CELLS; i++) {
		spin_lock(&cells[i].lock);
		used = cells[i].word;
		spin_unlock(&cells[i].lock);
		seq_printf(m, "cell %d %s, used %u\n", i, word(used & GATES_NEW ? 1 : 0),
			   used & ~GATES_NEW);
	}
	return 0;
}

static int gates_open(struct inode *inode, struct file *file)
{
	return single_open(file, gates_show, NULL);
}

static const struct proc_ops gates_proc_ops = {
	.proc_open = gates_open,
	.proc_read = seq_read,
	.proc_write = gates_write,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
};

static const struct proc_ops walk_proc_ops = {
	.proc_read = walk_read,
	.proc_lseek = default_llseek,
};

static int __init gates_init(void)
{
	struct walk *last = &walks[WALKERS];
	int i;

	for (i = 0; i < CELLS; i++)
		spin_lock_init(&cells[i].lock);
	for (i = 0; i < THREADS; i++) {
		walks[i].thread.ops = &ops;
		init_waitqueue_head(&walks[i].gate);
		init_waitqueue_head(&walks[i].leader);
	}
	last->inside = true;
	last->task = kthread_create(walk_thread, last, "gate-%d", WALKERS);
	if (IS_ERR(last->task))
		return PTR_ERR(last->task);
	wake_up_process(last->task);
	if (!proc_create("gates", 0600, NULL, &gates_proc_ops))
		goto out_thread;
	if (!proc_create("gates_walk", 0400, NULL, &walk_proc_ops))
		goto out_proc;
	return 0;

out_proc:
	remove_proc_entry("gates", NULL);
out_thread:
	kthread_stop(last->task);
	return -ENOMEM;
}

static void __exit gates_exit(void)
{
	remove_proc_entry("gates_walk", NULL);
	remove_proc_entry("gates", NULL);
	kthread_stop(walks[WALKERS].task);
}

module_init(gates_init);
module_exit(gates_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Threads that are led from gate to gate");
