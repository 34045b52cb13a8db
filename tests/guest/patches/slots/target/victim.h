/* SPDX-License-Identifier: GPL-2.0-only */
int victim_other(int number);

/* of base.ko */
extern int base_noted;
int base_note(int number);
