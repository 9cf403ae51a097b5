//! The metrics that are read from files: a table. A further metric is a row here.

use wca_model::{Label, MetricInfo, MetricKind};

use crate::text::{lines, number, number_of, words};

/// A metric and where it is found.
pub(crate) struct Metric {
    /// Name, as dashboards have it.
    pub name: &'static str,
    /// One sentence for the reader of a dashboard.
    pub help: &'static str,
    /// How its values behave.
    pub kind: MetricKind,
    /// Unit of its values.
    pub unit: &'static str,
    /// By what it is divided.
    pub level: Level,
    /// Where it is found.
    pub source: Source,
}

/// By what a metric is divided into series.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// One value.
    Whole,
    /// One value per logical processor.
    Cpu,
}

/// Where a metric is found.
pub(crate) enum Source {
    /// In a file of each task's cgroup. Where both hierarchies have the path, v1 is read.
    Cgroup {
        /// The file of cgroup v1.
        v1: Option<CgroupFile>,
        /// The file of cgroup v2.
        v2: Option<CgroupFile>,
    },
    /// In a file of the machine.
    Machine {
        /// Its path.
        path: &'static str,
        /// How it is read.
        read: MachineRead,
    },
}

/// A file in the directory of a cgroup, and the number in it.
#[derive(Clone, Copy)]
pub(crate) struct CgroupFile {
    /// The controller that brings the file; none where every cgroup has it.
    pub controller: Option<&'static str>,
    /// Its name.
    pub file: &'static str,
    /// How it is read.
    pub read: CgroupRead,
}

/// How a number is found in a file of a cgroup.
#[derive(Clone, Copy)]
pub(crate) enum CgroupRead {
    /// The file is one number, of which so many make one of the metric's unit.
    Number {
        /// Divisor.
        per_unit: f64,
    },
    /// The file has lines `key number`.
    Keyed {
        /// The key.
        key: &'static str,
        /// Divisor.
        per_unit: f64,
    },
}

/// Reads values from a file of the machine into a list of label and value; false where the file is malformed. The label is
/// the number of the processor or node, and 0 where the metric is not divided.
pub(crate) type MachineRead = fn(&[u8], &mut Vec<(u32, f64)>) -> bool;

impl CgroupRead {
    /// The value in a file; none where the file is malformed.
    #[expect(clippy::cast_precision_loss, reason = "values of metrics are f64 throughout; 2^53 ns are 104 days exact")]
    pub(crate) fn value(self, bytes: &[u8]) -> Option<f64> {
        let (found, per_unit) = match self {
            Self::Number { per_unit } => (number(bytes), per_unit),
            Self::Keyed { key, per_unit } => (number_of(bytes, key.as_bytes()), per_unit),
        };
        found.map(|value| value as f64 / per_unit)
    }
}

impl Metric {
    /// What the catalogue says of it.
    pub(crate) fn info(&self) -> MetricInfo {
        MetricInfo {
            name: self.name.to_owned(),
            help: self.help.to_owned(),
            kind: self.kind,
            unit: self.unit.to_owned(),
            levels: self.level.name().map(str::to_owned).into_iter().collect(),
            per_task: matches!(self.source, Source::Cgroup { .. }),
        }
    }
}

impl Level {
    /// Name of its label.
    fn name(self) -> Option<&'static str> {
        match self {
            Self::Whole => None,
            Self::Cpu => Some("cpu"),
        }
    }

    /// The labels of one series.
    pub(crate) fn labels(self, number: u32) -> Vec<Label> {
        self.name().map(|name| (name.to_owned(), number.to_string())).into_iter().collect()
    }
}

/// All of them, in the order of the catalogue.
pub(crate) static METRICS: &[Metric] = &[
    // cgroup-v1/cpuacct.rst: cpuacct.usage in nanoseconds. cgroup-v2.rst, cpu.stat: "This file exists whether the
    // controller is enabled or not", and so does usage_usec in it.
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
    // cgroup-v1/memory.rst: memory.usage_in_bytes; cgroup-v2.rst: memory.current. Both count the cgroups below too.
    Metric {
        name: "task_mem_usage_bytes",
        help: "Memory that is charged to the task, page cache included (memory.usage_in_bytes; memory.current on cgroup v2).",
        kind: MetricKind::Gauge,
        unit: "bytes",
        level: Level::Whole,
        source: Source::Cgroup {
            v1: Some(CgroupFile {
                controller: Some("memory"),
                file: "memory.usage_in_bytes",
                read: CgroupRead::Number { per_unit: 1.0 },
            }),
            v2: Some(CgroupFile {
                controller: Some("memory"),
                file: "memory.current",
                read: CgroupRead::Number { per_unit: 1.0 },
            }),
        },
    },
    Metric {
        name: "platform_cpu_usage",
        help: "Time that a logical CPU was busy, in 1/USER_HZ seconds (usually 10 ms), by /proc/stat.",
        kind: MetricKind::Counter,
        unit: "numeric",
        level: Level::Cpu,
        source: Source::Machine { path: "/proc/stat", read: busy_time },
    },
    Metric {
        name: "platform_mem_usage_bytes",
        help: "Memory in use on the machine: total less free, buffers and page cache, as the tool free counts, by /proc/meminfo.",
        kind: MetricKind::Gauge,
        unit: "bytes",
        level: Level::Whole,
        source: Source::Machine { path: "/proc/meminfo", read: memory_in_use },
    },
];

/// user + nice + system + irq + softirq + steal of each `cpuN` line of /proc/stat (proc_stat(5)). Not idle and iowait; the
/// time of guests stands in user and nice already. Old kernels write fewer columns.
#[expect(clippy::cast_precision_loss, reason = "2^53 ticks of 10 ms are three million years")]
fn busy_time(bytes: &[u8], found: &mut Vec<(u32, f64)>) -> bool {
    const BUSY: [bool; 8] = [true, true, true, false, false, true, true, true];
    for line in lines(bytes).take_while(|line| line.starts_with(b"cpu")) {
        let mut words = words(line);
        let name = words.next().unwrap_or_default();
        let Some(id) = name.strip_prefix(b"cpu").filter(|id| !id.is_empty()) else { continue };
        let Some(id) = number(id).and_then(|id| u32::try_from(id).ok()) else { return false };
        let mut ticks = 0u64;
        let mut columns = 0;
        for (word, is_busy) in words.zip(BUSY) {
            let Some(column) = number(word) else { return false };
            ticks = ticks.saturating_add(if is_busy { column } else { 0 });
            columns += 1;
        }
        if columns < 4 {
            return false;
        }
        found.push((id, ticks as f64));
    }
    !found.is_empty()
}

/// `MemTotal - MemFree - Buffers - Cached` of /proc/meminfo (proc_meminfo(5)), from kB to bytes.
#[expect(clippy::cast_precision_loss, reason = "exact up to 8 PiB")]
fn memory_in_use(bytes: &[u8], found: &mut Vec<(u32, f64)>) -> bool {
    let [Some(total), Some(free), Some(buffers), Some(cached)] =
        ["MemTotal", "MemFree", "Buffers", "Cached"].map(|key| number_of(bytes, key.as_bytes()))
    else {
        return false;
    };
    let used = total.saturating_sub(free).saturating_sub(buffers).saturating_sub(cached);
    found.push((0, used.saturating_mul(1_024) as f64));
    true
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn names_are_metric_names_and_stand_once() {
        for (at, metric) in METRICS.iter().enumerate() {
            assert!(wca_model::metric::is_metric_name(metric.name));
            assert!(METRICS[..at].iter().all(|other| other.name != metric.name));
        }
    }

    #[rstest]
    #[case(CgroupRead::Number { per_unit: 1e9 }, "1500000000\n", Some(1.5))]
    #[case(CgroupRead::Number { per_unit: 1.0 }, "9223372036854771712\n", Some(9_223_372_036_854_771_712.0))]
    #[case(CgroupRead::Number { per_unit: 1.0 }, "max\n", None)]
    #[case(CgroupRead::Number { per_unit: 1.0 }, "", None)]
    #[case(CgroupRead::Keyed { key: "usage_usec", per_unit: 1e6 }, "usage_usec 2500000\nuser_usec 1\n", Some(2.5))]
    #[case(CgroupRead::Keyed { key: "usage_usec", per_unit: 1e6 }, "user_usec 1\n", None)]
    #[case(CgroupRead::Keyed { key: "usage_usec", per_unit: 1e6 }, "usage_usec x\n", None)]
    fn values_of_cgroups(#[case] read: CgroupRead, #[case] text: &str, #[case] expected: Option<f64>) {
        assert_eq!(read.value(text.as_bytes()), expected);
    }

    #[rstest]
    #[case("cpu  9 9 9 9\ncpu0 1 2 4 1000 1000 8 16 32 64 128\ncpu3 5 0 0 9 9 0 0 0 0 0\nintr 7\n", Some(vec![(0, 63.0), (3, 5.0)]))]
    #[case("cpu  9 9 9 9\ncpu0 1 2 4 1000\nintr 1\n", Some(vec![(0, 7.0)]))]
    #[case("cpu  9 9 9 9\n", None)]
    #[case("cpu  9 9 9 9\ncpu0 1 2 4\n", None)]
    #[case("cpu0 1 2 x 4\n", None)]
    #[case("cpux 1 2 3 4\n", None)]
    #[case("", None)]
    fn busy(#[case] text: &str, #[case] expected: Option<Vec<(u32, f64)>>) {
        let mut found = Vec::new();
        assert_eq!(busy_time(text.as_bytes(), &mut found).then_some(found), expected);
    }

    #[rstest]
    #[case(
        "MemTotal: 100 kB\nMemFree: 40 kB\nMemAvailable: 70 kB\nBuffers: 3 kB\nCached: 7 kB\nSwapCached: 9 kB\n",
        Some(51_200.0)
    )]
    #[case("MemTotal: 100 kB\nMemFree: 200 kB\nBuffers: 3 kB\nCached: 7 kB\n", Some(0.0))]
    #[case("MemTotal: 100 kB\nMemFree: 40 kB\nBuffers: 3 kB\n", None)]
    #[case("", None)]
    fn memory(#[case] text: &str, #[case] expected: Option<f64>) {
        let mut found = Vec::new();
        assert_eq!(memory_in_use(text.as_bytes(), &mut found).then(|| found[0].1), expected);
    }
}
