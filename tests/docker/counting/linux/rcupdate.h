/* SPDX-License-Identifier: MIT */
/* Nothing: kernel.h of this folder has what is needed. */
