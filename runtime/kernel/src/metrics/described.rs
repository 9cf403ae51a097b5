//! Metrics of the tables in words, for the page that lists them all.

use wca_model::{Definition, Described, Subject};

use crate::metrics::split::Split;
use crate::metrics::{CgroupFile, CgroupPart, CgroupRead, Join, MachineFact, MachineRead, Metric, Source, TaskFact};

impl Metric {
    /// What is known of it without its files.
    pub(crate) fn definition(&self) -> Definition {
        let (subject, formula) = match &self.source {
            Source::Cgroup(parts) if parts.iter().any(|part| part.join == Join::Greatest) => {
                (Subject::Task, "the greatest of the containers of a pod, which do not add up")
            }
            Source::Cgroup(_) => (Subject::Task, ""),
            Source::Less { .. } => (Subject::Task, "the other metric - what stands in the file, never below 0"),
            Source::Task(fact) => (Subject::Task, fact.text()),
            Source::Machine { .. } | Source::Node { .. } => (Subject::Machine, ""),
            Source::Platform(fact) => (Subject::Machine, fact.text()),
        };
        Definition {
            name: self.name,
            help: self.help,
            kind: self.kind,
            unit: self.unit,
            levels: self.levels,
            subject,
            source: "",
            formula,
            confirmed: self.confirmed,
        }
    }

    /// With its files.
    pub(crate) fn described(&self) -> Described {
        let both = |text: String| (text.clone(), text);
        let (v1, v2) = match &self.source {
            Source::Cgroup(parts) => of_parts(parts),
            Source::Less { of, parts } => {
                let (v1, v2) = of_parts(parts);
                (format!("{of}; {v1}"), format!("{of}; {v2}"))
            }
            Source::Task(_) => both("the files of the task's cgroup".into()),
            Source::Machine { files, read } => {
                let paths: Vec<&str> = files.iter().map(|file| file.path).collect();
                both(format!("{}{}", paths.join(", "), read.text()))
            }
            Source::Node { file, read } => both(format!("/sys/devices/system/node/nodeN/{file}{}", read.text())),
            Source::Platform(fact) => both(fact.source().into()),
        };
        Described { v1, v2, ..Described::from(self.definition()) }
    }
}

/// The files of cgroup v1, and those of v2.
fn of_parts(parts: &[CgroupPart]) -> (String, String) {
    let join = |files: Vec<CgroupFile>| {
        let text = |file: &CgroupFile| format!("{}{}", file.file, file.read.text());
        let of_file = |file: &CgroupFile| match file.on_one_node() {
            other if other.file == file.file => text(file),
            other => format!("{}; with one node alone {}", text(file), text(&other)),
        };
        let mut texts: Vec<String> = files.iter().map(of_file).collect();
        texts.dedup();
        texts.join(", ")
    };
    (join(parts.iter().filter_map(|part| part.v1).collect()), join(parts.iter().filter_map(|part| part.v2).collect()))
}

impl CgroupRead {
    /// What is taken of the file, behind its name.
    fn text(self) -> String {
        match self {
            Self::Limit => String::new(),
            Self::Number { per_unit } => over(per_unit),
            Self::Keyed { key, per_unit } | Self::KeyedOrNot { key, per_unit } => format!(" {key}{}", over(per_unit)),
            Self::Split(split) => split.text(),
        }
    }
}

/// How a number becomes one of the metric's unit.
fn over(per_unit: f64) -> String {
    if per_unit == 1.0 { String::new() } else { format!(" / {per_unit:e}") }
}

impl Split {
    fn text(self) -> String {
        match self {
            Self::Pages => " hierarchical_total, else total".into(),
            Self::BytesToPages => " (anon + file + hugetlb) / page size".into(),
            Self::PagesOfOneNode(lines) => format!(" ({}) / page size", lines.join(" + ")),
            Self::Keys { only: None } => ", each line".into(),
            Self::Keys { only: Some(key) } | Self::Operation(key) | Self::Nested(key) => format!(" {key}"),
            Self::Stalled => " total / 1e6".into(),
        }
    }
}

impl MachineRead {
    fn text(self) -> String {
        match self {
            Self::BusyTime => " user + nice + system + irq + softirq + steal of each CPU".into(),
            Self::MemoryInUse => " (MemTotal - MemFree - Buffers - Cached) * 1024".into(),
            Self::NodeMemory(key) => format!(" {key} * 1024"),
            Self::Key(key) => format!(" {key}"),
            Self::Keys | Self::Zones => ", each line that is wanted".into(),
            Self::Stalled => " total / 1e6".into(),
        }
    }
}

impl TaskFact {
    const fn text(self) -> &'static str {
        match self {
            Self::Up => "1 where any of them could be read",
            Self::LastSeen => "the time of the reading where any of them could be read",
            Self::Containers => "the number of cgroups of containers that the node names",
        }
    }
}

impl MachineFact {
    const fn text(self) -> &'static str {
        match self {
            Self::LastSeen => "the time of the reading",
            Self::Cores => "cores with a processor that is online",
            Self::Cpus => "processors that are online",
            Self::Sockets => "sockets with a processor that is online",
            Self::PageSize => "the number that it says",
        }
    }

    const fn source(self) -> &'static str {
        match self {
            Self::LastSeen => "the clock",
            Self::PageSize => "AT_PAGESZ of the auxiliary vector, getauxval(3)",
            Self::Cores | Self::Cpus | Self::Sockets => "/sys/devices/system/cpu/cpuN/topology, else /proc/cpuinfo",
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use crate::definitions;

    #[rstest]
    #[case("task_cpu_usage_seconds", "cpuacct.usage / 1e9", "cpu.stat usage_usec / 1e6")]
    #[case("task_mem_limit_bytes", "memory.limit_in_bytes", "memory.max")]
    #[case(
        "task_mem_numa_pages",
        "memory.numa_stat hierarchical_total, else total; with one node alone memory.stat (total_inactive_anon + \
         total_active_anon + total_inactive_file + total_active_file + total_unevictable) / page size",
        "memory.numa_stat (anon + file + hugetlb) / page size; with one node alone memory.stat (anon + file) / page size"
    )]
    #[case(
        "task_pressure_seconds",
        "",
        "cpu.pressure total / 1e6, io.pressure total / 1e6, memory.pressure total / 1e6"
    )]
    #[case(
        "task_mem_working_set_bytes",
        "task_mem_usage_bytes; memory.stat total_inactive_file",
        "task_mem_usage_bytes; memory.stat inactive_file"
    )]
    #[case("task_io_writes", "blkio.throttle.io_serviced Write", "io.stat wios")]
    fn sources_are_named(#[case] name: &str, #[case] v1: &str, #[case] v2: &str) {
        let described = definitions().into_iter().find(|one| one.info.name == name).unwrap();
        assert_eq!((described.v1.as_str(), described.v2.as_str()), (v1, v2));
    }
}
