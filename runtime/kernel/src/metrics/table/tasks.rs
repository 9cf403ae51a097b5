//! The metrics of tasks.

use wca_model::MetricKind::{Counter, Gauge};

use crate::metrics::split::Split;
use crate::metrics::table::{BOTH, MACHINE_AND_TREE, TEST_BED};
use crate::metrics::{CgroupFile, CgroupPart, CgroupRead, Join, Metric, Source, TaskFact};

const WHOLE_NUMBER: CgroupRead = CgroupRead::Number { per_unit: 1.0 };

/// One file in each hierarchy.
const fn part(v1: Option<CgroupFile>, v2: Option<CgroupFile>) -> CgroupPart {
    CgroupPart { label: None, v1, v2, join: Join::Sum }
}

/// The same, of which a pod has that of the container with the greatest.
const fn greatest(v1: Option<CgroupFile>, v2: Option<CgroupFile>) -> CgroupPart {
    CgroupPart { join: Join::Greatest, ..part(v1, v2) }
}

/// A file of a controller.
const fn of(controller: &'static str, file: &'static str, read: CgroupRead) -> Option<CgroupFile> {
    Some(CgroupFile { controller: Some(controller), file, read })
}

/// A file of the memory controller.
const fn memory(file: &'static str, read: CgroupRead) -> Option<CgroupFile> {
    of("memory", file, read)
}

/// A line `key number` of which so many make one of the metric's unit.
const fn line(key: &'static str, per_unit: f64) -> CgroupRead {
    CgroupRead::Keyed { key, per_unit }
}

/// Such a line that need not be there.
const fn line_or_not(key: &'static str, per_unit: f64) -> CgroupRead {
    CgroupRead::KeyedOrNot { key, per_unit }
}

/// How long the task waited for a resource. Every cgroup of v2 has these files, whatever its controllers.
const fn pressure(resource: &'static str, file: &'static str) -> CgroupPart {
    let file = CgroupFile { controller: None, file, read: CgroupRead::Split(Split::Stalled) };
    CgroupPart { label: Some(resource), ..greatest(None, Some(file)) }
}

/// Page faults. Both hierarchies have the line; that of v1 does not count the cgroups below, that of v2 does.
const PAGE_FAULTS: Option<CgroupFile> = memory("memory.stat", line("pgfault", 1.0));

/// All of them, by name.
///
/// Sources: Documentation/admin-guide/cgroup-v1/memory.rst, cpuacct.rst, blkio-controller.rst and pids.rst,
/// Documentation/admin-guide/cgroup-v2.rst, Documentation/scheduler/sched-bwc.rst, Documentation/accounting/psi.rst.
pub(crate) static TASKS: &[Metric] = &[
    // These lines are missing where the kernel has no bandwidth control, and on v2 where the cgroup has no cpu controller. They
    // are of the cgroup's own quota, not of those above and below. throttled_time of v1 is in nanoseconds.
    Metric {
        name: "task_cpu_periods",
        help: "Periods of CPU bandwidth control in which the task had something to run (nr_periods of cpu.stat).",
        kind: Counter,
        unit: "numeric",
        levels: &[],
        source: Source::Cgroup(&[part(
            of("cpu", "cpu.stat", line_or_not("nr_periods", 1.0)),
            of("cpu", "cpu.stat", line_or_not("nr_periods", 1.0)),
        )]),
        confirmed: BOTH,
    },
    Metric {
        name: "task_cpu_throttled_periods",
        help: "Those of these periods in which the task used up its quota and had to wait (nr_throttled of cpu.stat).",
        kind: Counter,
        unit: "numeric",
        levels: &[],
        source: Source::Cgroup(&[part(
            of("cpu", "cpu.stat", line_or_not("nr_throttled", 1.0)),
            of("cpu", "cpu.stat", line_or_not("nr_throttled", 1.0)),
        )]),
        confirmed: BOTH,
    },
    Metric {
        name: "task_cpu_throttled_seconds",
        help: "Time that the task waited for its next period, summed over CPUs (throttled_time of cpu.stat; \
               throttled_usec on cgroup v2).",
        kind: Counter,
        unit: "seconds",
        levels: &[],
        source: Source::Cgroup(&[part(
            of("cpu", "cpu.stat", line_or_not("throttled_time", 1e9)),
            of("cpu", "cpu.stat", line_or_not("throttled_usec", 1e6)),
        )]),
        confirmed: BOTH,
    },
    // cpuacct.usage is in nanoseconds. cpu.stat: "This file exists whether the controller is enabled or not", and so does
    // usage_usec in it.
    Metric {
        name: "task_cpu_usage_seconds",
        help: "CPU time that the task has used, in user space and in the kernel (cpuacct.usage; cpu.stat on cgroup v2).",
        kind: Counter,
        unit: "seconds",
        levels: &[],
        source: Source::Cgroup(&[part(
            of("cpuacct", "cpuacct.usage", CgroupRead::Number { per_unit: 1e9 }),
            Some(CgroupFile { controller: None, file: "cpu.stat", read: line("usage_usec", 1e6) }),
        )]),
        confirmed: BOTH,
    },
    // Not summed over devices: what goes through a device of the device mapper or of RAID counts there and again at the disks
    // below. v1 does not count the cgroups below, v2 does; since Linux 6.10 v1 counts nothing on devices that have no limit.
    Metric {
        name: "task_io_read_bytes",
        help: "Bytes that the task read from a device, given by its numbers as lsblk shows them \
               (blkio.throttle.io_service_bytes; io.stat on cgroup v2).",
        kind: Counter,
        unit: "bytes",
        levels: &["device"],
        source: Source::Cgroup(&[part(
            of("blkio", "blkio.throttle.io_service_bytes", CgroupRead::Split(Split::Operation("Read"))),
            of("io", "io.stat", CgroupRead::Split(Split::Nested("rbytes"))),
        )]),
        confirmed: MACHINE_AND_TREE,
    },
    Metric {
        name: "task_io_reads",
        help: "Reads of the task from a device, given by its numbers as lsblk shows them (blkio.throttle.io_serviced; \
               io.stat on cgroup v2).",
        kind: Counter,
        unit: "numeric",
        levels: &["device"],
        source: Source::Cgroup(&[part(
            of("blkio", "blkio.throttle.io_serviced", CgroupRead::Split(Split::Operation("Read"))),
            of("io", "io.stat", CgroupRead::Split(Split::Nested("rios"))),
        )]),
        confirmed: MACHINE_AND_TREE,
    },
    Metric {
        name: "task_io_write_bytes",
        help: "Bytes that the task wrote to a device, given by its numbers as lsblk shows them \
               (blkio.throttle.io_service_bytes; io.stat on cgroup v2).",
        kind: Counter,
        unit: "bytes",
        levels: &["device"],
        source: Source::Cgroup(&[part(
            of("blkio", "blkio.throttle.io_service_bytes", CgroupRead::Split(Split::Operation("Write"))),
            of("io", "io.stat", CgroupRead::Split(Split::Nested("wbytes"))),
        )]),
        confirmed: MACHINE_AND_TREE,
    },
    Metric {
        name: "task_io_writes",
        help: "Writes of the task to a device, given by its numbers as lsblk shows them (blkio.throttle.io_serviced; \
               io.stat on cgroup v2).",
        kind: Counter,
        unit: "numeric",
        levels: &["device"],
        source: Source::Cgroup(&[part(
            of("blkio", "blkio.throttle.io_serviced", CgroupRead::Split(Split::Operation("Write"))),
            of("io", "io.stat", CgroupRead::Split(Split::Nested("wios"))),
        )]),
        confirmed: MACHINE_AND_TREE,
    },
    Metric {
        name: "task_last_seen",
        help: "Unix time at which the task was last read, the same for all tasks of one reading.",
        kind: Counter,
        unit: "timestamp",
        levels: &[],
        source: Source::Task(TaskFact::LastSeen),
        confirmed: BOTH,
    },
    // memory.oom_control has the line oom_kill since Linux 4.13. v2 counts the cgroups below too, unless it is mounted with
    // memory_localevents.
    Metric {
        name: "task_mem_events",
        help: "How often the memory of the task came to a boundary, by event: low, high, max, oom, oom_kill (memory.events; \
               oom_kill alone, of memory.oom_control, on cgroup v1).",
        kind: Counter,
        unit: "numeric",
        levels: &["event"],
        source: Source::Cgroup(&[part(
            memory("memory.oom_control", CgroupRead::Split(Split::Keys { only: Some("oom_kill") })),
            memory("memory.events", CgroupRead::Split(Split::Keys { only: None })),
        )]),
        confirmed: BOTH,
    },
    Metric {
        name: "task_mem_limit_bytes",
        help: "Most memory that the task may use, 9223372036854771712 where nothing limits it (memory.limit_in_bytes; \
               memory.max on cgroup v2).",
        kind: Gauge,
        unit: "bytes",
        levels: &[],
        source: Source::Cgroup(&[part(
            memory("memory.limit_in_bytes", CgroupRead::Limit),
            memory("memory.max", CgroupRead::Limit),
        )]),
        confirmed: BOTH,
    },
    // memory.peak is there since Linux 5.19.
    Metric {
        name: "task_mem_max_usage_bytes",
        help: "Most memory that was ever charged to the task at once, of a pod to the one of its containers that had most \
               (memory.max_usage_in_bytes; memory.peak on cgroup v2).",
        kind: Gauge,
        unit: "bytes",
        levels: &[],
        source: Source::Cgroup(&[greatest(
            memory("memory.max_usage_in_bytes", WHOLE_NUMBER),
            memory("memory.peak", WHOLE_NUMBER),
        )]),
        confirmed: BOTH,
    },
    Metric {
        name: "task_mem_numa_pages",
        help: "Pages of the task on each NUMA node: anonymous memory and page cache, not memory of the kernel (memory.numa_stat; \
               sums of memory.stat where the machine can have one node alone). A huge page counts as the small ones that it is \
               made of; one of hugetlbfs counts where it is charged to the task, and else is not there.",
        kind: Gauge,
        unit: "numeric",
        levels: &["numa_node"],
        source: Source::Cgroup(&[part(
            memory("memory.numa_stat", CgroupRead::Split(Split::Pages)),
            memory("memory.numa_stat", CgroupRead::Split(Split::BytesToPages)),
        )]),
        confirmed: BOTH,
    },
    Metric {
        name: "task_mem_page_faults",
        help: "Page faults of the task, those that needed no disk included (pgfault of memory.stat).",
        kind: Counter,
        unit: "numeric",
        levels: &[],
        source: Source::Cgroup(&[part(PAGE_FAULTS, PAGE_FAULTS)]),
        confirmed: BOTH,
    },
    // memory.low took the place of the soft limit of v1 (cgroup-v2.rst, "Issues with v1 and Rationales for v2: Memory"). Its
    // meaning is turned round: what is below it is protected, and without a setting it is 0 where v1 has no limit.
    Metric {
        name: "task_mem_soft_limit_bytes",
        help: "Memory to which the task is pushed back when the machine runs short of it (memory.soft_limit_in_bytes; \
               memory.low on cgroup v2).",
        kind: Gauge,
        unit: "bytes",
        levels: &[],
        source: Source::Cgroup(&[part(
            memory("memory.soft_limit_in_bytes", CgroupRead::Limit),
            memory("memory.low", CgroupRead::Limit),
        )]),
        confirmed: BOTH,
    },
    // Both count the cgroups below too. A kernel that does not count swap lacks the line, or the file.
    Metric {
        name: "task_mem_swap_bytes",
        help: "Memory of the task that lies in swap space (total_swap of memory.stat; memory.swap.current on cgroup v2).",
        kind: Gauge,
        unit: "bytes",
        levels: &[],
        source: Source::Cgroup(&[part(
            memory("memory.stat", line_or_not("total_swap", 1.0)),
            memory("memory.swap.current", WHOLE_NUMBER),
        )]),
        confirmed: BOTH,
    },
    // Both count the cgroups below too.
    Metric {
        name: "task_mem_usage_bytes",
        help: "Memory that is charged to the task, page cache included (memory.usage_in_bytes; memory.current on cgroup v2).",
        kind: Gauge,
        unit: "bytes",
        levels: &[],
        source: Source::Cgroup(&[part(
            memory("memory.usage_in_bytes", WHOLE_NUMBER),
            memory("memory.current", WHOLE_NUMBER),
        )]),
        confirmed: BOTH,
    },
    // Both count the cgroups below too, as the usage does.
    Metric {
        name: "task_mem_working_set_bytes",
        help: "Memory that is charged to the task less page cache that was not used lately, which is given up first \
               (inactive_file of memory.stat, total_inactive_file on cgroup v1).",
        kind: Gauge,
        unit: "bytes",
        levels: &[],
        source: Source::Less {
            of: "task_mem_usage_bytes",
            parts: &[part(
                memory("memory.stat", line("total_inactive_file", 1.0)),
                memory("memory.stat", line("inactive_file", 1.0)),
            )],
        },
        confirmed: BOTH,
    },
    Metric {
        name: "task_pids",
        help: "Processes and threads of the task (pids.current).",
        kind: Gauge,
        unit: "numeric",
        levels: &[],
        source: Source::Cgroup(&[part(
            of("pids", "pids.current", WHOLE_NUMBER),
            of("pids", "pids.current", WHOLE_NUMBER),
        )]),
        confirmed: BOTH,
    },
    Metric {
        name: "task_pressure_seconds",
        help: "Time in which processes of the task waited for a resource: some of them, or all at once (full); of a pod, those \
               of the one of its containers that waited longest (cpu.pressure, io.pressure and memory.pressure of cgroup v2).",
        kind: Counter,
        unit: "seconds",
        levels: &["resource", "kind"],
        source: Source::Cgroup(&[
            pressure("cpu", "cpu.pressure"),
            pressure("io", "io.pressure"),
            pressure("memory", "memory.pressure"),
        ]),
        confirmed: TEST_BED,
    },
    Metric {
        name: "task_subcontainers",
        help: "Number of containers of the task where it is a pod, 0 where it is not.",
        kind: Gauge,
        unit: "numeric",
        levels: &[],
        source: Source::Task(TaskFact::Containers),
        confirmed: BOTH,
    },
    Metric {
        name: "task_up",
        help: "1 for each task that could be read.",
        kind: Counter,
        unit: "numeric",
        levels: &[],
        source: Source::Task(TaskFact::Up),
        confirmed: BOTH,
    },
];
