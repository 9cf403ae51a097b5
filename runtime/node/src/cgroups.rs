//! Populated cgroups as tasks: works on any machine, without an orchestrator.

use wca_messages::{Cgroup, RosterEntry};
use wca_model::Label;

use crate::{Discovered, Discovery, Globs};

/// Every populated cgroup that a pattern names is a task. By default that is every one.
#[derive(Clone, Debug)]
pub struct CgroupNode {
    /// The cgroups that are tasks.
    pub cgroups: Globs,
    /// The ones among them that are none all the same.
    pub exclude: Globs,
    /// Labels of every task.
    pub labels: Vec<Label>,
}

impl Default for CgroupNode {
    fn default() -> Self {
        Self { cgroups: Globs::all(), exclude: Globs::none(), labels: Vec::new() }
    }
}

impl Discovery for CgroupNode {
    fn tasks(&self, cgroups: &[Cgroup]) -> Vec<Discovered> {
        cgroups
            .iter()
            .filter(|cgroup| self.cgroups.matches(&cgroup.path) && !self.exclude.matches(&cgroup.path))
            .map(|cgroup| {
                let id = cgroup.path.trim_start_matches('/').to_owned();
                Discovered {
                    entry: RosterEntry {
                        cgroup: cgroup.path.clone(),
                        identity: cgroup.identity,
                        labels: self.labels.clone(),
                        ..RosterEntry::default()
                    },
                    name: id.clone(),
                    id,
                    resources: Vec::new(),
                }
            })
            .collect()
    }
}

/// Every cgroup of a tree as a task, in the tree's order.
#[must_use]
pub fn tasks_of(cgroups: &[Cgroup]) -> Vec<Discovered> {
    CgroupNode::default().tasks(cgroups)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use wca_model::TaskKey;

    use super::*;

    fn cgroup(path: &str, identity: u64) -> Cgroup {
        Cgroup { path: path.into(), identity, hierarchies: vec!["memory".into()] }
    }

    #[test]
    fn a_task_is_named_by_its_path() {
        let [found] = tasks_of(&[cgroup("/system.slice/ssh.service", 7)]).try_into().unwrap();
        let task = found.with_key(TaskKey(3));
        assert_eq!((task.id.as_str(), task.cgroup.as_str()), ("system.slice/ssh.service", "/system.slice/ssh.service"));
        assert_eq!((found.entry.identity, task.key, task.name), (7, TaskKey(3), task.id));
    }

    #[rstest]
    #[case(&["**"], &[], &["a/x", "a/y", "b", "c/d/e"])]
    #[case(&["/a/*"], &[], &["a/x", "a/y"])]
    #[case(&["/a/*", "b"], &["**/y"], &["a/x", "b"])]
    #[case(&["**"], &["/a/**", "/c/**"], &["b"])]
    #[case(&["/c/*"], &[], &[])]
    #[case(&[], &[], &[])]
    fn tasks_are_chosen_by_patterns(#[case] names: &[&str], #[case] exclude: &[&str], #[case] expected: &[&str]) {
        let tree = ["/a/x", "/a/y", "/b", "/c/d/e"].map(|path| cgroup(path, 1));
        let node = CgroupNode {
            cgroups: Globs::new(names).unwrap(),
            exclude: Globs::new(exclude).unwrap(),
            labels: vec![("team".into(), "red".into())],
        };
        let found = node.tasks(&tree);
        let ids: Vec<&str> = found.iter().map(|task| task.id.as_str()).collect();
        assert_eq!(ids, expected);
        assert!(found.iter().all(|task| task.with_key(TaskKey(1)).labels == node.labels));
    }
}
