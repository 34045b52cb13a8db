// SPDX-License-Identifier: GPL-2.0-only
/* The same module under another name. */
#include "late.c"
