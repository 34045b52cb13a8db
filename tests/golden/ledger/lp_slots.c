// SPDX-License-Identifier: GPL-2.0-only
/*
 * Made by lppack for lppack_ledger_1: the symbols of modules that the patch uses.
 *
 * A slot is a pointer to a symbol. The engine writes the slots of a module when that module is
 * loaded, or with the patch if it is loaded already: in any case before the patch's code for it
 * runs. A module that lacks a symbol is refused, and its slots are NULL.
 */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/static_call.h>
#include <linux/stringify.h>
#include <asm/ibt.h>

#include "lp_slots.h"

/* With CONFIG_CALL_PADDING each function has padding before it. */
#ifdef CONFIG_FUNCTION_PADDING_BYTES
#define LP_PADDING	".skip " __stringify(CONFIG_FUNCTION_PADDING_BYTES) ", 0x90\n\t"
#else
#define LP_PADDING
#endif

/*
 * A stub for a function of a module, with the name that the author's code calls. It jumps to a
 * static call, so that no branch is indirect, and all arguments stay where they are.
 */
typedef void (lp_stub)(void);

#define LP_STUB(name)							\
	asm(".pushsection .text, \"ax\"\n\t"				\
	    ".p2align 4\n\t"						\
	    LP_PADDING							\
	    ".globl " #name "\n\t"					\
	    ".type " #name ", @function\n"				\
	    #name ":\n\t"						\
	    ASM_ENDBR							\
	    "jmp " STATIC_CALL_TRAMP_STR(lp_call_##name) "\n\t"		\
	    ".size " #name ", . - " #name "\n\t"			\
	    ".popsection")

/* ledger */
void *lp_slot_lp_the_ledger;

/* In pre_patch: the engine has written the slots, and nothing runs that uses them. */
void lp_slots_fill_ledger(void)
{
}

void lp_slots_clear_ledger(void)
{
	lp_slot_lp_the_ledger = NULL;
}

/* In post_unpatch. */
void lp_slots_done_ledger(struct klp_object *obj)
{
	lp_slots_clear_ledger();
}

const struct lpe_symbol lp_symbols[] = {
	{
		.object = "ledger",
		.module = "ledger",
		.name = "ledger",
		.position = 0,
		.slot = &lp_slot_lp_the_ledger,
	},
	{ }
};
