/* SPDX-License-Identifier: GPL-2.0-only */
/* lppack_engine: its trace events. TRACE_SYSTEM is their folder below events/. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM lppack

#if !defined(LPPACK_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define LPPACK_TRACE_H

#include <linux/module.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/tracepoint.h>

DECLARE_EVENT_CLASS(lppack_transition,
		    TP_PROTO(const char *module, bool patching),
		    TP_ARGS(module, patching),
		    TP_STRUCT__entry(__array(char, module, MODULE_NAME_LEN)
				     __field(bool, patching)
		    ),
		    TP_fast_assign(strscpy(__entry->module, module, MODULE_NAME_LEN);
				   __entry->patching = patching;
		    ),
		    TP_printk("%s %s", __entry->module,
			      __entry->patching ? "patching" : "unpatching")
);

DEFINE_EVENT(lppack_transition, lppack_begin,
	     TP_PROTO(const char *module, bool patching), TP_ARGS(module, patching));
DEFINE_EVENT(lppack_transition, lppack_turned,
	     TP_PROTO(const char *module, bool patching), TP_ARGS(module, patching));
DEFINE_EVENT(lppack_transition, lppack_end,
	     TP_PROTO(const char *module, bool patching), TP_ARGS(module, patching));

/* The machine stood still for so long; left: threads that were in the way. */
TRACE_EVENT(lppack_stop,
	    TP_PROTO(const char *module, u64 ns, unsigned int left),
	    TP_ARGS(module, ns, left),
	    TP_STRUCT__entry(__array(char, module, MODULE_NAME_LEN)
			     __field(u64, ns)
			     __field(unsigned int, left)
	    ),
	    TP_fast_assign(strscpy(__entry->module, module, MODULE_NAME_LEN);
			   __entry->ns = ns;
			   __entry->left = left;
	    ),
	    TP_printk("%s ns=%llu left=%u", __entry->module, __entry->ns, __entry->left)
);

/* held: the thread waits at the border. signalled: the engine has signalled the thread. */
DECLARE_EVENT_CLASS(lppack_thread,
		    TP_PROTO(const char *module, struct task_struct *task),
		    TP_ARGS(module, task),
		    TP_STRUCT__entry(__array(char, module, MODULE_NAME_LEN)
				     __array(char, comm, TASK_COMM_LEN)
				     __field(pid_t, tid)
		    ),
		    TP_fast_assign(strscpy(__entry->module, module, MODULE_NAME_LEN);
				   memcpy(__entry->comm, task->comm, TASK_COMM_LEN);
				   __entry->tid = task->pid;
		    ),
		    TP_printk("%s comm=%s tid=%d", __entry->module, __entry->comm, __entry->tid)
);

DEFINE_EVENT(lppack_thread, lppack_held,
	     TP_PROTO(const char *module, struct task_struct *task), TP_ARGS(module, task));
DEFINE_EVENT(lppack_thread, lppack_signalled,
	     TP_PROTO(const char *module, struct task_struct *task), TP_ARGS(module, task));

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE lppack_trace
#include <trace/define_trace.h>
