# SPDX-License-Identifier: MIT
"""Words of the kernel's C that the grammar does not know, with their meaning."""

import re

from lppack.csource.items import Item, ItemKind

WORD = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|(?<![\w.])(?<!->)[A-Za-z_]\w*")
# include/linux/compiler_types.h, compiler_attributes.h, cache.h, init.h, net/net_namespace.h
# (v6.1): words that stand where the grammar expects none.
ATTRIBUTES = re.compile(
    r"\b(?:__packed|__randomize_layout|__read_mostly|__ro_after_init|__initdata|__initconst|__exitdata|__net_initdata"
    r"|__maybe_unused|__always_unused|__used|__cacheline_aligned(?:_in_smp)?|____cacheline_aligned"
    r"(?:_in_smp)?|__user|__rcu|__percpu|__iomem|__force|__must_check|__cold|__weak|__pure"
    r"|asmlinkage|__visible|noinline(?:_for_stack)?|__always_inline|__init|__exit|__net_init"
    r"|__net_exit|__ref|__refdata|__sched|__lockfunc|notrace|noinstr|nokprobe_inline|__kprobes"
    r"|__latent_entropy|__no_sanitize_\w+|__no_kcsan|__bpf_kfunc|__cpuidle|__meminit|fastcall"
    r"|(?:__acquires|__releases|__must_hold|__printf|__scanf|__aligned|__section|__malloc"
    r"|__cond_acquires)\((?:[^()]|\([^()]*\))*\))(?!\w)"
)
INLINE = re.compile(
    r"\b(?:inline|__always_inline|__inline|nokprobe_inline|MEM_STATIC|HINT_INLINE"
    r"|FORCE_INLINE_TEMPLATE)\b"
)
#: "static", and macros of that meaning (fs/xfs/xfs_linux.h, fs/btrfs/ctree.h and lib/zstd, v6.1).
STATIC_WORDS = "static|STATIC|EXPORT_FOR_TESTS|MEM_STATIC|HINT_INLINE|FORCE_INLINE_TEMPLATE"
STATIC = re.compile(rf"\b(?:{STATIC_WORDS})\b")
INIT = re.compile(r"\b__(?:init|initdata|initconst|exit|meminit)\b")
# include/linux/*.h (v6.1): what defines a variable, and how the same is declared.
_DEFINERS = {
    "DEFINE_MUTEX": "extern struct mutex {0};",
    "DEFINE_SPINLOCK": "extern spinlock_t {0};",
    "DEFINE_RAW_SPINLOCK": "extern raw_spinlock_t {0};",
    "DEFINE_RWLOCK": "extern rwlock_t {0};",
    "DECLARE_RWSEM": "extern struct rw_semaphore {0};",
    "DEFINE_SEMAPHORE": "extern struct semaphore {0};",
    "DEFINE_IDR": "extern struct idr {0};",
    "DEFINE_IDA": "extern struct ida {0};",
    "DEFINE_XARRAY": "extern struct xarray {0};",
    "DEFINE_XARRAY_ALLOC": "extern struct xarray {0};",
    "DEFINE_XARRAY_ALLOC1": "extern struct xarray {0};",
    "DEFINE_XARRAY_FLAGS": "extern struct xarray {0};",
    "DEFINE_MTREE": "extern struct maple_tree {0};",
    "DEFINE_TIMER": "extern struct timer_list {0};",
    "DEFINE_RT_MUTEX": "extern struct rt_mutex {0};",
    "DEFINE_WW_CLASS": "extern struct ww_class {0};",
    "DEFINE_WD_CLASS": "extern struct ww_class {0};",
    "DEFINE_RATELIMIT_STATE": "extern struct ratelimit_state {0};",
    "DEFINE_PERCPU_RWSEM": "extern struct percpu_rw_semaphore {0};",
    "DEFINE_STATIC_PERCPU_RWSEM": "extern struct percpu_rw_semaphore {0};",
    "DEFINE_LED_TRIGGER": "extern struct led_trigger *{0};",
    "DECLARE_COMPLETION": "extern struct completion {0};",
    "DECLARE_TASKLET": "extern struct tasklet_struct {0};",
    "DECLARE_TASKLET_DISABLED": "extern struct tasklet_struct {0};",
    "DECLARE_TASKLET_OLD": "extern struct tasklet_struct {0};",
    "DECLARE_SWAIT_QUEUE_HEAD": "extern struct swait_queue_head {0};",
    "DECLARE_DEFERRABLE_WORK": "extern struct delayed_work {0};",
    "DEFINE_SEQLOCK": "extern seqlock_t {0};",
    "LIST_HEAD": "extern struct list_head {0};",
    "HLIST_HEAD": "extern struct hlist_head {0};",
    "LLIST_HEAD": "extern struct llist_head {0};",
    "DECLARE_WAIT_QUEUE_HEAD": "extern wait_queue_head_t {0};",
    "DECLARE_WORK": "extern struct work_struct {0};",
    "DECLARE_DELAYED_WORK": "extern struct delayed_work {0};",
    "DEFINE_STATIC_SRCU": "extern struct srcu_struct {0};",
    "DEFINE_SRCU": "extern struct srcu_struct {0};",
    "DEFINE_STATIC_KEY_FALSE": "extern struct static_key_false {0};",
    "DEFINE_STATIC_KEY_TRUE": "extern struct static_key_true {0};",
    "DEFINE_STATIC_KEY_FALSE_RO": "extern struct static_key_false {0};",
    "DEFINE_STATIC_KEY_TRUE_RO": "extern struct static_key_true {0};",
    "DEFINE_STATIC_KEY_ARRAY_FALSE": "extern struct static_key_false {0}[{1}];",
    "DEFINE_STATIC_KEY_ARRAY_TRUE": "extern struct static_key_true {0}[{1}];",
    "ATOMIC_NOTIFIER_HEAD": "extern struct atomic_notifier_head {0};",
    "BLOCKING_NOTIFIER_HEAD": "extern struct blocking_notifier_head {0};",
    "RAW_NOTIFIER_HEAD": "extern struct raw_notifier_head {0};",
    "SRCU_NOTIFIER_HEAD": "extern struct srcu_notifier_head {0};",
    "SRCU_NOTIFIER_HEAD_STATIC": "extern struct srcu_notifier_head {0};",
    "DECLARE_BITMAP": "extern unsigned long {0}[BITS_TO_LONGS({1})];",
    "DEFINE_HASHTABLE": "extern struct hlist_head {0}[1 << ({1})];",
    "DEFINE_READ_MOSTLY_HASHTABLE": "extern struct hlist_head {0}[1 << ({1})];",
    "DECLARE_HASHTABLE": "extern struct hlist_head {0}[1 << ({1})];",
    "DEFINE_PER_CPU": "DECLARE_PER_CPU({0}, {1});",
    "DEFINE_PER_CPU_ALIGNED": "DECLARE_PER_CPU_ALIGNED({0}, {1});",
    "DEFINE_PER_CPU_SHARED_ALIGNED": "DECLARE_PER_CPU_SHARED_ALIGNED({0}, {1});",
    "DEFINE_PER_CPU_READ_MOSTLY": "DECLARE_PER_CPU_READ_MOSTLY({0}, {1});",
    "DEFINE_PER_CPU_PAGE_ALIGNED": "DECLARE_PER_CPU_PAGE_ALIGNED({0}, {1});",
    "DEFINE_PER_CPU_FIRST": "DECLARE_PER_CPU_FIRST({0}, {1});",
}
# Before the macro stand words without brackets: static, __cacheline_aligned_in_smp.
_BEFORE = r"(?:(?:static|const|__\w+)\s+)*"
DEFINER = re.compile(
    rf"{_BEFORE}(?P<macro>{'|'.join(_DEFINERS)})\s*\((?P<words>[^()]*(?:\([^()]*\)[^()]*)*)\)"
)
INVOKED = re.compile(rf"{_BEFORE}[A-Za-z_]\w*\s*\(")
TAG = re.compile(r"\b(?:struct|union|enum)\s+[A-Za-z_]\w*")


def declared(item: Item) -> str:
    """Return a variable or function as a declaration, for what is defined elsewhere."""
    if item.kind is ItemKind.VARIABLE and (match := DEFINER.match(item.text)):
        return _DEFINERS[match["macro"]].format(*by_commas(match["words"]))
    text = item.text[: item.body] if item.body else item.text.rstrip("; \n")
    words = rf"\b(?:{STATIC_WORDS}|extern|inline|__always_inline|noinline|__init|__read_mostly"
    text = re.sub(rf"{words}|__ro_after_init|asmlinkage)\b\s*", "", text).strip()
    return f"extern {text};"


def is_static_key(item: Item) -> bool:
    """Return True if it is a variable for static_branch_likely() and similar macros."""
    match = DEFINER.match(item.text)
    return match is not None and match["macro"].startswith("DEFINE_STATIC_KEY_")


def by_commas(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]
