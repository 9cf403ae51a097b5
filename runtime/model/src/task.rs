//! Tasks and rosters: who is running.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::metric::Label;

/// A task of this node. Given out by the warden, never used again for another task while the agent lives, and below
/// 2^53 so that it is exact in languages whose numbers are all `f64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TaskKey(pub u64);

impl std::fmt::Display for TaskKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A task: a pod, a container, a cgroup.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Its key.
    pub key: TaskKey,
    /// Unique as long as the task lives; the label `task_id` of its metrics.
    pub id: String,
    /// Name for people; the label `task_name` of its metrics.
    pub name: String,
    /// Labels, from the orchestrator and from the label generators, without `task_id` and `task_name`.
    pub labels: Vec<Label>,
    /// What it asked for, in cores and bytes.
    pub resources: Vec<(String, f64)>,
    /// Path of its cgroup below the mount point, with a leading `/`.
    pub cgroup: String,
    /// Cgroups of its containers, where the task is a pod.
    pub containers: Vec<String>,
}

/// The tasks of one moment. Their order is the order of rows in every column.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Roster {
    /// Changes when the tasks, their labels or their resources do.
    pub version: u64,
    /// The tasks.
    pub tasks: Vec<Arc<Task>>,
}

/// What came and went between two rosters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RosterChange {
    /// New tasks, and tasks whose labels or resources changed.
    pub arrived: Vec<Arc<Task>>,
    /// Keys of tasks that ended.
    pub departed: Vec<TaskKey>,
}

impl Roster {
    /// The change that leads from `before` to `self`; all tasks arrive where there was no roster before.
    #[must_use]
    pub fn changes_since(&self, before: Option<&Roster>) -> RosterChange {
        let Some(before) = before else {
            return RosterChange { arrived: self.tasks.clone(), departed: Vec::new() };
        };
        if before.version == self.version {
            return RosterChange::default();
        }
        let old: std::collections::HashMap<TaskKey, &Arc<Task>> =
            before.tasks.iter().map(|task| (task.key, task)).collect();
        let now: std::collections::HashSet<TaskKey> = self.tasks.iter().map(|task| task.key).collect();
        RosterChange {
            arrived: self
                .tasks
                .iter()
                .filter(|task| old.get(&task.key).is_none_or(|was| *was != *task))
                .cloned()
                .collect(),
            departed: before.tasks.iter().map(|task| task.key).filter(|key| !now.contains(key)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(key: u64, name: &str) -> Arc<Task> {
        Arc::new(Task {
            key: TaskKey(key),
            id: name.into(),
            name: name.into(),
            labels: vec![],
            resources: vec![],
            cgroup: format!("/{name}"),
            containers: vec![],
        })
    }

    #[test]
    fn everything_arrives_at_first() {
        let roster = Roster { version: 1, tasks: vec![task(1, "a"), task(2, "b")] };
        let change = roster.changes_since(None);
        assert_eq!(change.arrived.len(), 2);
        assert!(change.departed.is_empty());
    }

    #[test]
    fn v115_new_tasks_and_those_that_ended() {
        let before = Roster { version: 1, tasks: vec![task(1, "t1"), task(2, "t2")] };
        let after = Roster { version: 2, tasks: vec![task(1, "t1"), task(3, "t3")] };
        let change = after.changes_since(Some(&before));
        assert_eq!(change, RosterChange { arrived: vec![task(3, "t3")], departed: vec![TaskKey(2)] });
    }

    #[test]
    fn a_changed_label_arrives_again_and_an_ended_task_departs() {
        let before = Roster { version: 1, tasks: vec![task(1, "a"), task(2, "b"), task(3, "c")] };
        let mut relabelled = (*task(3, "c")).clone();
        relabelled.labels.push(("app".into(), "db".into()));
        let after = Roster { version: 2, tasks: vec![task(1, "a"), Arc::new(relabelled), task(4, "b")] };
        let change = after.changes_since(Some(&before));
        assert_eq!(change.arrived.iter().map(|t| t.key.0).collect::<Vec<_>>(), [3, 4]);
        assert_eq!(change.departed, [TaskKey(2)]);
    }
}
