/* SPDX-License-Identifier: GPL-2.0-only */
int victim_other(int number);
