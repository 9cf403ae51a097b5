//! Tasks that the operator listed and that have no cgroup.

use std::collections::BTreeSet;

use wca_model::TaskKey;
use wca_node::Discovered;

/// The names of tasks that are listed and have no cgroup.
#[derive(Default)]
pub(crate) struct Missing(BTreeSet<String>);

/// What is to be said of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It has no cgroup.
    Missing(String),
    /// It has one now.
    Came(String),
}

impl Missing {
    /// Takes which tasks have a cgroup now: those that have a key. What has changed is to be said.
    pub(crate) fn changes(&mut self, tasks: &[Discovered], keys: &[Option<TaskKey>]) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut before = std::mem::take(&mut self.0);
        for (task, key) in tasks.iter().zip(keys) {
            let was_missing = before.remove(&task.name);
            // One that was found with processes and had ended a moment later is not found again.
            let is_missing = key.is_none() && task.entry.identity == 0;
            match (was_missing, is_missing) {
                (false, true) => changes.push(Change::Missing(task.name.clone())),
                (true, false) => changes.push(Change::Came(task.name.clone())),
                _ => {}
            }
            if is_missing {
                self.0.insert(task.name.clone());
            }
        }
        changes
    }
}

/// Says each change once.
pub(crate) fn say(changes: &[Change]) {
    for change in changes {
        match change {
            Change::Missing(name) => {
                tracing::warn!("the task {name:?} has no cgroup in any hierarchy: it is skipped until it has one");
            }
            Change::Came(name) => tracing::info!("the task {name:?} has a cgroup now"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::discovered as task;

    /// Who is listed, which keys were given, and what is to be said.
    type Step<'a> = (&'a [Discovered], &'a [Option<TaskKey>], &'a [Change]);

    #[test]
    fn a_task_is_said_to_be_missing_once_and_once_to_have_come() {
        let mut missing = Missing::default();
        let (there, none) = (Some(TaskKey(1)), None);
        let lost = |name: &str| Change::Missing(name.into());
        let came = |name: &str| Change::Came(name.into());
        let steps: [Step<'_>; 8] = [
            (&[task("a", 0), task("b", 0)], &[there, none], &[lost("b")]),
            (&[task("a", 0), task("b", 0)], &[there, none], &[]),
            (&[task("a", 0), task("b", 7)], &[there, there], &[came("b")]),
            // Found with processes, and gone when the warden looked.
            (&[task("a", 3), task("b", 7)], &[none, there], &[]),
            (&[task("a", 0), task("b", 7)], &[none, there], &[lost("a")]),
            // Another list: who is not in it is forgotten.
            (&[task("c", 0)], &[there], &[]),
            (&[task("a", 0)], &[none], &[lost("a")]),
            (&[task("a", 0)], &[there], &[came("a")]),
        ];
        for (at, (tasks, keys, expected)) in steps.into_iter().enumerate() {
            assert_eq!(missing.changes(tasks, keys), expected, "step {at}");
        }
    }
}
