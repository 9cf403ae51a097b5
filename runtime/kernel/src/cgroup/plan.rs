//! Which files of a cgroup are read for which column.

use crate::Notice;
use crate::cgroup::{Hierarchies, Version};
use crate::metrics::{CgroupFile, CgroupRead, METRICS, Metric, Source, TaskFact};

/// The files of each cgroup that this machine can have, and the columns that come out of them.
pub(crate) struct Plan {
    /// The files, in the order of preference: where two hold the same metric, the first that a cgroup has is read.
    pub files: Vec<PlannedFile>,
    /// The metrics, one column each.
    pub columns: Vec<&'static Metric>,
    /// The columns that stand in no file.
    pub facts: Vec<(usize, TaskFact)>,
}

/// A file of every cgroup in one hierarchy.
pub(crate) struct PlannedFile {
    /// Index into [`Hierarchies::all`].
    pub hierarchy: usize,
    /// Its name.
    pub name: &'static str,
    /// What is taken out of it: the column, and how.
    pub outputs: Vec<(usize, CgroupRead)>,
    /// Its columns, as bits.
    pub columns: u64,
}

// Columns of one cgroup are remembered as bits.
const _: () = assert!(METRICS.len() <= u64::BITS as usize);

impl Plan {
    /// Finds out what the mounted hierarchies can say; with a notice for each metric that none of them knows.
    pub(crate) fn new(hierarchies: &Hierarchies) -> (Self, Vec<Notice>) {
        let mut plan = Self { files: Vec::new(), columns: Vec::new(), facts: Vec::new() };
        let mut notices = Vec::new();
        // Without a hierarchy nothing of a task can be read, and then there is nothing to know of it.
        let knows_tasks = !hierarchies.all().is_empty();
        for metric in METRICS {
            let (v1, v2) = match &metric.source {
                Source::Cgroup { v1, v2 } => (v1, v2),
                Source::Task(fact) if knows_tasks => {
                    plan.facts.push((plan.columns.len(), *fact));
                    plan.columns.push(metric);
                    continue;
                }
                Source::Task(_) | Source::Machine { .. } | Source::Platform(_) => continue,
            };
            let sources: Vec<(usize, CgroupFile)> = [(Version::V1, v1), (Version::V2, v2)]
                .into_iter()
                .filter_map(|(version, file)| {
                    let file = (*file)?;
                    Some((hierarchy_with(hierarchies, version, file.controller)?, file))
                })
                .collect();
            if sources.is_empty() {
                notices.push(Notice::NotMeasured { metric: metric.name, reason: reason(v1.as_ref(), v2.as_ref()) });
                continue;
            }
            let column = plan.columns.len();
            plan.columns.push(metric);
            for (hierarchy, file) in sources {
                plan.add(hierarchy, file, column);
            }
        }
        // v1 before v2: where both know a path, v1 has the files that the names of the metrics are taken from.
        plan.files.sort_by_key(|file| hierarchies.all()[file.hierarchy].version);
        (plan, notices)
    }

    fn add(&mut self, hierarchy: usize, file: CgroupFile, column: usize) {
        let known = self.files.iter().position(|one| one.hierarchy == hierarchy && one.name == file.file);
        let at = known.unwrap_or_else(|| {
            self.files.push(PlannedFile { hierarchy, name: file.file, outputs: Vec::new(), columns: 0 });
            self.files.len() - 1
        });
        self.files[at].outputs.push((column, file.read));
        self.files[at].columns |= 1 << column;
    }

    /// All columns, as bits.
    pub(crate) fn all_columns(&self) -> u64 {
        self.files.iter().fold(0, |columns, file| columns | file.columns)
    }
}

fn hierarchy_with(hierarchies: &Hierarchies, version: Version, controller: Option<&str>) -> Option<usize> {
    hierarchies
        .all()
        .iter()
        .position(|one| one.version == version && controller.is_none_or(|controller| one.has(controller)))
}

fn reason(v1: Option<&CgroupFile>, v2: Option<&CgroupFile>) -> String {
    let controllers: Vec<String> = [(v1, "v1"), (v2, "v2")]
        .into_iter()
        .filter_map(|(file, version)| {
            Some(match file?.controller {
                Some(controller) => format!("the controller {controller} of cgroup {version}"),
                None => format!("cgroup {version}"),
            })
        })
        .collect();
    format!("it takes {}, and none is mounted", controllers.join(" or "))
}
