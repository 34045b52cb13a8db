/* SPDX-License-Identifier: GPL-2.0-only */

void lp_f(void)
{
}
