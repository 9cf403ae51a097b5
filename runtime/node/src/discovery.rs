//! What every node has in common.

use wca_messages::{Cgroup, RosterEntry};
use wca_model::{Task, TaskKey};

/// A way to find the tasks of this machine.
pub trait Discovery: Send {
    /// The tasks, in the order of their rows, from the populated cgroups as the warden lists them, sorted by path. No
    /// cgroup is two tasks.
    fn tasks(&self, cgroups: &[Cgroup]) -> Vec<Discovered>;
}

/// A task that was found, before the warden has given it a key.
#[derive(Clone, Debug, PartialEq)]
pub struct Discovered {
    /// What the warden is told, the task's labels among it.
    pub entry: RosterEntry,
    /// Unique as long as the task lives.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// What it asked for, in cores and bytes.
    pub resources: Vec<(String, f64)>,
}

impl Discovered {
    /// The task with the key that it was given.
    #[must_use]
    pub fn with_key(&self, key: TaskKey) -> Task {
        Task {
            key,
            id: self.id.clone(),
            name: self.name.clone(),
            labels: self.entry.labels.clone(),
            resources: self.resources.clone(),
            cgroup: self.entry.cgroup.clone(),
            containers: self.entry.containers.clone(),
        }
    }
}
