// SPDX-License-Identifier: GPL-2.0-only
#include <linux/compiler.h>

#include "victim.h"

/* main.c has one of the same name. */
static noinline int dup_helper(int number)
{
	return number + 200;
}

int victim_other(int number)
{
	return dup_helper(number);
}
