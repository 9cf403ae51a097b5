//! One tick's values of all tasks and of the machine, from files that stay open.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

use wca_model::{Catalog, TaskKey};

use crate::catalog::catalog;
use crate::cgroup::files::{CgroupFiles, Reading};
use crate::cgroup::gaps::{Gap, gaps};
use crate::cgroup::opener::Opener;
use crate::cgroup::plan::{Labels, Plan};
use crate::cgroup::sum::Sum;
use crate::cgroup::{Hierarchies, relative_cgroup_path};
use crate::families::Families;
use crate::files::read_optional;
use crate::limits::{descriptor_limit, reader_descriptors};
use crate::machine::{Machine, MachineMetric};
use crate::metrics::TaskFact;
use crate::{Notice, Roots, Wanted};

/// A task and where its values are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskCgroups {
    /// Its key.
    pub key: TaskKey,
    /// Path of its cgroup below the mount points, with a leading `/`.
    pub cgroup: String,
    /// Cgroups of its containers, where the task is a pod: its values are their sums. Empty: `cgroup` itself is read.
    pub containers: Vec<String>,
}

/// Reads the values of every tick.
///
/// Descriptors stay open, one per file and cgroup, and one buffer serves all of them; a tick in which nothing changes
/// allocates nothing.
pub struct Sampler {
    roots: Roots,
    wanted: Wanted,
    catalog: Catalog,
    hierarchies: Hierarchies,
    labels: Labels,
    /// Whether the machine can have no NUMA node but the first.
    has_one_node: bool,
    plan: Plan,
    machine: Machine,
    /// What is read in other ways.
    families: Families,
    opener: Opener,
    tasks: Vec<TaskCgroups>,
    rows: Vec<Row>,
    /// How many descriptors all readers of values may have.
    descriptors: usize,
    /// How many files of cgroups may stay open, where somebody wants fewer than there is room for.
    budget: usize,
    /// Where the process ran out of descriptors: its limit on them, and how many files of cgroups it could keep open.
    starved_at: Option<(u64, usize)>,
    buffer: Vec<u8>,
    machine_took: Duration,
    sums: Vec<Sum>,
}

/// The files of one task.
struct Row {
    key: TaskKey,
    cgroups: Vec<CgroupFiles>,
    /// How many containers the task has, found or not.
    containers: u32,
}

/// How many files are closed when the process has run out of descriptors.
const SHED: usize = 32;

/// Where the buffer starts; it grows to the largest file.
const BUFFER: usize = 16 << 10;

impl Sampler {
    /// A sampler without tasks. What this machine cannot measure is among the notices of the first [`Sampler::sample`].
    #[must_use]
    pub fn new(roots: &Roots, hierarchies: &Hierarchies, wanted: Wanted) -> Self {
        let descriptors = reader_descriptors();
        let labels = Labels::new();
        let nodes = read_optional(&roots.path("/sys/devices/system/node/possible"));
        let has_one_node = matches!(nodes, Ok(Some(nodes)) if nodes.trim_ascii() == b"0");
        let (plan, notices) = Plan::new(hierarchies, &labels, has_one_node);
        let mut opener = Opener::new(roots, hierarchies, descriptors, wanted.idle_task_interval);
        opener.notices.extend(notices);
        let mut sampler = Self {
            catalog: Catalog::default(),
            hierarchies: hierarchies.clone(),
            labels,
            sums: vec![Sum::default(); plan.columns.len()],
            has_one_node,
            plan,
            machine: Machine::new(roots, &wanted),
            families: Families::new(roots, hierarchies, &wanted),
            roots: roots.clone(),
            wanted,
            opener,
            tasks: Vec::new(),
            rows: Vec::new(),
            descriptors,
            budget: descriptors,
            starved_at: None,
            buffer: vec![0; BUFFER],
            machine_took: Duration::ZERO,
        };
        sampler.read_machine(unix_time());
        sampler.renew_catalog();
        sampler
    }

    /// What the values mean. Its version goes up when [`Sampler::sample`] finds that there are other series: a processor or
    /// a node came or went, or a file of a task has a number for something new, such as a device. What the files of tasks
    /// are divided into is found in the first of them.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Measures from now on what is wanted now.
    pub fn want(&mut self, wanted: Wanted) {
        if wanted == self.wanted {
            return;
        }
        if (&wanted.vmstat, &wanted.zoneinfo) != (&self.wanted.vmstat, &self.wanted.zoneinfo) {
            self.machine = Machine::new(&self.roots, &wanted);
        }
        self.families.want(&self.wanted, &wanted, &self.tasks);
        self.opener.turns.set(wanted.idle_task_interval);
        self.wanted = wanted;
        self.read_machine(unix_time());
        self.renew_catalog();
    }

    /// What the cgroups of a task do not say, as was found when they were last looked into; none where there is no such task.
    #[must_use]
    pub fn gaps(&self, task: TaskKey) -> Option<Vec<Gap>> {
        let row = self.rows.iter().find(|row| row.key == task)?;
        let of = |cgroup: &CgroupFiles| gaps(cgroup, &self.plan, &self.hierarchies, &self.opener);
        Some(row.cgroups.iter().flat_map(of).collect())
    }

    /// Looks again at what is only looked at when the machine has changed.
    pub fn look_again(&mut self) {
        let changed = self.families.machine_changed();
        if changed {
            self.renew_catalog();
        }
    }

    /// How many files of cgroups may stay open at most: by default all for which there is room under the limit of the process
    /// at the time of [`Sampler::new`], beside a sixteenth for finding cgroups, 256 for the other parts of the process, and
    /// what counters need. Files beyond are opened for each reading.
    pub fn set_descriptor_budget(&mut self, files: usize) {
        self.budget = files;
        self.starved_at = None;
        self.share_descriptors();
    }

    /// Leaves to the families what they need, also where files of cgroups must be closed for it; true where some were.
    fn share_descriptors(&mut self) -> bool {
        let room = self.descriptors - self.families.descriptors(self.descriptors);
        let kept = self.starved_at.map_or(usize::MAX, |(_, kept)| kept);
        self.opener.budget = room.min(self.budget).min(kept);
        let excess = self.opener.open.saturating_sub(self.opener.budget);
        if excess > 0 {
            self.park_oldest(excess);
        }
        excess > 0
    }

    /// Sets the tasks whose values are read, in the order of their rows. Files of tasks that stay remain open, those of new
    /// ones are opened, those of tasks that are gone are closed.
    pub fn set_tasks(&mut self, tasks: &[TaskCgroups]) {
        let mut old: HashMap<TaskKey, Vec<CgroupFiles>> =
            std::mem::take(&mut self.rows).into_iter().map(|row| (row.key, row.cgroups)).collect();
        for task in tasks {
            let mut known = old.remove(&task.key).unwrap_or_default();
            let paths = if task.containers.is_empty() { std::slice::from_ref(&task.cgroup) } else { &task.containers };
            let mut cgroups = Vec::with_capacity(paths.len());
            for path in paths {
                match relative_cgroup_path(path) {
                    Ok(path) => {
                        let at = known.iter().position(|cgroup| cgroup.path == path);
                        cgroups.push(at.map_or_else(|| CgroupFiles::new(path, &self.plan), |at| known.swap_remove(at)));
                    }
                    Err(reason) => {
                        if self.opener.said.first(("path", path)) {
                            self.opener.notices.push(Notice::BadPath { path: path.clone(), reason });
                        }
                    }
                }
            }
            let containers = u32::try_from(task.containers.len()).unwrap_or(u32::MAX);
            self.rows.push(Row { key: task.key, cgroups, containers });
        }
        self.tasks = tasks.to_vec();
        self.families.set_tasks(tasks);
        // The descriptors of those that are gone are closed before new ones are opened.
        drop(old);
        self.opener.open = self.rows.iter().flat_map(|row| &row.cgroups).map(CgroupFiles::open_count).sum();
        // After the process ran out once, only a higher limit promises that it will not again.
        if self.starved_at.is_some_and(|(limit, _)| limit < descriptor_limit()) {
            self.starved_at = None;
        }
        if self.share_descriptors() {
            self.opener.say_short();
        }
        for row in 0..self.rows.len() {
            for cgroup in 0..self.rows[row].cgroups.len() {
                let files = &mut self.rows[row].cgroups[cgroup];
                if files.is_new() {
                    files.open_missing(&self.plan, &mut self.opener);
                    self.relieve();
                }
            }
        }
    }

    /// Reads the values of this moment into `values`, laid out as [`Catalog`] says: all that was in it is replaced. Returns
    /// what an operator should hear of, each once.
    ///
    /// NaN is the value of what a task's cgroups lack, of what could not be read, and of the whole row of a task whose
    /// cgroup was removed while it was read, or of which nothing could be read.
    pub fn sample(&mut self, values: &mut Vec<f64>) -> Vec<Notice> {
        self.sample_at(unix_time(), values)
    }

    /// Like [`Sampler::sample`], where the caller says what time it is, in seconds since 1970: that is what `task_last_seen`
    /// and `platform_last_seen` will say.
    pub fn sample_at(&mut self, time: f64, values: &mut Vec<f64>) -> Vec<Notice> {
        self.opener.settings.listen();
        self.opener.turns.tick(time);
        self.read_tasks(time, values);
        let has_learned = !self.opener.learned.is_empty();
        if has_learned {
            self.learn();
            self.read_tasks(time, values);
            // What only this second reading found waits for the next tick, so that no tick reads more than twice.
        }
        let mut has_changed = self.read_families();
        let begun = Instant::now();
        has_changed |= self.read_machine(time);
        self.machine_took = begun.elapsed();
        if has_changed || has_learned {
            self.renew_catalog();
        }
        values.extend(self.families.columns());
        values.extend(self.machine.metrics.iter().flat_map(MachineMetric::values));
        values.extend(self.families.platform());
        let Opener { said, notices, .. } = &mut self.opener;
        said.end(notices);
        std::mem::take(notices)
    }

    /// How many files of cgroups have been read for values so far. Those of tasks that do nothing are read less often
    /// ([`Wanted::idle_task_interval`]), and those that the kernel tells of when somebody writes them.
    #[must_use]
    pub fn files_read(&self) -> u64 {
        self.opener.read
    }

    /// What reading the machine took in the last [`Sampler::sample`].
    #[must_use]
    pub fn machine_took(&self) -> Duration {
        self.machine_took
    }

    /// Reads the values of all tasks.
    fn read_tasks(&mut self, time: f64, values: &mut Vec<f64>) {
        let rows = self.rows.len();
        values.clear();
        values.resize(self.plan.columns.len() * rows, f64::NAN);
        for at in 0..rows {
            let mut is_read = self.read_row(at, time);
            if self.relieve() {
                is_read = self.read_row(at, time);
            }
            if is_read {
                for (column, sum) in self.sums.iter().enumerate() {
                    values[column * rows + at] = sum.value();
                }
            }
        }
    }

    /// Makes columns for what files of tasks were found to have numbers for.
    fn learn(&mut self) {
        for (part, label) in self.opener.learned.drain(..) {
            self.labels.learn(part, label);
        }
        // What no hierarchy knows has been said.
        (self.plan, _) = Plan::new(&self.hierarchies, &self.labels, self.has_one_node);
        self.sums.resize(self.plan.columns.len(), Sum::default());
        self.rows.iter_mut().flat_map(|row| &mut row.cgroups).for_each(CgroupFiles::forget_columns);
    }

    /// Reads the files of one task into the sums; false where nothing could be read, or one of its cgroups was removed in
    /// the midst.
    fn read_row(&mut self, at: usize, time: f64) -> bool {
        self.sums.fill(Sum::default());
        let mut reading = Reading::Nothing;
        for cgroup in &mut self.rows[at].cgroups {
            if cgroup.is_due() {
                cgroup.open_missing(&self.plan, &mut self.opener);
            }
            reading = reading.max(cgroup.read(&self.plan, &mut self.opener, &mut self.buffer, &mut self.sums));
        }
        for (column, fact) in &self.plan.facts {
            self.sums[*column].set(match fact {
                TaskFact::Up => 1.0,
                TaskFact::LastSeen => time,
                TaskFact::Containers => f64::from(self.rows[at].containers),
            });
        }
        for (column, minuend) in &self.plan.differences {
            let minuend = self.sums[*minuend];
            self.sums[*column].take_off(minuend);
        }
        reading == Reading::Some
    }

    /// Reads what is read in other ways; true where there are other series than before.
    fn read_families(&mut self) -> bool {
        if self.share_descriptors() {
            self.opener.say_short();
        }
        let descriptors = (self.descriptors, self.opener.open);
        self.families.read(descriptors, &mut self.buffer, &mut self.opener.said, &mut self.opener.notices)
    }

    fn read_machine(&mut self, time: f64) -> bool {
        self.machine.read(time, &mut self.buffer, &mut self.opener.said, &mut self.opener.notices)
    }

    /// Closes some files where the process has run out of descriptors, so that it can open others for a moment; true where
    /// that helped.
    fn relieve(&mut self) -> bool {
        if !std::mem::take(&mut self.opener.starved) || self.opener.open == 0 {
            return false;
        }
        self.park_oldest(SHED);
        self.opener.budget = self.opener.budget.min(self.opener.open);
        self.starved_at = Some((descriptor_limit(), self.opener.budget));
        true
    }

    fn park_oldest(&mut self, count: usize) {
        let mut serials: Vec<u64> =
            self.rows.iter().flat_map(|row| &row.cgroups).flat_map(CgroupFiles::serials).collect();
        let Some(last) = count.min(serials.len()).checked_sub(1) else { return };
        let (_, serial, _) = serials.select_nth_unstable(last);
        let serial = *serial;
        for cgroup in self.rows.iter_mut().flat_map(|row| &mut row.cgroups) {
            cgroup.park(serial);
        }
        self.opener.open -= last + 1;
    }

    /// Writes the catalogue anew, under the next version.
    fn renew_catalog(&mut self) {
        self.catalog = catalog(self.catalog.version + 1, &self.plan, &self.machine, &self.families);
    }
}

fn unix_time() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
