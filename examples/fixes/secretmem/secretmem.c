// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages of secret memory are locked, and were counted per mapping only: who unmaps a part and maps
 * the next one held any number. Upstream counts each page of a file against the limit of the user
 * who made it, and for that gives the inode a state when the file is made. Here the file gets it at
 * its next mapping or fault, as a shadow variable: also one that was open before, with the pages
 * that it has already.
 */
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>
#include <linux/set_memory.h>
#include <linux/swap.h>

#include "lppack.h"

/* ---- the two forms: with the state and without ---- */

bool lp_secretmem_is_counted(const struct file *file)
{
	return locked_pages_get((struct file *)file);
}

/* Faults hold it for reading, so the pages of the file stay as they are. */
void lp_secretmem_lock(struct file *file)
{
	filemap_invalidate_lock(file->f_mapping);
}

void lp_secretmem_unlock(struct file *file)
{
	filemap_invalidate_unlock(file->f_mapping);
}

int lp_locked_pages_init(struct file *file, struct secretmem_state *state)
{
	/* A file of secret memory is opened once, when it is made, by who is charged. */
	state->user = get_uid(file->f_cred->user);
	return 0;
}

static void lp_charge(struct user_struct *user, atomic_long_t *counted, long pages)
{
	atomic_long_add(pages, &user->locked_vm);
	atomic_long_add(pages, counted);
}

/* What the file has is counted whatever the limit is; it is the next page that is refused. */
int lp_secretmem_count(struct file *file)
{
	struct secretmem_state *state = locked_pages_get_or_alloc(file);

	if (!state)
		return -ENOMEM;
	lp_charge(state->user, &state->pages, file->f_mapping->nrpages);
	return 0;
}

static void lp_give_back(struct secretmem_state *state)
{
	/* No state, or no user: what a version before has tracked may have gone back already. */
	if (!state || !state->user)
		return;
	lp_charge(state->user, &state->pages, -atomic_long_read(&state->pages));
	free_uid(state->user);
	state->user = NULL;
}

void lp_secretmem_uncount(struct file *file)
{
	lp_give_back(locked_pages_get(file));
}

/* ---- the new functions ---- */

/* Without a state the page is not counted, as before. */
static bool lp_account_page(struct secretmem_state *state)
{
	unsigned long limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	long now;

	if (!state)
		return true;
	now = atomic_long_read(&state->user->locked_vm);
	do {
		if (now + 1 > limit)
			return false;
	} while (!atomic_long_try_cmpxchg(&state->user->locked_vm, &now, now + 1));
	atomic_long_inc(&state->pages);
	return true;
}

static void lp_unaccount_page(struct secretmem_state *state)
{
	if (state)
		lp_charge(state->user, &state->pages, -1);
}

/* Takes the place of secretmem_fault() in mm/secretmem.c. */
vm_fault_t lp_secretmem_fault(struct vm_fault *vmf)
{
	struct file *file = vmf->vma->vm_file;
	struct address_space *mapping = file->f_mapping;
	struct inode *inode = file_inode(file);
	struct secretmem_state *state;
	pgoff_t offset = vmf->pgoff;
	gfp_t gfp = vmf->gfp_mask;
	unsigned long addr;
	struct page *page;
	vm_fault_t ret;
	int err;

	if (((loff_t)vmf->pgoff << PAGE_SHIFT) >= i_size_read(inode))
		return vmf_error(-EINVAL);

	lp_convert_secretmem(file);
	filemap_invalidate_lock_shared(mapping);
	/* Whoever changes the form holds the lock alone: it stays until the unlock below. */
	state = locked_pages_get(file);

retry:
	page = find_lock_page(mapping, offset);
	if (!page) {
		page = alloc_page(gfp | __GFP_ZERO);
		if (!page) {
			ret = VM_FAULT_OOM;
			goto out;
		}

		if (!lp_account_page(state)) {
			put_page(page);
			ret = VM_FAULT_SIGBUS;
			goto out;
		}

		err = set_direct_map_invalid_noflush(page);
		if (err) {
			lp_unaccount_page(state);
			put_page(page);
			ret = vmf_error(err);
			goto out;
		}

		__folio_mark_uptodate(page_folio(page));
		err = add_to_page_cache_lru(page, mapping, offset, gfp);
		if (unlikely(err)) {
			lp_unaccount_page(state);
			/*
			 * If a split of large page was required, it
			 * already happened when we marked the page invalid
			 * which guarantees that this call won't fail
			 */
			set_direct_map_default_noflush(page);
			put_page(page);
			if (err == -EEXIST)
				goto retry;

			ret = vmf_error(err);
			goto out;
		}

		addr = (unsigned long)page_address(page);
		flush_tlb_kernel_range(addr, addr + PAGE_SIZE);
	}

	vmf->page = page;
	ret = VM_FAULT_LOCKED;

out:
	filemap_invalidate_unlock_shared(mapping);
	return ret;
}

/* Takes the place of secretmem_release(): nobody has the file any more, but revert may. */
int lp_secretmem_release(struct inode *inode, struct file *file)
{
	atomic_dec(&secretmem_users);

	lp_secretmem_lock(file);
	lp_give_back(locked_pages_get(file));
	lp_secretmem_unlock(file);
	lp_forget_secretmem(file);
	return 0;
}

/* Takes the place of secretmem_mmap(). */
int lp_secretmem_mmap(struct file *file, struct vm_area_struct *vma)
{
	unsigned long len = vma->vm_end - vma->vm_start;
	bool counted;

	if ((vma->vm_flags & (VM_SHARED | VM_MAYSHARE)) == 0)
		return -EINVAL;

	lp_convert_secretmem(file);
	filemap_invalidate_lock_shared(file->f_mapping);
	counted = lp_secretmem_is_counted(file);
	filemap_invalidate_unlock_shared(file->f_mapping);

	if (!counted) {
		if (mlock_future_check(vma->vm_mm, vma->vm_flags | VM_LOCKED, len))
			return -EAGAIN;
		vma->vm_flags |= VM_LOCKED;
	}
	vma->vm_flags |= VM_DONTDUMP;
	vma->vm_ops = &secretmem_vm_ops;

	return 0;
}
