//! Whether a roster can be one.

use std::collections::HashSet;

use wca_kernel::relative_cgroup_path;
use wca_messages::{MAX_CPU, MAX_LABELS, MAX_MANAGER, MAX_PATH, MAX_TASKS, Refused, RosterEntry};

/// Most containers of a task.
const MAX_CONTAINERS: usize = 1_024;

/// Judges numbers and paths. Whether the cgroups exist is asked elsewhere.
pub(crate) fn check_roster(tasks: &[RosterEntry], exclusive_cpus: &[u32]) -> Result<(), Refused> {
    let oversized = |what: &str, found: usize, most: usize| {
        Err(Refused::Oversized(format!("{found} {what}, at most {most} are taken")))
    };
    if tasks.len() > MAX_TASKS {
        return oversized("tasks in a roster", tasks.len(), MAX_TASKS);
    }
    if let Some(cpu) = exclusive_cpus.iter().find(|cpu| **cpu > MAX_CPU) {
        return Err(Refused::Invalid(format!("{cpu} is no processor: they have numbers up to {MAX_CPU}")));
    }
    // One more than the greatest number.
    let most = MAX_CPU as usize + 1;
    if exclusive_cpus.len() > most {
        return oversized("exclusive processors", exclusive_cpus.len(), most);
    }
    let mut seen = HashSet::with_capacity(tasks.len());
    for task in tasks {
        if task.labels.len() > MAX_LABELS {
            return oversized("labels of a task", task.labels.len(), MAX_LABELS);
        }
        if task.containers.len() > MAX_CONTAINERS {
            return oversized("containers of a task", task.containers.len(), MAX_CONTAINERS);
        }
        if let Some(manager) = &task.cpuset_managed_by {
            if manager.len() > MAX_MANAGER {
                return oversized("bytes of a manager's name", manager.len(), MAX_MANAGER);
            }
            if manager.chars().any(char::is_control) {
                return Err(Refused::Invalid(format!("{manager:?} is nobody's name: it holds a control character")));
            }
        }
        for path in std::iter::once(&task.cgroup).chain(&task.containers) {
            check_path(path)?;
        }
        if !seen.insert(task.cgroup.as_str()) {
            return Err(Refused::Invalid(format!("two tasks of the roster have the cgroup {:?}", task.cgroup)));
        }
    }
    Ok(())
}

fn check_path(path: &str) -> Result<(), Refused> {
    if path.len() > MAX_PATH {
        let found = path.len();
        return Err(Refused::Oversized(format!("a cgroup path of {found} bytes, at most {MAX_PATH} are taken")));
    }
    let wrong = if !path.starts_with('/') {
        Some("it does not begin with `/`")
    } else if path == "/" {
        Some("the root cgroup is no task")
    } else {
        relative_cgroup_path(path).err()
    };
    match wrong {
        Some(wrong) => Err(Refused::Invalid(format!("{path:?} is no path of a cgroup: {wrong}"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(cgroup: &str) -> RosterEntry {
        RosterEntry { cgroup: cgroup.into(), ..RosterEntry::default() }
    }

    #[test]
    fn rosters_that_are_refused() {
        let label = ("a".to_owned(), "b".to_owned());
        let managed = |by: &str| RosterEntry { cpuset_managed_by: Some(by.into()), ..entry("/a") };
        let cases: [(Vec<RosterEntry>, &str); 11] = [
            (vec![entry("a")], "\"a\" is no path of a cgroup: it does not begin with `/`"),
            (vec![entry("/")], "\"/\" is no path of a cgroup: the root cgroup is no task"),
            (vec![entry("/a/../b")], "\"/a/../b\" is no path of a cgroup: it leads elsewhere"),
            (vec![entry("/a\nb")], "\"/a\\nb\" is no path of a cgroup: it holds a control character"),
            (vec![entry("/a"), entry("/a")], "two tasks of the roster have the cgroup \"/a\""),
            (
                vec![RosterEntry { containers: vec!["x".into()], ..entry("/a") }],
                "\"x\" is no path of a cgroup: it does not begin with `/`",
            ),
            (
                vec![entry(&format!("/{}", "x".repeat(4096)))],
                "oversized message: a cgroup path of 4097 bytes, at most 4096 are taken",
            ),
            (
                vec![RosterEntry { labels: vec![label; 257], ..entry("/a") }],
                "oversized message: 257 labels of a task, at most 256 are taken",
            ),
            (
                (0..=MAX_TASKS).map(|n| entry(&format!("/{n}"))).collect(),
                "oversized message: 65537 tasks in a roster, at most 65536 are taken",
            ),
            (
                vec![managed(&"x".repeat(4_097))],
                "oversized message: 4097 bytes of a manager's name, at most 4096 are taken",
            ),
            (vec![managed("a\nb")], "\"a\\nb\" is nobody's name: it holds a control character"),
        ];
        for (tasks, expected) in cases {
            assert_eq!(check_roster(&tasks, &[]).unwrap_err().to_string(), expected);
        }
        assert_eq!(
            check_roster(
                &[entry("/a"), entry("/a/b"), RosterEntry { cgroup: "/c".into(), ..managed("kubelet") }],
                &[0, MAX_CPU]
            ),
            Ok(())
        );
    }

    #[test]
    fn processors_that_are_refused() {
        let told = |cpus: &[u32]| check_roster(&[], cpus).unwrap_err().to_string();
        assert_eq!(told(&[1, 65_536]), "65536 is no processor: they have numbers up to 65535");
        assert_eq!(told(&[7; 65_537]), "oversized message: 65537 exclusive processors, at most 65536 are taken");
    }
}
