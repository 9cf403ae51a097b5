//! The tasks whose values may be changed.

use std::collections::{BTreeSet, HashMap};

use wca_model::{Label, TaskKey};

/// A task, with its cgroups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlledTask {
    /// Its key.
    pub key: TaskKey,
    /// Path of its cgroup below the mount points, with a leading `/`.
    pub cgroup: String,
    /// Cgroups of its containers, where the task is a pod.
    pub containers: Vec<String>,
    /// Labels by which rails choose tasks.
    pub labels: Vec<Label>,
    /// Why its processors and memory nodes are somebody else's business, such as the static CPU manager of its kubelet.
    pub cpuset_is_managed_by: Option<String>,
}

/// The tasks of the last roster.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    all: Vec<ControlledTask>,
    by_key: HashMap<TaskKey, usize>,
    /// Processors that a kubelet has given to one container or pod alone: no task gets them. Those of its pods are managed by it
    /// anyway.
    pub exclusive_cpus: BTreeSet<u32>,
}

impl Tasks {
    /// In the order of the roster.
    #[must_use]
    pub fn new(all: Vec<ControlledTask>) -> Self {
        let by_key = all.iter().enumerate().map(|(at, task)| (task.key, at)).collect();
        Self { all, by_key, exclusive_cpus: BTreeSet::new() }
    }

    /// The task with this key.
    #[must_use]
    pub fn get(&self, key: TaskKey) -> Option<&ControlledTask> {
        self.by_key.get(&key).map(|at| &self.all[*at])
    }

    /// Whether one has this cgroup.
    #[must_use]
    pub fn has_cgroup(&self, cgroup: &str) -> bool {
        self.all.iter().any(|task| task.cgroup == cgroup)
    }

    /// All of them, in the order of the roster.
    pub fn iter(&self) -> impl Iterator<Item = &ControlledTask> {
        self.all.iter()
    }
}
