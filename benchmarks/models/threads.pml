/* SPDX-License-Identifier: MIT */
/*
 * docs/semantics.md, one process for each thread: LEAVE_PATCHED_SET with entries and exits counted
 * and the flip in the exit callback; f calls itself once; one object, TRANSFORM_ON_ACCESS.
 *
 * -DN=threads; -DST: SWITCH_THREAD, else SWITCH_KERNEL; -DTWO: f and g call each other. Faults: -DRACE count after look-up, -DNOINIT
 * counters from zero, -DSKIP no check, -DEARLY conversion before the transition is complete.
 * Written from the page by hand: it shares nothing with lppack/checker.
 */
#ifndef N
#define N 2
#endif
#define DEPTH 2
#define IDLE 0
#define MOVING 1
#define DONE 2

typedef thread {
	bit in_kernel;
	byte depth;
	bit low;	/* universe of the outer activation */
	bit high;	/* of the inner one */
#ifdef TWO
	bit low_g;	/* it is g, not f */
	bit high_g;
#endif
	byte cnt;
	bit u;
#ifdef RACE
	bit looked;
	bit found;
#endif
};

thread t[N];
byte phase;
bit universe, conv, form;
byte i, sum;

#ifdef ST
#define UNIVERSE t[_pid].u
#else
#define UNIVERSE universe
#endif

/* R8, after the count of thread _pid has changed. */
inline exit_callback() {
#ifdef ST
	if
	:: phase == MOVING && t[_pid].cnt == 0 -> t[_pid].u = 1
	:: else
	fi
#else
	sum = 0;
	i = 0;
	do
	:: i < N -> sum = sum + t[i].cnt; i++
	:: else -> break
	od;
	i = 0;
	if
	:: phase == MOVING && sum == 0 -> universe = 1
	:: else
	fi;
	sum = 0
#endif
}

inline push(univ, g) {
	if
	:: phase != IDLE -> t[_pid].cnt++
	:: else
	fi;
	if
	:: t[_pid].depth == 0 -> t[_pid].low = univ
	:: else -> t[_pid].high = univ
	fi;
#ifdef TWO
	if
	:: t[_pid].depth == 0 -> t[_pid].low_g = g
	:: else -> t[_pid].high_g = g
	fi;
#endif
	t[_pid].depth++
}

#define TOP (t[_pid].depth == 2 -> t[_pid].high : t[_pid].low)

active [N] proctype visits() {
	do
	:: d_step { !t[_pid].in_kernel -> t[_pid].in_kernel = 1 }			/* R1 */
#ifdef RACE
	:: d_step { t[_pid].in_kernel && t[_pid].depth == 0 && !t[_pid].looked -> t[_pid].in_kernel = 0 }
	:: d_step { t[_pid].in_kernel && t[_pid].depth < DEPTH && !t[_pid].looked ->
		t[_pid].found = UNIVERSE; t[_pid].looked = 1 }
	:: d_step { t[_pid].looked -> push(t[_pid].found, 0); t[_pid].looked = 0; t[_pid].found = 0 }
	:: d_step { t[_pid].depth > 0 && !t[_pid].looked ->
#else
	:: d_step { t[_pid].in_kernel && t[_pid].depth == 0 -> t[_pid].in_kernel = 0 }	/* R2 */
	:: d_step { t[_pid].in_kernel && t[_pid].depth < DEPTH -> push(UNIVERSE, 0) }	/* R3 */
#ifdef TWO
	:: d_step { t[_pid].in_kernel && t[_pid].depth < DEPTH -> push(UNIVERSE, 1) }
#endif
	:: d_step { t[_pid].depth > 0 ->						/* R4 */
#endif
		t[_pid].depth--;
		if
		:: t[_pid].depth == 0 -> t[_pid].low = 0
		:: else -> t[_pid].high = 0
		fi;
#ifdef TWO
		if
		:: t[_pid].depth == 0 -> t[_pid].low_g = 0
		:: else -> t[_pid].high_g = 0
		fi;
#endif
		if
		:: phase != IDLE && t[_pid].cnt > 0 -> t[_pid].cnt--
		:: else
		fi;
		exit_callback()
	   }
	:: d_step { t[_pid].depth > 0 && TOP == 1 && conv -> form = 1 }			/* T3 */
	:: d_step { t[_pid].depth > 0 && TOP == 0 && form == 1 -> assert(false) }	/* I10 */
	od
}

active proctype engine() {
	do
	:: d_step { phase == IDLE ->							/* R6 */
		phase = MOVING;
		i = 0;
		sum = 0;
		do
		:: i < N ->
#ifndef NOINIT
			t[i].cnt = t[i].depth;
#endif
			sum = sum + t[i].cnt;
#ifdef ST
#ifdef SKIP
			t[i].u = 1;
#else
			if
			:: t[i].cnt == 0 -> t[i].u = 1
			:: else
			fi;
#endif
#endif
			i++
		:: else -> break
		od;
		i = 0;
#ifndef ST
#ifdef SKIP
		universe = 1;
#else
		if
		:: sum == 0 -> universe = 1
		:: else
		fi;
#endif
#endif
		sum = 0
	   }
	:: d_step { phase == MOVING && sum == 0 ->					/* R9 */
		i = 0;
		do
		:: i < N ->
#ifdef ST
			sum = sum + (1 - t[i].u);
#endif
			i++
		:: else -> break
		od;
		i = 0;
#ifndef ST
		sum = 1 - universe;
#endif
		if
		:: sum == 0 -> phase = DONE
		:: else
		fi;
		sum = 0
	   }
#ifdef EARLY
	:: d_step { phase != IDLE && !conv -> conv = 1 }
#else
	:: d_step { phase == DONE && !conv -> conv = 1 }				/* T3 */
#endif
	od
}
