//! Which files of a cgroup are read for which column.

use crate::Notice;
use crate::cgroup::rest::{Idle, Sign};
use crate::cgroup::{Hierarchies, Version};
use crate::metrics::{CgroupFile, CgroupPart, CgroupRead, Join, Metric, Source, TASKS, TaskFact, part_count};

/// The files of each cgroup that this machine can have, and the columns that come out of them.
pub(crate) struct Plan {
    /// The files, in the order of preference: where two hold the same metric, the first that a cgroup has is read.
    pub files: Vec<PlannedFile>,
    /// The columns: all of a metric stand together, in the order of the table.
    pub columns: Vec<Column>,
    /// The columns that stand in no file.
    pub facts: Vec<(usize, TaskFact)>,
    /// Columns that are to be taken off another one, which is the second.
    pub differences: Vec<(usize, usize)>,
    has_one_node: bool,
}

/// One column.
pub(crate) struct Column {
    /// What it is of.
    pub metric: &'static Metric,
    /// Values of the metric's levels.
    pub labels: Vec<String>,
}

/// A file of every cgroup in one hierarchy.
pub(crate) struct PlannedFile {
    /// Index into [`Hierarchies::all`].
    pub hierarchy: usize,
    /// Its name.
    pub name: &'static str,
    /// Until when it need not be read again; none where it is read at each tick.
    pub stands: Option<Stands>,
    /// What it shows of the cgroup as a whole.
    pub sign: Option<Sign>,
    /// When it may rest; none where it never does.
    pub idle: Option<&'static Idle>,
    /// What is taken out of it.
    pub outputs: Vec<Output>,
    /// The parts that stand in it, as bits.
    pub parts: u64,
}

/// Until when what a file says stands.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stands {
    /// Until the kernel tells that somebody wrote it, or that it says something else.
    UntilTold,
    /// As long as the kernel kills no process of the machine for want of memory.
    WithoutKills,
    /// As long as another file of the cgroup, of which the same is told, begins so.
    While {
        /// Its name.
        file: &'static str,
        /// The beginning.
        begins: &'static [u8],
    },
}

impl Stands {
    /// Limits change where somebody writes them. Of memory.events the kernel tells what is new (cgroup-v2.rst). Without a
    /// quota, which is -1, no period is counted in cpu.stat of v1 (sched-bwc.rst); that of v2 has the usage too.
    fn of(version: Version, file: &str) -> Option<Self> {
        match (version, file) {
            (Version::V1, "memory.limit_in_bytes" | "memory.soft_limit_in_bytes")
            | (Version::V2, "memory.max" | "memory.low" | "memory.events") => Some(Self::UntilTold),
            (Version::V1, "memory.oom_control") => Some(Self::WithoutKills),
            (Version::V1, "cpu.stat") => Some(Self::While { file: "cpu.cfs_quota_us", begins: b"-" }),
            _ => None,
        }
    }
}

/// What is taken out of a file for one metric.
pub(crate) struct Output {
    /// Number of the part in the whole table.
    pub part: usize,
    /// How.
    pub read: CgroupRead,
    /// What is made of several cgroups.
    pub join: Join,
    /// Where it goes.
    pub places: Vec<Place>,
}

impl Output {
    /// Where the number of this label goes; none where it is new. Most files have their labels in one order, so that the
    /// place behind that of the one before, `next`, is looked at first.
    pub(crate) fn place_of(&self, label: &[u8], next: &mut usize) -> Option<&Place> {
        let has_label = |place: &Place| place.label.as_bytes() == label;
        let at = match self.places.get(*next) {
            // A number that is the only one of its file has no label to compare.
            Some(place) if label.is_empty() && place.label.is_empty() || has_label(place) => *next,
            _ => self.places.iter().position(has_label)?,
        };
        *next = at + 1;
        self.places.get(at)
    }
}

/// The column of one label.
pub(crate) struct Place {
    /// Value of the last level; empty where the file is one number.
    pub label: String,
    /// The column.
    pub column: usize,
}

/// What the files of cgroups were found to be divided into: nodes, devices, kinds. Only the files say it.
pub(crate) struct Labels {
    /// Of each part.
    of: Vec<Vec<String>>,
}

/// For how many metrics one file is read at most.
pub(crate) const MOST_OUTPUTS: usize = 8;

// The parts of one cgroup are remembered as bits.
const _: () = assert!(part_count() <= u64::BITS as usize);

impl Labels {
    /// Nothing is found yet.
    pub(crate) fn new() -> Self {
        Self { of: vec![Vec::new(); part_count()] }
    }

    /// A file has a number for one thing more.
    pub(crate) fn learn(&mut self, part: usize, label: String) {
        let labels = &mut self.of[part];
        if !labels.contains(&label) {
            labels.push(label);
            // Numbers stand in their order, and so do devices of one major number.
            labels.sort_unstable_by(|one, other| (one.len(), one).cmp(&(other.len(), other)));
        }
    }
}

impl Plan {
    /// Finds out what the mounted hierarchies can say; with a notice for each metric that none of them knows. Labels add
    /// columns: the files, and their order, are the same with any. `has_one_node` is whether the machine can have NUMA node 0
    /// alone.
    pub(crate) fn new(hierarchies: &Hierarchies, labels: &Labels, has_one_node: bool) -> (Self, Vec<Notice>) {
        let (files, columns, facts, differences) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut plan = Self { files, columns, facts, differences, has_one_node };
        let mut notices = Vec::new();
        // Without a hierarchy nothing of a task can be read, and then there is nothing to know of it.
        let knows_tasks = !hierarchies.all().is_empty();
        let mut number = 0;
        for metric in TASKS {
            let first = plan.columns.len();
            if let Source::Task(fact) = metric.source
                && knows_tasks
            {
                plan.facts.push((first, fact));
                plan.columns.push(Column { metric, labels: Vec::new() });
            }
            let parts = metric.source.cgroup_parts();
            let mut is_known = parts.is_empty();
            for part in parts {
                is_known |= plan.add(hierarchies, metric, part, number, &labels.of[number]);
                number += 1;
            }
            if !is_known {
                notices.push(Notice::NotMeasured { metric: metric.name, reason: reason(&parts[0]) });
            }
            if let Source::Less { of, .. } = metric.source
                && is_known
                && let Some(minuend) = plan.columns[..first].iter().position(|column| column.metric.name == of)
            {
                plan.differences.push((first, minuend));
            }
        }
        // v1 before v2: where both know a path, v1 has the files that the names of the metrics are taken from. Signs before what
        // they tell of.
        plan.files.sort_by_key(|file| (hierarchies.all()[file.hierarchy].version, file.sign.is_none()));
        (plan, notices)
    }

    /// Adds the columns of one part and the files that hold them; false where no hierarchy has one.
    fn add(
        &mut self,
        hierarchies: &Hierarchies,
        metric: &'static Metric,
        part: &CgroupPart,
        number: usize,
        labels: &[String],
    ) -> bool {
        let sources: Vec<(usize, CgroupFile)> = [(Version::V1, part.v1), (Version::V2, part.v2)]
            .into_iter()
            .filter_map(|(version, file)| Some((hierarchy_with(hierarchies, version, file?.controller)?, file?)))
            .map(|(hierarchy, file)| (hierarchy, if self.has_one_node { file.on_one_node() } else { file }))
            .collect();
        let Some((_, any)) = sources.first() else { return false };
        let whole = [String::new()];
        let labels = if any.read.is_split() { labels } else { &whole };
        let first = self.columns.len();
        self.columns.extend(labels.iter().map(|label| {
            let levels = part.label.into_iter().chain(any.read.is_split().then_some(label.as_str()));
            Column { metric, labels: levels.map(str::to_owned).collect() }
        }));
        for (hierarchy, file) in sources {
            let places = labels.iter().zip(first..).map(|(label, column)| Place { label: label.clone(), column });
            self.file((hierarchy, hierarchies.all()[hierarchy].version), file.file).take(Output {
                part: number,
                read: file.read,
                join: part.join,
                places: places.collect(),
            });
        }
        true
    }

    fn file(&mut self, (hierarchy, version): (usize, Version), name: &'static str) -> &mut PlannedFile {
        let known = self.files.iter().position(|one| one.hierarchy == hierarchy && one.name == name);
        let at = known.unwrap_or_else(|| {
            let (stands, sign) = (Stands::of(version, name), Sign::of(version, name));
            let (idle, outputs, parts) = (Idle::of(version, name), Vec::new(), 0);
            self.files.push(PlannedFile { hierarchy, name, stands, sign, idle, outputs, parts });
            self.files.len() - 1
        });
        &mut self.files[at]
    }

    /// All parts, as bits.
    pub(crate) fn all_parts(&self) -> u64 {
        self.files.iter().fold(0, |parts, file| parts | file.parts)
    }
}

impl PlannedFile {
    fn take(&mut self, output: Output) {
        debug_assert!(self.outputs.len() < MOST_OUTPUTS, "{}", self.name);
        self.parts |= 1 << output.part;
        self.outputs.push(output);
    }

    /// All columns that come out of it.
    pub(crate) fn columns(&self) -> impl Iterator<Item = usize> {
        self.outputs.iter().flat_map(|output| &output.places).map(|place| place.column)
    }
}

fn hierarchy_with(hierarchies: &Hierarchies, version: Version, controller: Option<&str>) -> Option<usize> {
    hierarchies
        .all()
        .iter()
        .position(|one| one.version == version && controller.is_none_or(|controller| one.has(controller)))
}

fn reason(part: &CgroupPart) -> String {
    let controllers: Vec<String> = [(part.v1, "v1"), (part.v2, "v2")]
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

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::in_order(&["", "some", "full", "8:0"], &["", "some", "full", "8:0"], &[Some(0), Some(1), Some(2), Some(3)])]
    #[case::the_only_number(&[""], &[""], &[Some(0)])]
    #[case::in_another_order(&["full", "some"], &["some", "full"], &[Some(1), Some(0)])]
    #[case::one_left_out(&["a", "b", "c"], &["a", "c", "b", "d"], &[Some(0), Some(2), Some(1), None])]
    #[case::behind_a_new_one(&["a", "b"], &["new", "a", "new", "b"], &[None, Some(0), None, Some(1)])]
    fn each_label_has_its_place(#[case] places: &[&str], #[case] labels: &[&str], #[case] expected: &[Option<usize>]) {
        let places = places.iter().enumerate().map(|(column, label)| Place { label: (*label).to_owned(), column });
        let output =
            Output { part: 0, read: CgroupRead::Number { per_unit: 1.0 }, join: Join::Sum, places: places.collect() };
        let mut next = 0;
        let found = labels.iter().map(|label| output.place_of(label.as_bytes(), &mut next).map(|place| place.column));
        assert_eq!(found.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_is_learned_stands_in_order() {
        let mut labels = Labels::new();
        for label in ["10", "2", "253:0", "8:16", "8:0", "2"] {
            labels.learn(0, label.to_owned());
        }
        assert_eq!(labels.of[0], ["2", "10", "8:0", "8:16", "253:0"]);
        assert!(labels.of[1..].iter().all(Vec::is_empty));
    }
}
