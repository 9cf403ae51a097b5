//! The metrics: what is known of each, and where it is found. A further metric is a row of a table.

mod cgroup;
mod described;
mod machine;
pub(crate) mod split;
mod table;

use wca_model::{Confirmed, MetricInfo, MetricKind};

pub(crate) use crate::metrics::cgroup::{CgroupFile, CgroupPart, CgroupRead, Join};
pub(crate) use crate::metrics::machine::{Found, MachineRead};
pub(crate) use crate::metrics::table::{BOTH, MACHINE, TASKS, TEST_BED, part, part_count};

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
    /// By what it is divided into series: names of labels. Empty: one value.
    pub levels: &'static [&'static str],
    /// Where it is found.
    pub source: Source,
    /// Where it was seen to be right.
    pub confirmed: &'static [Confirmed],
}

/// Where a metric is found.
pub(crate) enum Source {
    /// In files of each task's cgroup.
    Cgroup(&'static [CgroupPart]),
    /// Another metric less what stands in a file of each task's cgroup, and never below 0.
    Less {
        /// Name of the other one, which stands in the table before this one.
        of: &'static str,
        /// What is taken off.
        parts: &'static [CgroupPart],
    },
    /// In no file: what the reader itself knows of a task that it has read.
    Task(TaskFact),
    /// In files of the machine.
    Machine {
        /// The files.
        files: &'static [MachinePart],
        /// How each is read.
        read: MachineRead,
    },
    /// In a file of each NUMA node (/sys/devices/system/node/nodeN), whose number is the first level.
    Node {
        /// Its name.
        file: &'static str,
        /// How it is read.
        read: MachineRead,
    },
    /// In no single file: what the reader knows of the machine.
    Platform(MachineFact),
}

/// A file of the machine.
pub(crate) struct MachinePart {
    /// Its path.
    pub path: &'static str,
    /// Value of the first level, where the file is about one thing and does not say which.
    pub label: Option<&'static str>,
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
    /// Bytes of a page of memory that is not huge.
    PageSize,
}

impl Source {
    /// The files of each task's cgroup.
    pub(crate) const fn cgroup_parts(&self) -> &'static [CgroupPart] {
        match self {
            Self::Cgroup(parts) | Self::Less { parts, .. } => parts,
            Self::Task(_) | Self::Machine { .. } | Self::Node { .. } | Self::Platform(_) => &[],
        }
    }
}

impl Metric {
    /// What the catalogue says of it.
    pub(crate) fn info(&self) -> MetricInfo {
        self.definition().info()
    }
}
