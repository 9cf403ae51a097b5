//! The metrics of cache occupancy and memory bandwidth, as a family.

mod count;
mod follow;

use std::collections::{HashMap, HashSet};
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, statat};
use wca_model::TaskKey;

use crate::cgroup::leaves::topmost;
use crate::cgroup::processes::Processes;
use crate::cgroup::{Hierarchies, relative_cgroup_path};
use crate::family::{Family, FamilyMetric, Moment};
use crate::limits::monitoring_share;
use crate::resctrl::group::Group;
use crate::resctrl::layout::{Domain, domains};
use crate::resctrl::lock::Lock;
use crate::resctrl::means::Why;
use crate::resctrl::mount::{Absence, Mounted, USUAL, find};
use crate::resctrl::pause::Pause;
use crate::resctrl::task::Task;
use crate::resctrl::values::Kind;
use crate::resctrl::{told, values};
use crate::{Notice, Roots, TaskCgroups};

/// Cache occupancy and memory bandwidth of tasks.
pub(crate) struct Monitoring {
    roots: Roots,
    hierarchies: Hierarchies,
    /// Whether the operator asked for it by name.
    is_asked_for: bool,
    mounted: Option<Mounted>,
    /// The pause until it is looked again whether resctrl is mounted.
    absent: Pause,
    /// Whether it was said why it is absent.
    has_told: bool,
    domains: Vec<Domain>,
    /// Links of the directory of all domains, one for each of them and two of its own.
    links: u64,
    kinds: Vec<Kind>,
    processes: Processes,
    tasks: Vec<Task>,
    /// Groups of tasks that are gone.
    leaving: Vec<Group>,
    /// Whether groups of an earlier process have been taken over or removed.
    is_swept: bool,
    has_tasks: bool,
    /// The pause until groups are made again after RMIDs ran out.
    pause: Pause,
    /// Whether domains came or went.
    has_other_domains: bool,
    values: Vec<f64>,
    threads: Vec<u32>,
    members: Vec<u32>,
}

impl Monitoring {
    /// What `rdt_enabled` asks for: false touches nothing, true says what is missing, and none measures where the machine
    /// can, silently where the kernel has no resctrl at all.
    pub(crate) fn new(roots: &Roots, hierarchies: &Hierarchies, rdt_enabled: Option<bool>) -> Option<Self> {
        if rdt_enabled == Some(false) {
            return None;
        }
        let mut monitoring = Self {
            roots: roots.clone(),
            hierarchies: hierarchies.clone(),
            is_asked_for: rdt_enabled == Some(true),
            mounted: None,
            absent: Pause::default(),
            has_told: false,
            domains: Vec::new(),
            links: 0,
            kinds: Vec::new(),
            processes: Processes::new(hierarchies),
            tasks: Vec::new(),
            leaving: Vec::new(),
            is_swept: false,
            has_tasks: false,
            pause: Pause::default(),
            has_other_domains: false,
            values: Vec::new(),
            threads: Vec::new(),
            members: Vec::new(),
        };
        // What is missing is said at the first reading.
        if let Ok(mounted) = find(roots) {
            monitoring.begin(mounted);
        }
        Some(monitoring)
    }

    fn begin(&mut self, mounted: Mounted) {
        self.links = links(&mounted.root);
        self.domains = domains(&mounted.root).unwrap_or_default();
        self.kinds = Kind::ALL.into_iter().filter(|kind| kind.is_in(&mounted.events)).collect();
        self.mounted = Some(mounted);
    }

    /// Looks whether resctrl is mounted now.
    fn look_again(&mut self, moment: &mut Moment<'_>) -> bool {
        if !self.absent.is_over() {
            return false;
        }
        // A kernel that has it shows this directory, mounted or not.
        if self.has_told && !self.roots.path(USUAL).exists() {
            self.absent.lengthen();
            return false;
        }
        match find(&self.roots) {
            Ok(mounted) => {
                self.begin(mounted);
                true
            }
            Err(absence) => {
                self.absent.lengthen();
                self.has_told = true;
                let is_silent = matches!(absence, Absence::NotThere { .. }) && !self.is_asked_for;
                if !is_silent && moment.said.first(("resctrl", absence.to_string())) {
                    let metric = "task_mem_bandwidth_bytes";
                    moment.notices.push(Notice::NotMeasured { metric, reason: absence.to_string() });
                }
                false
            }
        }
    }
}

impl Family for Monitoring {
    fn metrics(&self) -> Vec<FamilyMetric> {
        values::metrics(&self.kinds, &self.domains)
    }

    fn set_tasks(&mut self, tasks: &[TaskCgroups]) {
        self.has_tasks = true;
        let mut old: HashMap<TaskKey, Task> =
            std::mem::take(&mut self.tasks).into_iter().map(|one| (one.key, one)).collect();
        let above: HashSet<&str> = tasks.iter().flat_map(|task| ancestors(&task.cgroup)).collect();
        for (turn, task) in tasks.iter().enumerate() {
            // What is no path of a cgroup has been told by who reads its files, and has no threads.
            let cgroup = relative_cgroup_path(&task.cgroup).unwrap_or_default();
            let paths = paths(task);
            let known = old.remove(&task.key).filter(|known| known.cgroup == cgroup);
            let mut now = known.unwrap_or_else(|| Task::new(task.key, cgroup, Vec::new(), turn));
            if now.paths != paths {
                now.paths = paths;
                now.forget_threads();
            }
            match (above.contains(cgroup), now.why) {
                (true, _) => {
                    self.leaving.extend(now.groups.drain(..).filter(|group| group.is_ours));
                    now.why = Some(Why::HasTasksBelow);
                }
                (false, Some(Why::HasTasksBelow)) => now.why = None,
                (false, _) => {}
            }
            self.tasks.push(now);
        }
        let gone = old.into_values().flat_map(|task| task.groups);
        self.leaving.extend(gone.filter(|group| group.is_ours));
        self.values.clear();
        self.values.resize(self.kinds.len() * (1 + self.domains.len()) * self.tasks.len(), f64::NAN);
    }

    fn descriptors(&self, left: usize) -> usize {
        let Some(mounted) = &self.mounted else { return 0 };
        let per_group = self.domains.len() * mounted.events.len() + 1;
        // A task without a group is about to have one.
        let groups: usize = self.tasks.iter().map(|task| task.groups.len().max(1)).sum();
        (per_group * groups + self.leaving.len()).min(monitoring_share(left))
    }

    fn read(&mut self, moment: &mut Moment<'_>) -> bool {
        let mut has_changed = self.mounted.is_none() && self.look_again(moment);
        has_changed |= self.renew_domains();
        self.follow(moment);
        self.count(moment);
        if let Some(mounted) = &self.mounted {
            told::without_values(&mut self.tasks, &mounted.path, moment);
        }
        has_changed
    }

    fn columns(&self) -> &[f64] {
        &self.values
    }

    fn platform(&self) -> &[f64] {
        &[]
    }

    fn traffic(&self) -> &[f64] {
        let Some(at) = self.kinds.iter().position(|kind| *kind == Kind::Total) else { return &[] };
        let rows = self.tasks.len();
        // Of each kind the sum over all domains stands before those of each.
        self.values.get(at * (1 + self.domains.len()) * rows..).and_then(|rest| rest.get(..rows)).unwrap_or_default()
    }
}

impl Drop for Monitoring {
    /// Removes the groups that are ours: threads go to their control groups, as they were.
    fn drop(&mut self) {
        let Some(mounted) = &self.mounted else { return };
        let groups = self.tasks.iter().flat_map(|task| &task.groups).chain(&self.leaving);
        let mut ours = groups.filter(|group| group.is_ours).peekable();
        if ours.peek().is_none() {
            return;
        }
        // What another process keeps locked does not keep ours from going: nobody else has them.
        let _lock = Lock::take(&mounted.root);
        for group in ours {
            // Nobody is left to tell; the next process finds it.
            let _ = group.remove(&mounted.root);
        }
    }
}

/// How many links the directory of all domains has; they change when a domain comes or goes with its processors.
fn links(root: &OwnedFd) -> u64 {
    statat(root, "mon_data", AtFlags::SYMLINK_NOFOLLOW).map_or(0, |found| found.st_nlink)
}

/// Cgroups that hold a task's threads; what is below another one of them is found there.
fn paths(task: &TaskCgroups) -> Vec<String> {
    let all = std::iter::once(&task.cgroup).chain(&task.containers);
    topmost(all.filter_map(|path| relative_cgroup_path(path).ok()))
}

/// The cgroups above one, without leading slashes: `a/b` and `a` and the root of `/a/b/c`.
fn ancestors(cgroup: &str) -> impl Iterator<Item = &str> {
    let path = cgroup.trim_start_matches('/');
    let parents = path.match_indices('/').map(|(at, _)| &path[..at]);
    parents.chain((!path.is_empty()).then_some(""))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("a/b/c", &["a", "a/b", ""])]
    #[case("/a", &[""])]
    #[case("/", &[])]
    fn cgroups_above(#[case] cgroup: &str, #[case] expected: &[&str]) {
        assert_eq!(ancestors(cgroup).collect::<Vec<_>>(), expected);
    }

    #[rstest]
    #[case("/pod", &["/pod/a", "/pod/b"], &["pod"])]
    #[case("/pod", &["/pods/a", "/other/b"], &["pod", "pods/a", "other/b"])]
    #[case("/pod/../x", &["/pod/a"], &["pod/a"])]
    fn cgroups_of_a_task(#[case] cgroup: &str, #[case] containers: &[&str], #[case] expected: &[&str]) {
        let containers = containers.iter().map(|one| (*one).to_owned()).collect();
        let task = TaskCgroups { key: TaskKey(1), cgroup: cgroup.to_owned(), containers };
        assert_eq!(paths(&task), expected);
    }
}
