//! The metrics: what is known of each, and where it is found. A further metric is a row of [`METRICS`].

mod machine;
mod table;

use wca_model::{Label, MetricInfo, MetricKind};

pub(crate) use crate::metrics::table::METRICS;
use crate::text::{number, number_of};

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
    /// In no file: what the reader itself knows of a task that it has read.
    Task(TaskFact),
    /// In a file of the machine.
    Machine {
        /// Its path.
        path: &'static str,
        /// How it is read.
        read: MachineRead,
    },
    /// In no single file: what the reader knows of the machine.
    Platform(MachineFact),
}

/// What the reader knows of a task of whose files one at least could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TaskFact {
    /// It was read: 1.
    Up,
    /// When: unix time in seconds, the same for all tasks of one reading.
    LastSeen,
    /// Number of its containers.
    Containers,
}

/// What the reader knows of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MachineFact {
    /// When it was read: unix time in seconds.
    LastSeen,
    /// Number of physical cores with a processor that is online.
    Cores,
    /// Number of logical processors that are online.
    Cpus,
    /// Number of sockets with a processor that is online.
    Sockets,
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
    /// The file is a number of bytes, or `max` where there is no limit (cgroup-v2.rst, Conventions). Both hierarchies say
    /// "no limit" with the same number, [`NO_LIMIT`].
    Limit,
}

/// What stands for "no limit": the number that the memory controller of cgroup v1 writes where pages are of 4 KiB, the
/// greatest multiple of the page size in 63 bits (PAGE_COUNTER_MAX of include/linux/page_counter.h). `max` of cgroup v2
/// becomes the same, so that one dashboard works on both. No sum of limits is greater: a pod one of whose containers has
/// no limit has none.
pub(crate) const NO_LIMIT: f64 = 9_223_372_036_854_771_712.0;

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
            Self::Limit if bytes.trim_ascii() == b"max" => return Some(NO_LIMIT),
            Self::Limit => (number(bytes), 1.0),
        };
        found.map(|value| value as f64 / per_unit)
    }

    /// The greatest value that a sum over the cgroups of a task can have.
    pub(crate) fn greatest_sum(self) -> f64 {
        if matches!(self, Self::Limit) { NO_LIMIT } else { f64::INFINITY }
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
            per_task: matches!(self.source, Source::Cgroup { .. } | Source::Task(_)),
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

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(CgroupRead::Number { per_unit: 1e9 }, "1500000000\n", Some(1.5))]
    #[case(CgroupRead::Number { per_unit: 1.0 }, "9223372036854771712\n", Some(NO_LIMIT))]
    #[case(CgroupRead::Number { per_unit: 1.0 }, "max\n", None)]
    #[case(CgroupRead::Number { per_unit: 1.0 }, "", None)]
    #[case(CgroupRead::Keyed { key: "usage_usec", per_unit: 1e6 }, "usage_usec 2500000\nuser_usec 1\n", Some(2.5))]
    #[case(CgroupRead::Keyed { key: "usage_usec", per_unit: 1e6 }, "user_usec 1\n", None)]
    #[case(CgroupRead::Keyed { key: "usage_usec", per_unit: 1e6 }, "usage_usec x\n", None)]
    #[case(CgroupRead::Keyed { key: "pgfault", per_unit: 1.0 }, "pgmajfault 3\npgfault 7\ntotal_pgfault 9\n", Some(7.0))]
    #[case(CgroupRead::Keyed { key: "pgfault", per_unit: 1.0 }, "total_pgfault 9\n", None)]
    #[case(CgroupRead::Limit, "2000\n", Some(2_000.0))]
    #[case(CgroupRead::Limit, "0\n", Some(0.0))]
    #[case(CgroupRead::Limit, "max\n", Some(NO_LIMIT))]
    #[case(CgroupRead::Limit, "9223372036854771712\n", Some(NO_LIMIT))]
    #[case(CgroupRead::Limit, "maximum\n", None)]
    #[case(CgroupRead::Limit, "", None)]
    fn values_of_cgroups(#[case] read: CgroupRead, #[case] text: &str, #[case] expected: Option<f64>) {
        assert_eq!(read.value(text.as_bytes()), expected);
    }
}
