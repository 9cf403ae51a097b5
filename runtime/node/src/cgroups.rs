//! Every populated cgroup is a task: works on any machine, without an orchestrator.

use wca_messages::{Cgroup, RosterEntry};
use wca_model::{Task, TaskKey};

/// A task that was found, before the warden has given it a key.
#[derive(Clone, Debug, PartialEq)]
pub struct Discovered {
    /// What the warden is told.
    pub entry: RosterEntry,
    /// Unique as long as the task lives, and name for people: the path without its leading `/`.
    pub id: String,
}

/// The tasks of a cgroup tree, in its order.
#[must_use]
pub fn tasks_of(cgroups: &[Cgroup]) -> Vec<Discovered> {
    cgroups
        .iter()
        .map(|cgroup| Discovered {
            entry: RosterEntry {
                cgroup: cgroup.path.clone(),
                identity: cgroup.identity,
                containers: Vec::new(),
                labels: Vec::new(),
            },
            id: cgroup.path.trim_start_matches('/').to_owned(),
        })
        .collect()
}

impl Discovered {
    /// The task with the key that it was given.
    #[must_use]
    pub fn with_key(&self, key: TaskKey) -> Task {
        Task {
            key,
            id: self.id.clone(),
            name: self.id.clone(),
            labels: self.entry.labels.clone(),
            resources: Vec::new(),
            cgroup: self.entry.cgroup.clone(),
            containers: self.entry.containers.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_named_by_its_path() {
        let cgroup =
            Cgroup { path: "/system.slice/ssh.service".into(), identity: 7, hierarchies: vec!["memory".into()] };
        let [found] = tasks_of(std::slice::from_ref(&cgroup)).try_into().unwrap();
        let task = found.with_key(TaskKey(3));
        assert_eq!((task.id.as_str(), task.cgroup.as_str()), ("system.slice/ssh.service", "/system.slice/ssh.service"));
        assert_eq!((found.entry.identity, task.key), (7, TaskKey(3)));
    }
}
