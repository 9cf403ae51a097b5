//! What the warden reads of the machine and of its cgroups.

use std::time::{Duration, Instant, SystemTime};

use nix::sys::resource::{UsageWho, getrusage};
use wca_kernel::{
    Facts, Hierarchies, Hierarchy, KernelError, Limits, Notice, PopulatedCgroup, Roots, Said, Sampler, TaskCgroups,
    TreeWalker, Version, Wanted, identity, platform, process_time, thread_time,
};
use wca_messages::{Cgroup, Cost, Gap, MemoryTopology};
use wca_model::{Catalog, Platform, TaskKey};

use crate::guard::Sampled;
use crate::memory_topology::Tool;

/// The machine, its cgroups, and the tasks that are measured.
pub(crate) struct Measure {
    roots: Roots,
    hierarchies: Hierarchies,
    platform: Platform,
    /// What could not be found out of it.
    platform_notices: Vec<Notice>,
    sampler: Sampler,
    memory_tool: Tool,
    walker: TreeWalker,
    /// How often other cgroups were populated than before.
    tree_version: u64,
    /// What has been said of the tree of cgroups, which says the same at each walk.
    said: Said,
    rows: usize,
    values: Vec<f64>,
    /// Processor time that reading has cost.
    reading: Duration,
    /// Processor time that handing over has cost.
    crossing: Duration,
}

impl Measure {
    pub(crate) fn new(roots: &Roots, wanted: Wanted) -> Result<Self, KernelError> {
        wca_kernel::raise_descriptor_limit()?;
        let hierarchies = Hierarchies::find(roots)?;
        let Facts { platform, notices } = platform(roots)?;
        Ok(Self {
            sampler: Sampler::new(roots, &hierarchies, wanted),
            memory_tool: Tool::default(),
            walker: TreeWalker::new(&hierarchies, Limits::default()),
            tree_version: 0,
            platform,
            platform_notices: notices,
            roots: roots.clone(),
            hierarchies,
            said: Said::default(),
            rows: 0,
            values: Vec::new(),
            reading: Duration::ZERO,
            crossing: Duration::ZERO,
        })
    }

    /// Measures from now on what is wanted now.
    pub(crate) fn want(&mut self, wanted: &Wanted) {
        self.sampler.want(wanted.clone());
    }

    /// What firmware and tools say of the memory modules.
    pub(crate) fn memory_topology(&mut self) -> MemoryTopology {
        self.memory_tool.memory_topology(&self.roots)
    }

    pub(crate) fn platform(&self) -> &Platform {
        &self.platform
    }

    pub(crate) fn catalog(&self) -> &Catalog {
        self.sampler.catalog()
    }

    /// Number of tasks that are measured.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Looks which cgroups are populated. A number that is another one where they are, and what is said of them for the first
    /// time.
    pub(crate) fn look_at_tree(&mut self) -> (u64, Vec<String>) {
        let mut notices = self.walker.walk().notices.clone();
        self.tree_version += u64::from(self.walker.has_changed());
        notices.extend(self.hierarchies.notices().iter().chain(&self.platform_notices).cloned());
        (self.tree_version, texts(&self.said.news(notices)))
    }

    /// The cgroups that were populated when they were last looked at.
    pub(crate) fn populated(&self) -> Vec<Cgroup> {
        let names: Vec<Vec<String>> = self.hierarchies.all().iter().map(names).collect();
        self.walker.tree().cgroups.iter().map(|cgroup| with_names(cgroup, &names)).collect()
    }

    /// Which life of a cgroup there is now; none where it has gone.
    pub(crate) fn identity(&self, cgroup: &str) -> Option<u64> {
        identity(&self.hierarchies, cgroup)
    }

    /// Measures these tasks from now on.
    pub(crate) fn set_tasks(&mut self, tasks: &[TaskCgroups]) {
        self.rows = tasks.len();
        self.sampler.set_tasks(tasks);
    }

    /// What the cgroups of a task do not say; none where there is no such task.
    pub(crate) fn gaps(&self, task: TaskKey) -> Option<Vec<Gap>> {
        let gaps = self.sampler.gaps(task)?.into_iter().map(|gap| Gap {
            file: gap.file.display().to_string(),
            controller: gap.controller.map(str::to_owned),
            metrics: gap.metrics.into_iter().map(str::to_owned).collect(),
        });
        Some(gaps.collect())
    }

    /// Looks at the machine again; the new facts where they have changed. Where it cannot be read any more, what was known
    /// of it stands.
    pub(crate) fn changed_platform(&mut self) -> Option<Platform> {
        let Facts { platform, notices } = platform(&self.roots).ok()?;
        self.platform_notices = notices;
        if platform == self.platform {
            return None;
        }
        self.platform = platform;
        self.sampler.look_again();
        Some(self.platform.clone())
    }

    /// Reads all values, and returns when, with what is to be said and what it has cost.
    pub(crate) fn sample(&mut self) -> (f64, Vec<String>, Cost) {
        let (timestamp, begun, before) = (unix_time(), Instant::now(), thread_time());
        let notices = texts(&self.sampler.sample_at(timestamp, &mut self.values));
        let machine = self.sampler.machine_took();
        let tasks = begun.elapsed().saturating_sub(machine);
        self.reading += thread_time().saturating_sub(before);
        let cost = Cost {
            machine: machine.as_secs_f64(),
            tasks: tasks.as_secs_f64(),
            memory: peak_memory(),
            reading: self.reading.as_secs_f64(),
            files: self.sampler.files_read(),
            crossing: self.crossing.as_secs_f64(),
            process: process_time().as_secs_f64(),
        };
        (timestamp, notices, cost)
    }

    /// What was read last, with what its values mean.
    pub(crate) fn last(&self, timestamp: f64) -> Sampled<'_> {
        Sampled { timestamp, catalog: self.sampler.catalog(), values: &self.values }
    }

    /// Does what `work` does with the values that were read last, laid out as the catalogue says, and counts it as crossing.
    pub(crate) fn hand_over<T>(&mut self, work: impl FnOnce(&[f64]) -> T) -> T {
        let before = thread_time();
        let result = work(&self.values);
        self.crossing += thread_time().saturating_sub(before);
        result
    }
}

/// By what a hierarchy is known: its controllers and, of a v1 one, its name; of the v2 one, `unified`.
fn names(hierarchy: &Hierarchy) -> Vec<String> {
    match hierarchy.version {
        Version::V2 => vec!["unified".into()],
        Version::V1 => hierarchy.controllers.iter().chain(&hierarchy.name).cloned().collect(),
    }
}

fn with_names(cgroup: &PopulatedCgroup, names: &[Vec<String>]) -> Cgroup {
    let hierarchies = cgroup.hierarchies.iter().filter_map(|at| names.get(*at)).flatten().cloned().collect();
    Cgroup { path: cgroup.path.clone(), identity: cgroup.identity, hierarchies }
}

fn texts(notices: &[Notice]) -> Vec<String> {
    notices.iter().map(Notice::to_string).collect()
}

/// Most bytes of memory that this process has had at once.
fn peak_memory() -> u64 {
    let kibibytes = getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| usage.max_rss());
    u64::try_from(kibibytes).unwrap_or(0) * 1024
}

fn unix_time() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
