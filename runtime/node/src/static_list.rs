//! Tasks that the operator lists by name.

use std::collections::{BTreeMap, HashMap, HashSet};

use wca_messages::{Cgroup, RosterEntry};
use wca_model::Label;

use crate::{Discovered, Discovery, ResourceValue};

/// The tasks are those that are listed, each the cgroup of its name: `a/b` is the cgroup `/a/b`.
///
/// Whether a cgroup that is listed exists is for the warden to say: it gives no key where none of the mounted hierarchies
/// has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StaticNode {
    /// Names of the tasks, and their ids too. Their order is that of the tasks.
    pub tasks: Vec<String>,
    /// Whether a task must have a process in its cgroup itself.
    pub require_pids: bool,
    /// Labels of every task.
    pub default_labels: Vec<Label>,
    /// Labels of single tasks by name; they win over default ones.
    pub tasks_labels: BTreeMap<String, Vec<Label>>,
    /// What each task asked for.
    pub default_resources: Vec<(String, ResourceValue)>,
    /// A cgroup; each one directly below it is a task too, named `directory/entry`, after those that are listed. Only
    /// those are found that have a process in themselves or further below.
    pub directory: Option<String>,
}

impl Discovery for StaticNode {
    fn tasks(&self, cgroups: &[Cgroup]) -> Vec<Discovered> {
        let populated: HashMap<&str, u64> = cgroups.iter().map(|one| (one.path.as_str(), one.identity)).collect();
        let mut done = HashSet::new();
        self.tasks
            .iter()
            .cloned()
            .chain(self.entries(cgroups))
            .filter_map(|name| {
                let cgroup = path_of(&name);
                let identity = populated.get(cgroup.as_str()).copied();
                let is_wanted = identity.is_some() || !self.require_pids;
                (is_wanted && done.insert(cgroup.clone())).then(|| self.task(name, cgroup, identity.unwrap_or(0)))
            })
            .collect()
    }
}

impl StaticNode {
    fn task(&self, name: String, cgroup: String, identity: u64) -> Discovered {
        let own = self.tasks_labels.get(&name).into_iter().flatten();
        let labels: BTreeMap<&String, &String> =
            self.default_labels.iter().chain(own).map(|(name, value)| (name, value)).collect();
        let labels = labels.into_iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        Discovered {
            entry: RosterEntry { cgroup, identity, labels, ..RosterEntry::default() },
            id: name.clone(),
            name,
            resources: self.default_resources.clone(),
        }
    }

    /// Names of the tasks in the directory.
    fn entries(&self, cgroups: &[Cgroup]) -> Vec<String> {
        let Some(directory) = self.directory.as_deref().map(|directory| directory.trim_end_matches('/')) else {
            return Vec::new();
        };
        let above = if directory.is_empty() { String::new() } else { path_of(directory) };
        let mut names: Vec<String> = cgroups
            .iter()
            .filter_map(|cgroup| cgroup.path.strip_prefix(above.as_str())?.strip_prefix('/')?.split('/').next())
            .map(|entry| format!("{directory}/{entry}"))
            .collect();
        // What lies below `a` does not stand beside it where there is an `a.b`.
        names.sort_unstable();
        names.dedup();
        names
    }
}

fn path_of(name: &str) -> String {
    format!("/{}", name.trim_matches('/'))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use wca_model::TaskKey;

    use super::*;

    fn tree() -> Vec<Cgroup> {
        [
            ("/a", 1),
            ("/dir", 2),
            ("/dir/one", 3),
            ("/dir/pod.x", 4),
            ("/dir/pod/x", 5),
            ("/dir/pod/y", 6),
            ("/dirt/no", 7),
        ]
        .map(|(path, identity)| Cgroup { path: path.into(), identity, hierarchies: vec!["cpu".into()] })
        .into()
    }

    /// Name, cgroup and identity of each task.
    fn shown(node: &StaticNode) -> Vec<String> {
        let found = node.tasks(&tree());
        assert!(found.iter().all(|task| task.id == task.name));
        found.iter().map(|task| format!("{} {} {}", task.name, task.entry.cgroup, task.entry.identity)).collect()
    }

    #[rstest]
    #[case::in_the_order_given(&["gone", "a"], None, false, &["gone /gone 0", "a /a 1"])]
    #[case::paths(&["dir/one", "/dir/pod/x"], None, false, &["dir/one /dir/one 3", "/dir/pod/x /dir/pod/x 5"])]
    #[case::populated_below_only(&["dir/pod"], None, false, &["dir/pod /dir/pod 0"])]
    #[case::with_processes(&["gone", "dir/pod", "a"], None, true, &["a /a 1"])]
    #[case::twice(&["a", "a", "/a", "a/"], None, false, &["a /a 1"])]
    #[case::nothing(&[], None, false, &[])]
    #[case::a_directory(
        &["a"], Some("dir"), false,
        &["a /a 1", "dir/one /dir/one 3", "dir/pod /dir/pod 0", "dir/pod.x /dir/pod.x 4"]
    )]
    #[case::a_directory_with_processes(&[], Some("/dir/"), true, &["/dir/one /dir/one 3", "/dir/pod.x /dir/pod.x 4"])]
    #[case::an_entry_that_is_listed(
        &["dir/pod.x", "/dir/one"], Some("dir"), true, &["dir/pod.x /dir/pod.x 4", "/dir/one /dir/one 3"]
    )]
    #[case::the_root(&[], Some("/"), true, &["/a /a 1", "/dir /dir 2"])]
    #[case::a_directory_that_is_gone(&["a"], Some("nowhere"), false, &["a /a 1"])]
    fn tasks(
        #[case] names: &[&str],
        #[case] directory: Option<&str>,
        #[case] require_pids: bool,
        #[case] expected: &[&str],
    ) {
        let tasks = names.iter().map(|name| (*name).to_owned()).collect();
        let node = StaticNode { tasks, directory: directory.map(Into::into), require_pids, ..StaticNode::default() };
        assert_eq!(shown(&node), expected);
    }

    #[test]
    fn labels_of_a_task_win_and_a_task_may_have_none() {
        let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let node = StaticNode {
            tasks: vec!["a".into(), "b".into()],
            default_labels: vec![label("tier", "low"), label("app", "x")],
            tasks_labels: [("a".to_owned(), vec![label("tier", "high"), label("own", "1")])].into(),
            default_resources: vec![
                ("cpus".into(), ResourceValue::Integer(2)),
                ("disk".into(), ResourceValue::Text("much".into())),
                ("mem".into(), ResourceValue::Number(1e9)),
            ],
            ..StaticNode::default()
        };
        let [a, b] = node.tasks(&tree()).try_into().unwrap();
        assert_eq!(a.entry.labels, [label("app", "x"), label("own", "1"), label("tier", "high")]);
        assert_eq!(b.entry.labels, [label("app", "x"), label("tier", "low")]);
        let task = b.with_key(TaskKey(1));
        assert_eq!((task.labels, b.resources), (b.entry.labels, node.default_resources));
        // No policy can reckon with a text.
        assert_eq!(task.resources, [("cpus".to_owned(), 2.0), ("mem".to_owned(), 1e9)]);
    }
}
