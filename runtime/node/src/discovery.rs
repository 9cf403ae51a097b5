//! What every node has in common.

use wca_messages::{Cgroup, RosterEntry};
use wca_model::{Task, TaskKey};

use crate::ResourceValue;

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
    /// What it asked for.
    pub resources: Vec<(String, ResourceValue)>,
}

impl Discovered {
    /// Those resources that are numbers.
    fn numbers(&self) -> impl Iterator<Item = (String, f64)> {
        self.resources.iter().filter_map(|(name, value)| Some((name.clone(), value.number()?)))
    }

    /// The task with the key that it was given.
    #[must_use]
    pub fn with_key(&self, key: TaskKey) -> Task {
        Task {
            key,
            id: self.id.clone(),
            name: self.name.clone(),
            labels: self.entry.labels.clone(),
            resources: self.numbers().collect(),
            cgroup: self.entry.cgroup.clone(),
            containers: self.entry.containers.clone(),
        }
    }
}
