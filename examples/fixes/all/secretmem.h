/* SPDX-License-Identifier: GPL-2.0-only */
/* What counts the pages of a file of secret memory, and what no header of the kernel declares. */
#include <linux/mm.h>

struct user_struct;

/* The shadow variable of a file: upstream has it in inode->i_private. */
struct secretmem_state {
	struct user_struct *user;	/* who made the file; NULL when it is being released */
	atomic_long_t pages;		/* counted in user->locked_vm */
};

/* mm/secretmem.c: static. */
extern atomic_t secretmem_users;
extern const struct vm_operations_struct secretmem_vm_ops;

/* mm/internal.h */
int mlock_future_check(struct mm_struct *mm, unsigned long flags, unsigned long len);

/* asm/tlbflush.h, but not for modules. */
void flush_tlb_kernel_range(unsigned long start, unsigned long end);

vm_fault_t lp_secretmem_fault(struct vm_fault *vmf);
int lp_secretmem_release(struct inode *inode, struct file *file);
int lp_secretmem_mmap(struct file *file, struct vm_area_struct *vma);
