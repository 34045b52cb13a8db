# SPDX-License-Identifier: MIT
"""Texts of `lppack explain` for what has no docstring of its own."""

FLAGS = {
    "LEAVE_FUNCTION": """\
A thread need have left nothing: each next call is the new function.

Enough where each call stands by itself: the function takes no lock that another replaced function
gives back, and hands nothing to one that old code would understand otherwise.
Not enough where one visit calls several replaced functions, or one of them twice: it may then run
old and new code in turn. Take LEAVE_PATCHED_SET.
Example: a text in /proc is printed otherwise.""",
    "LEAVE_PATCHED_SET": """\
A thread switches when no function of the patch is on its stack.

So one visit to the patched functions, from the outermost call to its return, is all old or all new.
Enough for nearly every fix: a check is added, a lock is taken in other places, arguments between
replaced functions change. The kernel's own engine gives it.
Not enough where a thread carries something from one such visit to the next in one system call. Take
LEAVE_KERNEL then.
Example: f() takes a lock that g(), which it calls, now gives back.""",
    "LEAVE_KERNEL": """\
A thread switches at the border to user space. Kernel threads have none: they switch as with
LEAVE_PATCHED_SET, and the manifest has to say that this is safe (kthreads: patched-set).

So one system call or interrupt sees one universe, however many visits to the patched functions it
makes. What it needs is more waiting: a thread that sleeps in any system call holds it up.
Example: read() first asks a replaced function for a size, then another for as many bytes.""",
    "SWITCH_FUNCTION": """\
Each function flips by itself: old and new functions call each other.

Enough where no two replaced functions depend on each other; one function alone never does.
Not enough where a caller and what it calls change together. Take SWITCH_THREAD.
Example: three unrelated texts are corrected.""",
    "SWITCH_THREAD": """\
Each thread flips by itself; old and new functions run at once, in different threads.

Enough where a thread on old code beside one on new code does no harm: they agree on which lock
protects what, in which order locks are taken, and on what data means. Most fixes are so. The
kernel's own engine gives it.
Not enough where that agreement changes: another lock for the same data, another lock order, a
meaning of a value that old code would misread. Take SWITCH_KERNEL, or TRANSFORM_ON_ACCESS where
only the form of objects changes.
Example: a missing bounds check is added. Counter-example: a list that was under lock A is now under
lock B; two threads would change it at once.""",
    "SWITCH_KERNEL": """\
The whole kernel flips at one instant; old and new never run at once.

Needed where a thread on old code beside one on new code is not safe: another lock for the same
data, another lock order. lppack's own engine gives it: the machine stands still for some
milliseconds, and all visits to the patched functions must have ended at one moment. If they always
overlap it does not finish, and is reversed.
Example: a list that was under lock A is now under lock B.""",
    "TRANSFORM_ON_ACCESS": """\
New code reads both forms of data, and in phase 2 converts what it touches. It is tracked, so that
revert can reverse it.

Needed where objects get new members or another meaning, and each can be converted under its own
lock. You write marker, lock, forward and reverse: docs/authors.md, section 5.
Example: a counter of 32 bits gets a limit in its upper half.""",
    "TRANSFORM_WORLD": """\
All data is transformed in the very stop that flips the kernel: new code never meets old data.

Needed where new code cannot read the old form, or objects depend on each other and cannot be
converted one by one. It needs SWITCH_KERNEL, and the kernel stands still while it goes over all
objects (max_stop_ms).
Example: each object becomes larger, and pointers to it move.""",
}

#: Steps of simulate's runs, and what they may show; docs/semantics.md has them in full.
CODES = {
    "R1": "A thread enters the kernel.",
    "R2": "A thread goes back to user space. With LEAVE_KERNEL it may switch there.",
    "R3": "A thread calls a patched function. Old or new is decided at that moment, and stays so "
    "until it returns.",
    "R4": "A thread returns from a patched function. If it was the outermost, it may switch.",
    "R5": "A thread goes to sleep in the kernel, or wakes up. What is on its stack stays there.",
    "R6": "apply: the transition begins. What is not in the way switches at once.",
    "R7": "The engine checks again, at any time, which threads have left what they must.",
    "R8": "Something switches: a function, a thread or the whole kernel, as SWITCH_* says. It may "
    "only when nothing of what LEAVE_* names is on the stack.",
    "R9": "The transition is complete: everything has switched.",
    "R10": "Something switches without the check of R8: only to show what the check is for.",
    "R11": "revert: a transition to old begins, or the current one reverses. T4 comes first.",
    "R12": "A thread begins or ends. A new one starts in the universe of its parent.",
    "R13": "A function keeps a pointer to changed data. It must be one of those that are replaced, "
    "or it uses the pointer after the object has moved.",
    "T1": "TRANSFORM_WORLD: all data is converted while the kernel stands still.",
    "T2": "TRANSFORM_WORLD where calls are counted: new calls wait meanwhile.",
    "T3": "TRANSFORM_ON_ACCESS: conversion is enabled, after R9 and never before; new code "
    "converts what it uses, and that is tracked.",
    "T4": "Conversion is disabled, and what is tracked is reversed, before any old code runs.",
    "I1": "One call of a function is old or new from its begin to its end.",
    "I2": "One visit to the patched functions, from the outermost call to its return, is all old "
    "or all new. LEAVE_PATCHED_SET and LEAVE_KERNEL with SWITCH_THREAD or SWITCH_KERNEL give it.",
    "I3": "One visit to the kernel is all old or all new. LEAVE_KERNEL gives it.",
    "I4": "Old and new functions never run at once, in any threads. SWITCH_KERNEL gives it.",
    "I5": "One function is never old and new at once; different functions may be.",
    "I6": "After the transition is complete no old function runs, or can be called.",
    "I7": "A counter always equals what is on the stack.",
    "I8": "In one transition each thread, function or kernel switches once.",
    "I9": "TRANSFORM_WORLD: after the stop there is no data in the old form, and no thread has run "
    "meanwhile.",
    "I10": "An old function never meets data in the new form.",
    "I11": "Conversion is on only when the transition is complete.",
    "I12": "On revert no old function runs before the last object is reversed.",
    "I13": "TRANSFORM_WORLD works only where nothing new has run before the flip, and no thread "
    "is in a patched function then: LEAVE_PATCHED_SET or LEAVE_KERNEL with SWITCH_KERNEL.",
    "I14": "TRANSFORM_ON_ACCESS works only where no old function runs after the transition.",
    "L1": "Mode null-model never waits.",
    "L2": "SWITCH_THREAD, by the exit of each visit: the transition ends if every thread leaves "
    "the area at some time.",
    "L3": "SWITCH_KERNEL may never end from two threads on: visits that overlap keep the count up.",
    "L4": "SWITCH_KERNEL by ticks alone can miss every moment at which nobody is inside.",
    "L5": "Where a thread never returns from a patched function, SWITCH_KERNEL never flips, and "
    "SWITCH_THREAD never completes.",
    "L6": "With LEAVE_KERNEL a kernel thread, or one blocked in a system call, holds the "
    "transition up though it never calls a patched function. With LEAVE_PATCHED_SET it does not.",
    "L7": "A thread that is idle in user space passes no exit: it has to be switched where it is.",
    "L8": "On one schedule LEAVE_PATCHED_SET is never later than LEAVE_KERNEL, and SWITCH_THREAD "
    "never later than SWITCH_KERNEL.",
    "L9": "While the engine waits for a thread, its deadline and a reversal still take effect.",
}
