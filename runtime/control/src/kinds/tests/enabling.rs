//! Controllers of v2 that do not reach a task.

use std::fs;

use wca_model::Change;

use super::tree::{Tree, task};
use crate::skipped::skipped;

/// The controller cpu ends at `/a`.
fn ends_at_a() -> Tree {
    let tree = Tree::v2(&["/a/b", "/a/b/c"]);
    tree.set("a/cgroup.subtree_control", "memory").set("a/b/cgroup.subtree_control", "memory");
    for cgroup in ["a/task", "a/b", "a/b/c"] {
        for file in ["cpu.max", "cpu.max.burst", "cpu.weight", "cpu.idle"] {
            tree.remove(&format!("{cgroup}/{file}"));
        }
    }
    tree
}

#[test]
fn it_is_refused_with_the_file_and_the_remedy() {
    let why = ends_at_a().plan(&Change::CpuQuota(0.5)).unwrap_err();
    assert!(why.contains("it is not in /sys/fs/cgroup/a/cgroup.subtree_control; `enable_controllers: true`"), "{why}");
    assert!(ends_at_a().plan(&Change::MemoryHigh(None)).is_ok(), "that one reaches it");
}

#[test]
fn where_the_operator_says_so_it_is_enabled_from_the_top_down_before() {
    let mut tree = ends_at_a();
    tree.settings.enable_controllers = true;
    tree.tasks = vec![task(1, "/a/b/c")];
    let expected = ["cpu in a/cgroup.subtree_control=enabled", "cpu in a/b/cgroup.subtree_control=enabled"];
    let with = |last: &str| Ok([&expected.map(String::from)[..], &[last.to_owned()]].concat());
    assert_eq!(tree.plan(&Change::CpuQuota(0.25)), with("a/b/c/cpu.max=100000 100000"));
    assert_eq!(tree.plan(&Change::CpuWeight(200)), with("a/b/c/cpu.weight=200"));
}

#[test]
fn not_where_processes_are_in_the_way() {
    let mut tree = ends_at_a();
    tree.settings.enable_controllers = true;
    tree.set("cgroup.procs", "1").set("a/cgroup.procs", "7\n8");
    let why = tree.plan(&Change::CpuQuota(0.5)).unwrap_err();
    assert!(why.starts_with("/sys/fs/cgroup/a/cgroup.procs is not empty"), "{why}");
    tree.set("a/cgroup.procs", "").set("cgroup.subtree_control", "memory");
    assert!(tree.plan(&Change::CpuQuota(0.5)).is_ok(), "the root may have processes");
}

#[test]
fn never_in_what_systemd_has_left_to_nobody() {
    let mut tree = Tree::v2(&["/x.slice", "/x.slice/y.service", "/x.slice/y.service/z"]);
    tree.settings.enable_controllers = true;
    tree.tasks = vec![task(1, "/x.slice/y.service/z")];
    let change = Change::CpuWeight(200);
    tree.set("x.slice/y.service/cgroup.subtree_control", "");
    let why = tree.plan(&change).unwrap_err();
    assert!(why.contains("/sys/fs/cgroup/x.slice/y.service/cgroup.subtree_control, which systemd manages"), "{why}");
    let dir = tree.roots().path("/sys/fs/cgroup/x.slice/y.service");
    match rustix::fs::setxattr(&dir, "user.delegate", b"1", rustix::fs::XattrFlags::empty()) {
        Ok(()) => assert!(tree.plan(&change).is_ok(), "it has left that one"),
        Err(error) => skipped(&format!("the mark of delegation: {error}")),
    }
    tree.set("x.slice/cgroup.subtree_control", "");
    assert!(tree.plan(&change).unwrap_err().contains("/x.slice/cgroup.subtree_control, which systemd manages"));
    tree.set("x.slice/cgroup.subtree_control", "cpu").set("cgroup.subtree_control", "");
    assert!(tree.plan(&change).is_ok(), "the root is nobody's where another process is the first");
    fs::create_dir_all(tree.roots().path("/run/systemd/system")).unwrap();
    assert!(tree.plan(&change).unwrap_err().contains("/sys/fs/cgroup/cgroup.subtree_control, which systemd manages"));
}
