# SPDX-License-Identifier: MIT
"""What draft makes of each diff in tests/cases: small changes made up for one purpose each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

KERNEL = "6.1.0-47-amd64"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """The right answer for one diff."""

    what: str
    replaced: Mapping[str, Sequence[str]] = field(default_factory=dict)  # object -> functions
    complete: str = "proved"
    left_out: Sequence[str] = ()  # paths
    no_effect: bool = False  # the object code is what it was
    slow: bool = False  # takes minutes

    @property
    def rc(self) -> int:
        return 0 if self.complete == "proved" else 9


def _vmlinux(*names: str) -> dict[str, Sequence[str]]:
    return {"vmlinux": names}


_RELEASE = _vmlinux("ep_eventpoll_release")
CASES: dict[str, Case] = {
    "another-architecture": Case(
        what=(
            "a fix of this architecture, of another architecture, and of a program in the "
            "kernel's tree"
        ),
        replaced=_vmlinux("__ia32_sys_name_to_handle_at", "__x64_sys_name_to_handle_at"),
    ),
    "asm1": Case(
        what="a change of an assembler file and of a function",
        replaced=_RELEASE,
        complete="incomplete",
        left_out=["arch/x86/lib/putuser.S"],
    ),
    "b1-two-objects": Case(
        what="a fix of vmlinux and of a module",
        replaced={**_RELEASE, "vsock": ["vsock_update_buffer_size"]},
    ),
    "bpf-helper": Case(
        what="a BPF helper, which a macro defines",
        replaced=_vmlinux("bpf_csum_update"),
    ),
    "c1-elf-map": Case(
        what=(
            "a function whose compat version is a changed copy, in a file that includes the "
            "first file"
        ),
        replaced=_vmlinux("elf_load", "elf_map", "load_elf_binary"),
    ),
    "climbing-include-path": Case(
        what="a header that files of another folder find through `-I $(src)/../`",
        replaced={"iwlmvm": ["iwl_mvm_wait_sta_queues_empty", "iwl_mvm_sta_tx_agg_flush"]},
    ),
    "compat-syscall": Case(
        what="a compat system call, which has two entry functions",
        replaced=_vmlinux("__ia32_compat_sys_rt_sigqueueinfo", "__x64_compat_sys_rt_sigqueueinfo"),
    ),
    "condition-alone": Case(
        what="a macro of a header that only an `#ifdef` of the header names",
        replaced={"appletalk": ["atalk_sendmsg"], "dccp_ipv6": ["dccp_v6_connect"]},
    ),
    "do-once": Case(
        what="a function that gets a random number once: a copy of it would get another one",
        replaced={"nf_conntrack": ["nf_ct_expect_dst_hash"]},
        complete="not checked",
    ),
    "dw2-dax": Case(
        what="a helper whose inlined copies are not in the debug information",
        replaced=_vmlinux(
            "dax_disassociate_entry",
            "dax_insert_entry",
            "dax_layout_busy_page_range",
            "dax_lock_mapping_entry",
            "dax_writeback_mapping_range",
            "grab_mapping_entry",
        ),
    ),
    "e1b-enum-in-c": Case(
        what="an enum constant and a function",
        replaced=_vmlinux("idle_worker_timeout", "pool_mayday_timeout", "worker_enter_idle"),
    ),
    "e2-enum-alone": Case(
        what="only an enum constant",
        replaced=_vmlinux("idle_worker_timeout", "worker_enter_idle"),
    ),
    "exec-tlb-header": Case(
        what="a file that includes a header of which modules see only one half",
        replaced=_vmlinux("set_dumpable"),
    ),
    "exported-gains-parameter": Case(
        what="an exported function gets a parameter; two modules call it",
        replaced={
            "kvm": ["irqfd_wakeup"],
            "vfio_virqfd": ["virqfd_wakeup"],
            "vmlinux": ["eventfd_ctx_remove_wait_queue"],
        },
        slow=True,
    ),
    "g1-guard": Case(
        what="a function gets another #if",
        replaced=_vmlinux(
            "clocksource_change_rating",
            "clocksource_start_suspend_timing",
            "clocksource_stop_suspend_timing",
            "clocksource_unbind",
        ),
    ),
    "global-gains-parameter": Case(
        what="a function gets a parameter; another file calls it",
        replaced=_vmlinux("clock_was_set", "timerfd_resume_work"),
    ),
    "h2-inline-header-and-c": Case(
        what="an inline function of a header, used in vmlinux and in thirteen modules",
        replaced={
            "atm": ["sigd_send"],
            "ax25": ["ax25_kiss_rcv"],
            "bluetooth": ["l2cap_sock_new_connection_cb"],
            "dccp_ipv4": ["dccp_v4_conn_request", "dccp_v4_request_recv_sock"],
            "dccp_ipv6": ["dccp_v6_conn_request", "dccp_v6_request_recv_sock"],
            "netrom": ["nr_rx_frame"],
            "nfc": ["nfc_llcp_rx_skb"],
            "pn_pep": ["pep_do_rcv"],
            "rfcomm": ["rfcomm_connect_ind"],
            "rose": ["rose_rx_call_request"],
            "sctp": ["sctp_sf_do_5_1D_ce"],
            "smc": ["smc_tcp_syn_recv_sock"],
            "vmlinux": [
                "tcp_conn_request",
                "tcp_get_syncookie_mss",
                "tcp_v4_syn_recv_sock",
                "tcp_v6_syn_recv_sock",
            ],
            "vmw_vsock_virtio_transport_common": ["virtio_transport_recv_pkt"],
        },
        slow=True,
    ),
    "header-enum": Case(
        what=(
            "a new constant in an enum of a header changes the values of others; one user "
            "has static data"
        ),
        replaced=_vmlinux(
            "futex_lock_pi",
            "futex_requeue",
            "futex_unlock_pi",
            "futex_wait_multiple",
            "futex_wait_requeue_pi",
            "futex_wait_setup",
            "futex_wake",
            "futex_wake_op",
            "get_futex_key",
        ),
        complete="not checked",
        slow=True,
    ),
    "header-macro-symbol": Case(
        what=(
            "an inline function of a header; macros of two modules use a symbol that a third "
            "module exports"
        ),
        replaced={
            "dccp_ipv4": ["dccp_v4_conn_request"],
            "dccp_ipv6": ["dccp_v6_conn_request"],
            "vmlinux": ["cookie_v4_check", "cookie_v6_check", "tcp_conn_request"],
        },
        slow=True,
    ),
    "helper-gains-parameter": Case(
        what="a static helper gets a parameter", replaced=_vmlinux("prctl_set_mm")
    ),
    "i1-module-param": Case(
        what="the mode of a module parameter, and a function",
        replaced={"loop": ["lo_ioctl"]},
        complete="incomplete",
        left_out=["drivers/block/loop.c"],
    ),
    "idtentry": Case(
        what="the entry of an exception, which assembler code calls",
        complete="incomplete",
        left_out=["arch/x86/kernel/traps.c"],
    ),
    "k2-module-key": Case(
        what="a static key that another file of the module defines",
        replaced={"nf_tables": ["nft_do_chain"]},
    ),
    "kc1-makefile": Case(
        what="a Makefile, a Kconfig file and a function",
        replaced=_RELEASE,
        complete="incomplete",
        left_out=["fs/Kconfig", "fs/Makefile"],
    ),
    "kfunc-flags": Case(
        what="the flags of a function that BPF may call; no symbol refers to them",
        complete="incomplete",
        left_out=["net/netfilter/nf_nat_bpf.c"],
    ),
    "kvm-svm-include-path": Case(
        what="only data, in a file whose headers are found through its Makefile",
        complete="incomplete",
        left_out=["arch/x86/kvm/svm/svm.c"],
    ),
    "kvm-x86-ops-tag": Case(
        what="a variable with the same name as its struct",
        replaced={"kvm": ["kvm_arch_vm_ioctl"]},
        slow=True,
    ),
    "m1-nested-macro": Case(
        what="a macro that another macro uses",
        replaced=_vmlinux("do_epoll_ctl", "ep_eventpoll_release", "ep_poll_callback"),
    ),
    "macro-named-data": Case(
        what="data whose name a macro builds, in a file that another file includes",
        replaced=_vmlinux("task_tick_rt"),
    ),
    "macro-timer": Case(
        what="a timer that a macro defines",
        replaced=_vmlinux("pstore_dump", "pstore_register", "pstore_timefunc"),
    ),
    "mailbox": Case(
        what="two mails in one file, quoted-printable and base64",
        replaced={**_RELEASE, "vsock": ["vsock_update_buffer_size"]},
    ),
    "md-header-alone": Case(
        what="only an inline function of a header, used by two modules",
        replaced={
            "raid1": ["raid1_sync_request", "raid1d"],
            "raid10": ["raid10_sync_request", "raid10d"],
        },
        slow=True,
    ),
    "mlx5-include-path": Case(
        what="headers that are found through the Makefile",
        replaced={"mlx5_core": ["slow_pci_heuristic"]},
    ),
    "moved-variable": Case(
        what="a variable moves to another file, where a function begins to use it",
        replaced=_vmlinux("eventfd_release"),
    ),
    "mv1-moved": Case(
        what="a function moves to another file and changes",
        replaced=_vmlinux("unix_getname", "unix_peer_get"),
    ),
    "n1-new-file": Case(what="a new file, and a caller of a function in it", replaced=_RELEASE),
    "new-file-caller-first": Case(
        what="a new file and a new header", replaced=_vmlinux("cmdline_proc_show")
    ),
    "new-system-call": Case(
        what="a new system call; the kernel's table has no entry for it",
        complete="incomplete",
        left_out=["fs/fhandle.c"],
    ),
    "p1-igmp-and-mcast": Case(
        what="two files; the object code does not change",
        complete="incomplete",
        no_effect=True,
    ),
    "peer-bug-table": Case(
        what="kpatch: a WARN_ON, which has an entry in a table",
        replaced=_vmlinux("loadavg_proc_show"),
    ),
    "peer-comment": Case(
        what="klp-build: comments move the lines of a function that has WARN_ON",
        complete="incomplete",
        no_effect=True,
    ),
    "peer-init-alone": Case(
        what="kpatch: a change of an __init function only must be refused",
        complete="incomplete",
        left_out=["fs/proc/version.c"],
    ),
    "peer-new-global": Case(
        what="kpatch: a new static variable", replaced=_vmlinux("uptime_proc_show")
    ),
    "peer-new-initcall": Case(
        what="klp-build: a new initcall, and a function",
        replaced=_vmlinux("uptime_proc_show"),
        complete="incomplete",
        left_out=["fs/proc/uptime.c"],
    ),
    "peer-operations": Case(
        what="kpatch: another function in a table of operations must be refused",
        complete="incomplete",
        left_out=["fs/eventfd.c"],
    ),
    "peer-same-name-twice": Case(
        what="kpatch: two functions of the same name, in two files, both change",
        replaced=_vmlinux("__kernel_read", "__kernel_write_iter", "warn_unsupported"),
    ),
    "peer-static-local": Case(
        what="kpatch: a new static variable in a function",
        replaced=_vmlinux("version_proc_show"),
    ),
    "peer-untraceable": Case(
        what="kpatch: a function without a fentry call must be refused",
        complete="incomplete",
        left_out=["lib/kstrtox.c"],
    ),
    "peer-user-access": Case(
        what="kpatch: access to user space, with alternatives and exception table entries",
        replaced=_vmlinux("__ia32_sys_getcpu", "__x64_sys_getcpu"),
    ),
    "raid10-included-c": Case(
        what="a file that includes a C file", replaced={"raid10": ["raid10_status"]}
    ),
    "ratelimit": Case(
        what="one more ratelimited message, where other functions of the file have theirs",
        replaced=_vmlinux("end_swap_bio_read"),
    ),
    "static-call": Case(
        what="a static call that the file defines, with the same name as the changed function",
        replaced=_vmlinux("x86_pmu_add"),
    ),
    "renamed-variable": Case(
        what="a variable gets another name: its value would be lost",
        replaced=_vmlinux("do_epoll_ctl", "ep_loop_check_proc", "reverse_path_check_proc"),
        complete="not checked",
        slow=True,
    ),
    "static-twins": Case(
        what="two modules with static functions of the same names",
        replaced={"ip6_tables": ["translate_table"], "ip_tables": ["translate_table"]},
    ),
    "t1-typedef-ptr": Case(
        what="new members in a struct that has only a typedef",
        replaced={"binfmt_misc": ["bm_register_write", "put_binfmt_handler"]},
        complete="incomplete",
        left_out=["fs/binfmt_misc.c"],
    ),
    "trace-event": Case(
        what="a macro of trace events and a function; inlined copies of the function stay the same",
        replaced=_vmlinux("vfs_fsync_range"),
        complete="incomplete",
        left_out=["kernel/signal.c"],
    ),
    "two-twins": Case(
        what="two files have static functions of the same name, and each calls its own",
        replaced=_vmlinux("ip6mr_sk_done", "mrtsock_destruct"),
    ),
    "typedef-layout": Case(
        what="only a typedef, which members of structs have as their type",
        replaced={
            "ppp_generic": ["ppp_net_siocdevprivate"],
            "slhc": ["slhc_compress", "slhc_init", "slhc_remember", "slhc_toss", "slhc_uncompress"],
            "slip": ["sl_get_stats64"],
        },
        complete="not checked",
    ),
    "vhost-two-modules": Case(
        what="a new function that one module exports and another calls",
        replaced={"vhost_net": ["handle_rx"]},
        complete="incomplete",
        left_out=["drivers/vhost/vhost.c"],
    ),
    "w2-pagewalk": Case(
        what="the kernel's only symbol of the name is the function of another file",
        replaced=_vmlinux("walk_pgd_range"),
    ),
    "w3-rw-warn": Case(
        what="another file has a function of the same name",
        replaced=_vmlinux("__kernel_read", "__kernel_write_iter"),
    ),
    "weak-callee": Case(
        what="a call of a weak function; the kernel uses the definition in another file",
        replaced=_vmlinux("__ia32_sys_prctl", "__x64_sys_prctl"),
    ),
    "weak-default": Case(
        what="a weak function; the kernel uses the definition in another file",
        complete="incomplete",
        no_effect=True,
    ),
}
