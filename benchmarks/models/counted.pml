/* SPDX-License-Identifier: MIT */
/*
 * docs/semantics.md, how many threads are in each state: the same as threads.pml, where threads are
 * interchangeable. -DN=threads; -DST: SWITCH_THREAD, else SWITCH_KERNEL. Faults: -DRACE, -DNOINIT,
 * -DSKIP, -DEARLY, as there. Written from the page by hand: it shares nothing with lppack/checker.
 *
 * A stack: USER, KERNEL, one activation (old or new), or two; odd numbers are new on top. A counter
 * of the area is the depth, once it counts; only with NOINIT it is something else, and stands apart.
 * The initial state has nobody in it: one more than there are.
 */
#ifndef N
#define N 2
#endif
#define USER 0
#define KERNEL 1
#define OLD 2
#define NEW 3
#define OLDOLD 4
#define OLDNEW 5
#define NEWOLD 6
#define NEWNEW 7
#define STACKS 8

#define EMPTY 0
#define IDLE 1
#define MOVING 2
#define DONE 3

#ifdef ST
#define US 2
#else
#define US 1
#endif
#ifdef NOINIT
#define NS 3	/* counted activations */
#else
#define NS 1
#endif
#ifdef RACE
#define RS 3	/* did not look, found old, found new */
#else
#define RS 1
#endif
#define AT(stack, u, n, r) (((((stack) * US + (u)) * NS + (n)) * RS) + (r))
#define PLACES (STACKS * US * NS * RS)

byte c[PLACES];
byte phase;
bit universe, conv, form;
byte counted;	/* all activations that are counted */
byte waiting;	/* threads, or the kernel, that have not switched */
byte i, j;

#ifdef ST
#define UNIVERSE(u) (u)
#else
#define UNIVERSE(u) universe
#endif

/* One thread goes from a place to another. */
#define MOVE(from, to) c[from]--; c[to]++

/* R3: counted, looked up and pushed in one step. */
#ifdef NOINIT
#define ENTERED(n) (phase != IDLE -> (n) + 1 : (n))
#define CAN_COUNT(n) (phase == IDLE || (n) < 2)
#else
#define ENTERED(n) (n)
#define CAN_COUNT(n) true
#endif
#define PUSHED(stack, v) ((stack) == KERNEL -> OLD + (v) : ((stack) == OLD -> OLDOLD + (v) : NEWOLD + (v)))
#define COUNT_IN counted = counted + (phase != IDLE -> 1 : 0)
#ifdef RACE
#define CALL(stack, u, n) \
	:: d_step { c[AT(stack, u, n, 0)] > 0 -> \
		j = AT(stack, u, n, 1 + UNIVERSE(u)); MOVE(AT(stack, u, n, 0), j); j = 0 } \
	:: d_step { c[AT(stack, u, n, 1)] > 0 -> \
		MOVE(AT(stack, u, n, 1), AT(PUSHED(stack, 0), u, n, 0)); COUNT_IN } \
	:: d_step { c[AT(stack, u, n, 2)] > 0 -> \
		MOVE(AT(stack, u, n, 2), AT(PUSHED(stack, 1), u, n, 0)); COUNT_IN }
#else
#define CALL(stack, u, n) \
	:: d_step { c[AT(stack, u, n, 0)] > 0 && CAN_COUNT(n) -> \
		j = AT(PUSHED(stack, UNIVERSE(u)), u, ENTERED(n), 0); \
		MOVE(AT(stack, u, n, 0), j); j = 0; COUNT_IN }
#endif

/* R4: popped, and R8 where the count reached zero: of the thread (n1), or of all. */
#ifdef NOINIT
#define LEFT(n) (phase != IDLE && (n) > 0 -> (n) - 1 : (n))
#define COUNT_OUT(n) counted = counted - (phase != IDLE && (n) > 0 -> 1 : 0)
#define ZERO(stack, n) ((n) == 0)
#else
#define LEFT(n) (n)
#define COUNT_OUT(n) counted = counted - (phase != IDLE -> 1 : 0)
#define ZERO(stack, n) ((stack) == KERNEL)
#endif
#ifdef ST
#define RETURN(stack, u, n, below) \
	:: d_step { c[AT(stack, u, n, 0)] > 0 -> \
		if \
		:: phase == MOVING && ZERO(below, LEFT(n)) && u == 0 -> \
			j = AT(below, 1, LEFT(n), 0); waiting-- \
		:: else -> j = AT(below, u, LEFT(n), 0) \
		fi; \
		COUNT_OUT(n); MOVE(AT(stack, u, n, 0), j); j = 0 }
#else
#define RETURN(stack, u, n, below) \
	:: d_step { c[AT(stack, u, n, 0)] > 0 -> \
		j = AT(below, u, LEFT(n), 0); COUNT_OUT(n); MOVE(AT(stack, u, n, 0), j); j = 0; \
		if \
		:: phase == MOVING && counted == 0 -> universe = 1; waiting = 0 \
		:: else \
		fi }
#endif

/* T3, and I10. */
#define CONVERT(stack, u, n) :: d_step { c[AT(stack, u, n, 0)] > 0 && conv -> form = 1 }
#define CHECK(stack, u, n) :: d_step { c[AT(stack, u, n, 0)] > 0 && form == 1 -> assert(false) }

#define THREADS(u, n) \
	:: d_step { c[AT(USER, u, n, 0)] > 0 -> MOVE(AT(USER, u, n, 0), AT(KERNEL, u, n, 0)) }	\
	:: d_step { c[AT(KERNEL, u, n, 0)] > 0 -> MOVE(AT(KERNEL, u, n, 0), AT(USER, u, n, 0)) } \
	CALL(KERNEL, u, n) \
	CALL(OLD, u, n) \
	CALL(NEW, u, n) \
	RETURN(OLD, u, n, KERNEL) \
	RETURN(NEW, u, n, KERNEL) \
	RETURN(OLDOLD, u, n, OLD) \
	RETURN(OLDNEW, u, n, OLD) \
	RETURN(NEWOLD, u, n, NEW) \
	RETURN(NEWNEW, u, n, NEW) \
	CONVERT(NEW, u, n) \
	CONVERT(OLDNEW, u, n) \
	CONVERT(NEWNEW, u, n) \
	CHECK(OLD, u, n) \
	CHECK(OLDOLD, u, n) \
	CHECK(NEWOLD, u, n)

active proctype threads() {
	do
	THREADS(0, 0)
#ifdef NOINIT
	THREADS(0, 1)
	THREADS(0, 2)
#endif
#ifdef ST
	THREADS(1, 0)
#ifdef NOINIT
	THREADS(1, 1)
	THREADS(1, 2)
#endif
#endif
	od
}

/* R6, for all threads with one stack: they are counted, and switch if the count is zero. */
inline arm(stack, deep) {
	i = 0;
	do
	:: i < RS ->
#ifndef NOINIT
		counted = counted + deep * c[AT(stack, 0, 0, i)];
#endif
#ifdef ST
		if
#ifdef SKIP
		:: true ->
#else
#ifdef NOINIT
		:: true ->
#else
		:: stack == USER || stack == KERNEL ->
#endif
#endif
			c[AT(stack, 1, 0, i)] = c[AT(stack, 0, 0, i)];
			waiting = waiting - c[AT(stack, 0, 0, i)];
			c[AT(stack, 0, 0, i)] = 0
		:: else
		fi;
#endif
		i++
	:: else -> break
	od;
	i = 0
}

active proctype engine() {
	do
	:: d_step { phase == EMPTY -> c[AT(USER, 0, 0, 0)] = N; phase = IDLE }
	:: d_step { phase == IDLE ->							/* R6 */
		phase = MOVING;
#ifdef ST
		waiting = N;
#else
		waiting = 1;
#endif
		arm(USER, 0);
		arm(KERNEL, 0);
		arm(OLD, 1);
		arm(OLDOLD, 2);
#ifndef ST
		if
#ifdef SKIP
		:: true -> universe = 1; waiting = 0
#else
		:: counted == 0 -> universe = 1; waiting = 0
		:: else
#endif
		fi
#endif
	   }
	:: d_step { phase == MOVING && waiting == 0 -> phase = DONE }			/* R9 */
#ifdef EARLY
	:: d_step { phase >= MOVING && !conv -> conv = 1 }
#else
	:: d_step { phase == DONE && !conv -> conv = 1 }				/* T3 */
#endif
	od
}
