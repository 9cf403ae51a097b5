//! The metrics of the machine.

use wca_model::MetricKind::{Counter, Gauge};

use crate::metrics::table::BOTH;
use crate::metrics::{MachineFact, MachinePart, MachineRead, Metric, Source};

/// A file about everything that the metric is of.
const fn whole(path: &'static str) -> MachinePart {
    MachinePart { path, label: None }
}

const STAT: &[MachinePart] = &[whole("/proc/stat")];
const MEMINFO: &[MachinePart] = &[whole("/proc/meminfo")];
const VMSTAT: &[MachinePart] = &[whole("/proc/vmstat")];
const ZONEINFO: &[MachinePart] = &[whole("/proc/zoneinfo")];
const PRESSURE: &[MachinePart] = &[
    MachinePart { path: "/proc/pressure/cpu", label: Some("cpu") },
    MachinePart { path: "/proc/pressure/io", label: Some("io") },
    MachinePart { path: "/proc/pressure/memory", label: Some("memory") },
];

/// All of them, by name.
///
/// Sources: the pages of proc(5) named at each way of reading, Documentation/ABI/stable/sysfs-devices-node,
/// Documentation/accounting/psi.rst.
pub(crate) static MACHINE: &[Metric] = &[
    Metric {
        name: "platform_cpu_usage",
        help: "Time that a logical CPU was busy, in 1/USER_HZ seconds (usually 10 ms), by /proc/stat.",
        kind: Counter,
        unit: "numeric",
        levels: &["cpu"],
        source: Source::Machine { files: STAT, read: MachineRead::BusyTime },
        confirmed: BOTH,
    },
    Metric {
        name: "platform_last_seen",
        help: "Unix time at which the machine was last read.",
        kind: Counter,
        unit: "timestamp",
        levels: &[],
        source: Source::Platform(MachineFact::LastSeen),
        confirmed: BOTH,
    },
    Metric {
        name: "platform_mem_numa_free_bytes",
        help: "Memory of a NUMA node that nothing uses (MemFree of the node's meminfo).",
        kind: Gauge,
        unit: "bytes",
        levels: &["numa_node"],
        source: Source::Node { file: "meminfo", read: MachineRead::NodeMemory("MemFree") },
        confirmed: BOTH,
    },
    Metric {
        name: "platform_mem_numa_used_bytes",
        help: "Memory of a NUMA node that is not free, page cache included (MemUsed of the node's meminfo).",
        kind: Gauge,
        unit: "bytes",
        levels: &["numa_node"],
        source: Source::Node { file: "meminfo", read: MachineRead::NodeMemory("MemUsed") },
        confirmed: BOTH,
    },
    Metric {
        name: "platform_mem_usage_bytes",
        help: "Memory in use on the machine: total less free, buffers and page cache, as the tool free counts, by /proc/meminfo.",
        kind: Gauge,
        unit: "bytes",
        levels: &[],
        source: Source::Machine { files: MEMINFO, read: MachineRead::MemoryInUse },
        confirmed: BOTH,
    },
    // Some of these count events and some are levels; the kernel does not say which. Dashboards know all as counters.
    Metric {
        name: "platform_node_vmstat",
        help: "Each number of the virtual memory statistics of a NUMA node, under the kernel's name for it (the node's vmstat).",
        kind: Counter,
        unit: "numeric",
        levels: &["numa_node", "key"],
        source: Source::Node { file: "vmstat", read: MachineRead::Keys },
        confirmed: BOTH,
    },
    Metric {
        name: "platform_page_size_bytes",
        help: "Bytes of a page of memory that is not huge: what task_mem_numa_pages counts in.",
        kind: Gauge,
        unit: "bytes",
        levels: &[],
        source: Source::Platform(MachineFact::PageSize),
        confirmed: BOTH,
    },
    Metric {
        name: "platform_pressure_seconds",
        help: "Time in which tasks of the machine waited for a resource: some of them, or all at once (full), by /proc/pressure.",
        kind: Counter,
        unit: "seconds",
        levels: &["resource", "kind"],
        source: Source::Machine { files: PRESSURE, read: MachineRead::Stalled },
        confirmed: BOTH,
    },
    Metric {
        name: "platform_topology_cores",
        help: "Physical cores of the machine that are online.",
        kind: Gauge,
        unit: "numeric",
        levels: &[],
        source: Source::Platform(MachineFact::Cores),
        confirmed: BOTH,
    },
    Metric {
        name: "platform_topology_cpus",
        help: "Logical CPUs of the machine that are online.",
        kind: Gauge,
        unit: "numeric",
        levels: &[],
        source: Source::Platform(MachineFact::Cpus),
        confirmed: BOTH,
    },
    Metric {
        name: "platform_topology_sockets",
        help: "Sockets of the machine with a CPU that is online.",
        kind: Gauge,
        unit: "numeric",
        levels: &[],
        source: Source::Platform(MachineFact::Sockets),
        confirmed: BOTH,
    },
    Metric {
        name: "platform_vmstat",
        help: "Each number of the machine's virtual memory statistics, under the kernel's name for it (/proc/vmstat).",
        kind: Counter,
        unit: "numeric",
        levels: &["key"],
        source: Source::Machine { files: VMSTAT, read: MachineRead::Keys },
        confirmed: BOTH,
    },
    Metric {
        name: "platform_vmstat_numa_hint_faults",
        help: "Page faults that the kernel provoked to learn which node uses a page, wherever the page was (/proc/vmstat).",
        kind: Counter,
        unit: "numeric",
        levels: &[],
        source: Source::Machine { files: VMSTAT, read: MachineRead::Key("numa_hint_faults") },
        confirmed: BOTH,
    },
    Metric {
        name: "platform_vmstat_numa_hint_faults_local",
        help: "Those of these page faults whose page was on the node that used it (/proc/vmstat).",
        kind: Counter,
        unit: "numeric",
        levels: &[],
        source: Source::Machine { files: VMSTAT, read: MachineRead::Key("numa_hint_faults_local") },
        confirmed: BOTH,
    },
    Metric {
        name: "platform_vmstat_numa_pages_migrated",
        help: "Pages that automatic NUMA balancing moved to another node (/proc/vmstat).",
        kind: Counter,
        unit: "numeric",
        levels: &[],
        source: Source::Machine { files: VMSTAT, read: MachineRead::Key("numa_pages_migrated") },
        confirmed: BOTH,
    },
    Metric {
        name: "platform_vmstat_pgfaults",
        help: "Page faults on the machine, those that needed no disk included (pgfault of /proc/vmstat).",
        kind: Counter,
        unit: "numeric",
        levels: &[],
        source: Source::Machine { files: VMSTAT, read: MachineRead::Key("pgfault") },
        confirmed: BOTH,
    },
    Metric {
        name: "platform_vmstat_pgmigrate_fail",
        help: "Pages that could not be moved, for whatever reason they should have been (/proc/vmstat).",
        kind: Counter,
        unit: "numeric",
        levels: &[],
        source: Source::Machine { files: VMSTAT, read: MachineRead::Key("pgmigrate_fail") },
        confirmed: BOTH,
    },
    Metric {
        name: "platform_vmstat_pgmigrate_success",
        help: "Pages that were moved, for whatever reason (/proc/vmstat).",
        kind: Counter,
        unit: "numeric",
        levels: &[],
        source: Source::Machine { files: VMSTAT, read: MachineRead::Key("pgmigrate_success") },
        confirmed: BOTH,
    },
    Metric {
        name: "platform_zoneinfo",
        help: "Each number of a memory zone under the kernel's name for it, in pages most of them; the zone per-node-stats has \
               those of the whole node (/proc/zoneinfo).",
        kind: Gauge,
        unit: "numeric",
        levels: &["numa_node", "zone", "key"],
        source: Source::Machine { files: ZONEINFO, read: MachineRead::Zones },
        confirmed: BOTH,
    },
];
