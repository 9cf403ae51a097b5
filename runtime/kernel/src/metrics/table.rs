//! The table of the metrics.

use wca_model::MetricKind;

use crate::metrics::machine::{busy_time, memory_in_use};
use crate::metrics::{CgroupFile, CgroupRead, Level, MachineFact, Metric, Source, TaskFact};

const WHOLE_NUMBER: CgroupRead = CgroupRead::Number { per_unit: 1.0 };

/// A file of the memory controller.
const fn memory(file: &'static str, read: CgroupRead) -> Option<CgroupFile> {
    Some(CgroupFile { controller: Some("memory"), file, read })
}

/// Page faults. Both hierarchies have the line; that of v1 does not count the cgroups below, that of v2 does.
const PAGE_FAULTS: Option<CgroupFile> = memory("memory.stat", CgroupRead::Keyed { key: "pgfault", per_unit: 1.0 });

/// All of them, by name, and so in the order in which they are written.
///
/// Sources: Documentation/admin-guide/cgroup-v1/memory.rst and cpuacct.rst, Documentation/admin-guide/cgroup-v2.rst.
pub(crate) static METRICS: &[Metric] = &[
    Metric {
        name: "platform_cpu_usage",
        help: "Time that a logical CPU was busy, in 1/USER_HZ seconds (usually 10 ms), by /proc/stat.",
        kind: MetricKind::Counter,
        unit: "numeric",
        level: Level::Cpu,
        source: Source::Machine { path: "/proc/stat", read: busy_time },
    },
    Metric {
        name: "platform_last_seen",
        help: "Unix time at which the machine was last read.",
        kind: MetricKind::Counter,
        unit: "timestamp",
        level: Level::Whole,
        source: Source::Platform(MachineFact::LastSeen),
    },
    Metric {
        name: "platform_mem_usage_bytes",
        help: "Memory in use on the machine: total less free, buffers and page cache, as the tool free counts, by /proc/meminfo.",
        kind: MetricKind::Gauge,
        unit: "bytes",
        level: Level::Whole,
        source: Source::Machine { path: "/proc/meminfo", read: memory_in_use },
    },
    Metric {
        name: "platform_topology_cores",
        help: "Physical cores of the machine that are online.",
        kind: MetricKind::Gauge,
        unit: "numeric",
        level: Level::Whole,
        source: Source::Platform(MachineFact::Cores),
    },
    Metric {
        name: "platform_topology_cpus",
        help: "Logical CPUs of the machine that are online.",
        kind: MetricKind::Gauge,
        unit: "numeric",
        level: Level::Whole,
        source: Source::Platform(MachineFact::Cpus),
    },
    Metric {
        name: "platform_topology_sockets",
        help: "Sockets of the machine with a CPU that is online.",
        kind: MetricKind::Gauge,
        unit: "numeric",
        level: Level::Whole,
        source: Source::Platform(MachineFact::Sockets),
    },
    // cpuacct.usage is in nanoseconds. cpu.stat: "This file exists whether the controller is enabled or not", and so does
    // usage_usec in it.
    Metric {
        name: "task_cpu_usage_seconds",
        help: "CPU time that the task has used, in user space and in the kernel (cpuacct.usage; cpu.stat on cgroup v2).",
        kind: MetricKind::Counter,
        unit: "seconds",
        level: Level::Whole,
        source: Source::Cgroup {
            v1: Some(CgroupFile {
                controller: Some("cpuacct"),
                file: "cpuacct.usage",
                read: CgroupRead::Number { per_unit: 1e9 },
            }),
            v2: Some(CgroupFile {
                controller: None,
                file: "cpu.stat",
                read: CgroupRead::Keyed { key: "usage_usec", per_unit: 1e6 },
            }),
        },
    },
    Metric {
        name: "task_last_seen",
        help: "Unix time at which the task was last read, the same for all tasks of one reading.",
        kind: MetricKind::Counter,
        unit: "timestamp",
        level: Level::Whole,
        source: Source::Task(TaskFact::LastSeen),
    },
    Metric {
        name: "task_mem_limit_bytes",
        help: "Most memory that the task may use, 9223372036854771712 where nothing limits it (memory.limit_in_bytes; \
               memory.max on cgroup v2).",
        kind: MetricKind::Gauge,
        unit: "bytes",
        level: Level::Whole,
        source: Source::Cgroup {
            v1: memory("memory.limit_in_bytes", CgroupRead::Limit),
            v2: memory("memory.max", CgroupRead::Limit),
        },
    },
    // memory.peak is there since Linux 5.19.
    Metric {
        name: "task_mem_max_usage_bytes",
        help: "Most memory that was ever charged to the task at once (memory.max_usage_in_bytes; memory.peak on cgroup v2).",
        kind: MetricKind::Gauge,
        unit: "bytes",
        level: Level::Whole,
        source: Source::Cgroup {
            v1: memory("memory.max_usage_in_bytes", WHOLE_NUMBER),
            v2: memory("memory.peak", WHOLE_NUMBER),
        },
    },
    Metric {
        name: "task_mem_page_faults",
        help: "Page faults of the task, those that needed no disk included (pgfault of memory.stat).",
        kind: MetricKind::Counter,
        unit: "numeric",
        level: Level::Whole,
        source: Source::Cgroup { v1: PAGE_FAULTS, v2: PAGE_FAULTS },
    },
    // memory.low took the place of the soft limit of v1 (cgroup-v2.rst, "Issues with v1 and Rationales for v2: Memory"). Its
    // meaning is turned round: what is below it is protected, and without a setting it is 0 where v1 has no limit.
    Metric {
        name: "task_mem_soft_limit_bytes",
        help: "Memory to which the task is pushed back when the machine runs short of it (memory.soft_limit_in_bytes; \
               memory.low on cgroup v2).",
        kind: MetricKind::Gauge,
        unit: "bytes",
        level: Level::Whole,
        source: Source::Cgroup {
            v1: memory("memory.soft_limit_in_bytes", CgroupRead::Limit),
            v2: memory("memory.low", CgroupRead::Limit),
        },
    },
    // Both count the cgroups below too.
    Metric {
        name: "task_mem_usage_bytes",
        help: "Memory that is charged to the task, page cache included (memory.usage_in_bytes; memory.current on cgroup v2).",
        kind: MetricKind::Gauge,
        unit: "bytes",
        level: Level::Whole,
        source: Source::Cgroup {
            v1: memory("memory.usage_in_bytes", WHOLE_NUMBER),
            v2: memory("memory.current", WHOLE_NUMBER),
        },
    },
    Metric {
        name: "task_subcontainers",
        help: "Number of containers of the task where it is a pod, 0 where it is not.",
        kind: MetricKind::Gauge,
        unit: "numeric",
        level: Level::Whole,
        source: Source::Task(TaskFact::Containers),
    },
    Metric {
        name: "task_up",
        help: "1 for each task that could be read.",
        kind: MetricKind::Counter,
        unit: "numeric",
        level: Level::Whole,
        source: Source::Task(TaskFact::Up),
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_metric_names_and_in_order() {
        for metric in METRICS {
            assert!(wca_model::metric::is_metric_name(metric.name), "{}", metric.name);
        }
        assert!(METRICS.is_sorted_by(|one, other| one.name < other.name));
    }
}
