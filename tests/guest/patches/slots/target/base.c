// SPDX-License-Identifier: GPL-2.0-only
/* What victim depends on, and what the patch of victim uses too. */
#include <linux/module.h>

#include "victim.h"

int base_noted;
EXPORT_SYMBOL_GPL(base_noted);

int base_note(int number)
{
	base_noted += number;
	return base_noted + 1;
}
EXPORT_SYMBOL_GPL(base_note);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("What the target of the tests of slots depends on");
