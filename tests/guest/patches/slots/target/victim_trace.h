/* SPDX-License-Identifier: GPL-2.0-only */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM victim

#if !defined(VICTIM_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define VICTIM_TRACE_H

#include <linux/tracepoint.h>

TRACE_EVENT(victim_shown,
	    TP_PROTO(int number),
	    TP_ARGS(number),
	    TP_STRUCT__entry(__field(int, number)),
	    TP_fast_assign(__entry->number = number;),
	    TP_printk("number %d", __entry->number)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE victim_trace
#include <trace/define_trace.h>
