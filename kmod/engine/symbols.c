// SPDX-License-Identifier: GPL-2.0-only
/*
 * lppack_engine: symbols that the kernel does not export, and the functions to be patched.
 *
 * They are looked up once, by kallsyms_lookup_name(), which a kprobe finds. With IBT, a function
 * whose address is never taken has its ENDBR sealed, and may only be called directly: hence static
 * calls, which are direct branches, instead of pointers.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/filter.h>
#include <linux/ftrace.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/pgtable.h>
#include <linux/stacktrace.h>
#include <linux/static_call.h>
#include <linux/string.h>
#include <linux/task_work.h>
#include <linux/version.h>

#include "internal.h"

DEFINE_STATIC_CALL_NULL(lpe_lookup_name, kallsyms_lookup_name);
DEFINE_STATIC_CALL_NULL(lpe_lookup_size, kallsyms_lookup_size_offset);
DEFINE_STATIC_CALL_NULL(lpe_each_match, kallsyms_on_each_match_symbol);
DEFINE_STATIC_CALL_NULL(lpe_each_in_modules, module_kallsyms_on_each_symbol);
DEFINE_STATIC_CALL_NULL(lpe_module_named, find_module);
DEFINE_STATIC_CALL_NULL(lpe_stack, stack_trace_save_tsk_reliable);
DEFINE_STATIC_CALL_NULL(lpe_idle, idle_task);
DEFINE_STATIC_CALL_NULL(lpe_add, task_work_add);
DEFINE_STATIC_CALL_NULL(lpe_cancel, task_work_cancel_func);
DEFINE_STATIC_CALL_NULL(lpe_wake_state, wake_up_state);
DEFINE_STATIC_CALL_NULL(lpe_fentry, ftrace_location);
DEFINE_STATIC_CALL_RET0(lpe_kprobe, get_kprobe);	/* without it there are none */
DEFINE_STATIC_CALL_RET0(lpe_bpf, is_bpf_text_address);	/* where stacks end in BPF anyhow */

/*
 * Return the address of kallsyms_lookup_name(), or 0. A kprobe reports the address behind ENDBR,
 * and kallsyms has that of ENDBR.
 */
static unsigned long lpe_first_symbol(void)
{
	static const char wanted[] = "kallsyms_lookup_name+0x0/";
	struct kprobe kp = { .symbol_name = "kallsyms_lookup_name" };
	char name[KSYM_SYMBOL_LEN];
	unsigned long address;
	int err;

	err = register_kprobe(&kp);
	if (err) {
		pr_err("no kprobe on kallsyms_lookup_name: %d\n", err);
		return 0;
	}
	address = (unsigned long)kp.addr;
	unregister_kprobe(&kp);
#ifdef CONFIG_X86_KERNEL_IBT
	/* ENDBR, or what seals it, has 4 bytes; functions are aligned to 16 */
	address &= ~15UL;
#endif
	/*
	 * Not every configuration aligns functions so, and this address will be called: check it.
	 */
	sprint_symbol(name, address);
	if (strncmp(name, wanted, strlen(wanted))) {
		pr_err("kallsyms_lookup_name does not begin where it was looked for\n");
		return 0;
	}
	return address;
}

/* Address of a symbol, 0 if there is none; the first of several. */
unsigned long lpe_symbol(const char *name, unsigned long *size)
{
	unsigned long address = static_call(lpe_lookup_name)(name), offset;

	if (address && size && !static_call(lpe_lookup_size)(address, size, &offset))
		return 0;
	return address;
}

static unsigned int lpe_missing;

/* Address of a symbol that must be there; counts those that are not. */
static void *lpe_need(const char *name)
{
	unsigned long address = lpe_symbol(name, NULL);

	if (!address) {
		pr_err("this kernel has no %s\n", name);
		lpe_missing++;
	}
	return (void *)address;
}

int lpe_symbols_init(void)
{
	unsigned long first = lpe_first_symbol(), kprobe;

	if (!first)
		return -EOPNOTSUPP;
	static_call_update(lpe_lookup_name, (void *)first);
	static_call_update(lpe_lookup_size, lpe_need("kallsyms_lookup_size_offset"));
	static_call_update(lpe_each_match, lpe_need("kallsyms_on_each_match_symbol"));
	static_call_update(lpe_each_in_modules, lpe_need("module_kallsyms_on_each_symbol"));
	static_call_update(lpe_module_named, lpe_need("find_module"));
	static_call_update(lpe_stack, lpe_need("stack_trace_save_tsk_reliable"));
	static_call_update(lpe_idle, lpe_need("idle_task"));
	static_call_update(lpe_add, lpe_need("task_work_add"));
	static_call_update(lpe_cancel, lpe_need("task_work_cancel_func"));
	static_call_update(lpe_wake_state, lpe_need("wake_up_state"));
	static_call_update(lpe_fentry, lpe_need("ftrace_location"));
	kprobe = lpe_symbol("get_kprobe", NULL);
	if (kprobe)	/* only for the message of lpe_tell_owner() */
		static_call_update(lpe_kprobe, (void *)kprobe);
	/* Where it exists, unwinders go on beyond BPF code: arch/x86/kernel/unwind_orc.c (v7.2). */
	if (lpe_symbol("bpf_has_frame_pointer", NULL))
		static_call_update(lpe_bpf, lpe_need("is_bpf_text_address"));
	return lpe_missing ? -EOPNOTSUPP : 0;
}

/*
 * Find a loaded module; *found is NULL if there is none. While lpe_lock is held, a LIVE module does
 * not go, because lpe_on_module() waits for the lock. A COMING module may still fail, and a patch
 * that is not in lpe_patches yet would not be notified: -EBUSY.
 */
int lpe_find_module(const char *name, struct module **found)
{
	struct module *mod;
	int err = 0;

	lpe_assert_locked();
	rcu_read_lock_sched();
	mod = static_call(lpe_module_named)(name);
	/* klp_alive: its functions are known to ftrace, and its relocations are done */
	if (mod && (!mod->klp_alive || mod->state == MODULE_STATE_GOING))
		mod = NULL;
	if (mod && mod->state == MODULE_STATE_COMING)
		err = -EBUSY;
	else
		*found = mod;
	rcu_read_unlock_sched();
	if (err)
		pr_err("%s is being loaded: try again\n", name);
	return err;
}

struct lpe_search {
	const char *object;	/* NULL: vmlinux */
	const char *name;
	unsigned long position;	/* 0: the name must be unique */
	unsigned long count;
	unsigned long address;
};

static int lpe_found(void *data, unsigned long address)
{
	struct lpe_search *search = data;

	search->count++;
	search->address = address;
	/* klp_find_callback(): the position counts from 1 in the order of kallsyms */
	return search->position && search->count == search->position;
}

/* The parameters changed in 6.4, and no macro shows it. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0)
static int lpe_found_in_module(void *data, const char *name, struct module *mod,
			       unsigned long address)
{
	struct lpe_search *search = data;

	if (!mod || strcmp(mod->name, search->object) || strcmp(name, search->name))
		return 0;
	return lpe_found(data, address);
}

static void lpe_search_module(struct lpe_search *search)
{
	static_call(lpe_each_in_modules)(lpe_found_in_module, search);
}
#else
static int lpe_found_in_module(void *data, const char *name, unsigned long address)
{
	struct lpe_search *search = data;

	return strcmp(name, search->name) ? 0 : lpe_found(data, address);
}

static void lpe_search_module(struct lpe_search *search)
{
	static_call(lpe_each_in_modules)(search->object, lpe_found_in_module, search);
}
#endif

static unsigned long lpe_search(const char *object, const char *name, unsigned long position)
{
	struct lpe_search search = { .object = object, .name = name, .position = position };

	if (object)
		lpe_search_module(&search);
	else
		static_call(lpe_each_match)(lpe_found, name, &search);
	if (!search.count)
		return 0;
	if (position ? search.count == position : search.count == 1)
		return search.address;
	pr_err("%s of %s: %lu of that name, wanted %lu\n", name, object ?: "vmlinux", search.count,
	       position ?: 1);
	return 0;
}

/* Writes the slots of an object. On an error they are all empty. */
int lpe_find_symbols(struct lpe_object *obj)
{
	const struct lpe_symbol *symbols = obj->patch->symbols, *one;

	if (!symbols || !obj->klp->name)
		return 0;
	for (one = symbols; one->object; one++) {
		if (strcmp(one->object, obj->klp->name))
			continue;
		*one->slot = (void *)lpe_search(one->module, one->name, one->position);
		if (!*one->slot) {
			pr_err("%s is not in %s\n", one->name, one->module);
			goto clear;
		}
	}
	return 0;
clear:
	for (one = symbols; one->object; one++)
		if (!strcmp(one->object, obj->klp->name))
			*one->slot = NULL;
	return -ENOENT;
}

/*
 * Find the addresses and sizes of an old function, its cold part, its replacement and its wrapper.
 */
int lpe_find_function(struct lpe_object *obj, struct lpe_func *func)
{
	const char *object = obj->klp->name, *name = func->klp->old_name;
	char cold[KSYM_NAME_LEN];
	unsigned long offset;

	func->new = (unsigned long)func->klp->new_func;
	func->old = lpe_search(object, name, func->klp->old_sympos);
	if (!func->old) {
		pr_err("%s is not in %s\n", name, object ?: "vmlinux");
		return -ENOENT;
	}
	if (!static_call(lpe_lookup_size)(func->old, &func->old_size, &offset) ||
	    !static_call(lpe_lookup_size)(func->new, &func->new_size, &offset) ||
	    (func->wrapper &&
	     !static_call(lpe_lookup_size)(func->wrapper, &func->wrapper_size, &offset))) {
		pr_err("%s of %s: its size is not known\n", name, object ?: "vmlinux");
		return -ENOENT;
	}
	/* If several functions have that name, their cold parts cannot be told apart: use none. */
	if (!func->klp->old_sympos && snprintf(cold, sizeof(cold), "%s.cold", name) < sizeof(cold))
		func->cold = lpe_search(object, cold, 0);
	if (func->cold && !static_call(lpe_lookup_size)(func->cold, &func->cold_size, &offset))
		func->cold = 0;
	func->place = lpe_place_of(func->old);
	return 0;
}

/*
 * Let the wrapper call the old function, behind its fentry call, which would lead to the wrapper
 * again. With IBT that call is not at the start of the function, so its address was looked up.
 */
void lpe_find_body(struct lpe_func *func)
{
	if (func->counted)
		__static_call_update(func->counted->old, func->counted->old_tramp,
				     (void *)(func->fentry + MCOUNT_INSN_SIZE));
}

/* Call it when no thread is in the wrapper any more, or the module of the old function has gone. */
void lpe_forget_body(struct lpe_func *func)
{
	if (func->counted)
		__static_call_update(func->counted->old, func->counted->old_tramp, NULL);
}

/* Where ftrace has its call of a function; 0: nowhere. */
unsigned long lpe_fentry_of(unsigned long function)
{
	return static_call(lpe_fentry)(function);
}

/* For people: while sysctl kernel.ftrace_enabled is 0, nothing can be hooked. */
bool lpe_ftrace_is_on(void)
{
	const int *enabled = (const int *)lpe_symbol("ftrace_enabled", NULL);

	return !enabled || READ_ONCE(*enabled);	/* without KALLSYMS_ALL it is not known */
}

/* Log which other code redirects a function. */
void lpe_tell_owner(const struct lpe_func *func)
{
	void *fentry = (void *)func->fentry;
	const struct kprobe *kp;

	preempt_disable();	/* as get_kprobe() requires */
	kp = static_call(lpe_kprobe)(fentry);
	if (!kp)	/* with IBT the kprobe may be at the symbol's own address */
		kp = static_call(lpe_kprobe)((void *)func->old);
	if (kp && kp->post_handler)
		pr_err("%s is redirected by a kprobe with a post handler, %ps\n",
		       func->klp->old_name, kp->post_handler);
	else
		pr_err("%s is redirected by a live patch, or something like it\n",
		       func->klp->old_name);
	preempt_enable();
}

/* The number of entries, or an error if the stack is not reliable. */
int lpe_stack_of(struct task_struct *task, unsigned long *entries, unsigned int size)
{
	return static_call(lpe_stack)(task, entries, size);
}

/*
 * A BPF trampoline may have been entered by a jump (CONFIG_DYNAMIC_FTRACE_WITH_JMP): then no
 * address on the stack is in the function that it is attached to. So a stack with BPF code counts
 * as unreliable, as on kernels whose unwinder cannot go beyond it.
 */
bool lpe_is_bpf(unsigned long address)
{
	return address >= MODULES_VADDR && static_call(lpe_bpf)(address);
}

struct task_struct *lpe_idle_task(int cpu)
{
	return static_call(lpe_idle)(cpu);
}

int lpe_work_add(struct task_struct *task, struct callback_head *work,
		 enum task_work_notify_mode how)
{
	return static_call(lpe_add)(task, work, how);
}

struct callback_head *lpe_work_cancel(struct task_struct *task, task_work_func_t func)
{
	return static_call(lpe_cancel)(task, func);
}

int lpe_wake(struct task_struct *task, unsigned int state)
{
	return static_call(lpe_wake_state)(task, state);
}

/*
 * A sleeper that runs task work where it sleeps, as in io_uring, leaves only for a signal: give it
 * a fake one, as the freezer and live patching of older kernels do.
 */
void lpe_fake_signal(struct task_struct *task)
{
	set_tsk_thread_flag(task, TIF_SIGPENDING);
	if (!lpe_wake(task, TASK_INTERRUPTIBLE))
		kick_process(task);
}
