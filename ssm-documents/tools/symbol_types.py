"""Types of the kernel's global variables that Volatility 3 reads. BTF has no types of variables, except per-CPU ones."""

from btf_types import array, base, pointer, struct_named

FUNCTION = {"kind": "function"}
UNKNOWN_LENGTH = 0

_STRUCTS = {
    "arp_seq_ops": "seq_operations",
    "bpf_kallsyms": "list_head",
    "bpf_tree": "latch_tree_root",
    "clocksource_list": "list_head",
    "fair_sched_class": "sched_class",
    "ftrace_list_end": "ftrace_ops",
    "ftrace_mod_maps": "list_head",
    "ftrace_ops_trampoline_list": "list_head",
    "init_files": "files_struct",
    "init_fs": "fs_struct",
    "init_mm": "mm_struct",
    "init_net": "net",
    "init_nsproxy": "nsproxy",
    "init_pid_ns": "pid_namespace",
    "init_task": "task_struct",
    "init_user_ns": "user_namespace",
    "init_uts_ns": "uts_namespace",
    "iomem_resource": "resource",
    "ioport_resource": "resource",
    "keyboard_notifier_list": "atomic_notifier_head",
    "map_idr": "idr",
    "mod_tree": "mod_tree_root",
    "modules": "list_head",
    "net_namespace_list": "list_head",
    "packet_seq_ops": "seq_operations",
    "perf_event_task_events": "list_head",
    "printk_rb_dynamic": "printk_ringbuffer",
    "printk_rb_static": "printk_ringbuffer",
    "prog_idr": "idr",
    "raw6_seq_ops": "seq_operations",
    "raw_seq_ops": "seq_operations",
    "socket_file_ops": "file_operations",
    "sockfs_dentry_operations": "dentry_operations",
    "super_blocks": "list_head",
    "tcp4_seq_afinfo": "tcp_seq_afinfo",
    "tcp4_seq_ops": "seq_operations",
    "tcp6_seq_afinfo": "tcp_seq_afinfo",
    "tcp6_seq_ops": "seq_operations",
    "tk_core": "timekeeper",
    "tty_drivers": "list_head",
    "udp4_seq_afinfo": "udp_seq_afinfo",
    "udp6_seq_afinfo": "udp_seq_afinfo",
    "udp6_seq_ops": "seq_operations",
    "udp_seq_ops": "seq_operations",
    "udplite4_seq_afinfo": "udp_seq_afinfo",
    "udplite6_seq_afinfo": "udp_seq_afinfo",
    "unix_seq_ops": "seq_operations",
    "wall_to_monotonic": "timespec",
}

_STRUCT_POINTERS = {
    "ftrace_ops_list": "ftrace_ops",
    "module_kset": "kset",
    "pid_hash": "hlist_head",
    "prb": "printk_ringbuffer",
}

_BASES = {
    "__pgtable_l5_enabled": "unsigned int",
    "cap_last_cap": "int",
    "kallsyms_num_syms": "unsigned int",
    "kallsyms_relative_base": "long unsigned int",
    "log_buf_len": "unsigned int",
    "log_first_idx": "unsigned int",
    "log_next_idx": "unsigned int",
    "num_registered_fb": "int",
    "page_offset_base": "long unsigned int",
    "pgtable_l5_enabled": "unsigned int",
    "phys_base": "long unsigned int",
    "pidhash_shift": "int",
    "vfsmount_lock": "int",
    "vmalloc_base": "long unsigned int",
    "vmemmap_base": "long unsigned int",
}

_BASE_ARRAYS = {
    "__log_buf": "char",
    "__start___tracepoints_ptrs": "int",
    "__stop___tracepoints_ptrs": "int",
    "_einittext": "char",
    "_end": "char",
    "_etext": "char",
    "_sinittext": "char",
    "_stext": "char",
    "_text": "char",
    "kallsyms_markers": "unsigned int",
    "kallsyms_names": "unsigned char",
    "kallsyms_offsets": "int",
    "kallsyms_seqs_of_names": "unsigned char",
    "kallsyms_token_index": "short unsigned int",
    "kallsyms_token_table": "char",
    "linux_banner": "char",
}

_STRUCT_ARRAYS = {
    "__start___ksymtab": "kernel_symbol",
    "__stop___ksymtab": "kernel_symbol",
    "init_level4_pgt": "pgd_t",
    "init_top_pgt": "pgd_t",
    "swapper_pg_dir": "pgd_t",
}


def taint_flags_of(version):
    """How many taint flags a kernel has: TAINT_FLAGS_COUNT in include/linux/panic.h of that version."""
    if version >= (6, 15):
        return 20
    if version >= (6, 0):
        return 19
    return 18 if version >= (4, 17) else 17


def symbol_types(version, types):
    """{symbol: type} for a kernel of `version`, e.g. (6, 1)."""
    known = {name: struct_named(kind) for name, kind in _STRUCTS.items()}
    known |= {name: pointer(struct_named(kind)) for name, kind in _STRUCT_POINTERS.items()}
    known |= {name: base(kind) for name, kind in _BASES.items()}
    known |= {name: array(UNKNOWN_LENGTH, base(kind)) for name, kind in _BASE_ARRAYS.items()}
    known |= {name: array(UNKNOWN_LENGTH, struct_named(kind)) for name, kind in _STRUCT_ARRAYS.items()}
    known |= {
        "high_memory": pointer(base("void")),
        "ia32_sys_call_table": array(UNKNOWN_LENGTH, pointer(FUNCTION)),
        "idt_table": array(256, struct_named("gate_struct")),
        "log_buf": pointer(base("char")),
        "mem_section": pointer(pointer(struct_named("mem_section"))),
        "nf_hooks": array(13, array(8, struct_named("list_head"))),
        "node_data": array(UNKNOWN_LENGTH, pointer(struct_named("pglist_data"))),
        "registered_fb": array(32, pointer(struct_named("fb_info"))),
        "sys_call_table": array(UNKNOWN_LENGTH, pointer(FUNCTION)),
        "taint_flags": array(taint_flags_of(version), struct_named("taint_flag")),
    }
    # The structure of tk_core is anonymous: it is the one that holds a timekeeper and its sequence counter.
    for name, description in types.user_types.items():
        if "timekeeper" in description["fields"] and "seq" in description["fields"]:
            known["tk_core"] = struct_named(name)
            break
    return known
