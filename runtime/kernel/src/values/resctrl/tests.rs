use std::fs;
use std::path::Path;

use rstest::rstest;

use super::*;
use crate::Roots;

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A cgroup of two threads, and a group `be`.
fn machine() -> (tempfile::TempDir, Values) {
    let dir = tempfile::tempdir().unwrap();
    let mounts = "30 25 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n\
                  33 25 0:28 / /sys/fs/resctrl rw - resctrl resctrl rw\n";
    write(dir.path(), "proc/self/mountinfo", mounts);
    write(dir.path(), "sys/fs/cgroup/a/cgroup.threads", "7\n8\n");
    write(dir.path(), "sys/fs/resctrl/tasks", "7\n8\n");
    write(dir.path(), "sys/fs/resctrl/be/schemata", "    L3:0=00f\n    MB:0= 50\n");
    write(dir.path(), "sys/fs/resctrl/be/tasks", "");
    let values = Values::find(&Roots::at(dir.path())).unwrap();
    (dir, values)
}

fn group(name: &str) -> Spot {
    Spot::Group { name: name.into() }
}

fn cell(group: &str, resource: &str) -> Spot {
    Spot::Schemata { group: group.into(), resource: resource.into(), domain: 0 }
}

fn threads() -> Spot {
    Spot::Threads { cgroup: "/a".into() }
}

#[test]
fn a_group_is_made_once_and_known_again() {
    let (_dir, values) = machine();
    assert_eq!(values.read(&group("new")).unwrap(), ABSENT);
    values.write(&group("new"), MADE).unwrap();
    let first = values.read(&group("new")).unwrap();
    assert!(values.is_as_asked(&group("new"), MADE, &first) && first != MADE, "{first}");
    assert!(values.is_now(&group("new"), &first).unwrap());
    assert_eq!(values.life(&group("new")), values.life(&group("gone")), "its value says which it is");
    values.write(&group("new"), ABSENT).unwrap();
    assert!(values.is_as_asked(&group("new"), ABSENT, &values.read(&group("new")).unwrap()));
}

#[test]
fn cells_live_as_long_as_their_group() {
    let (_dir, values) = machine();
    assert!(values.life(&cell("be", "L3")).is_some() && values.life(&cell("gone", "L3")).is_none());
    assert_eq!(values.read(&cell("be", "MB")).unwrap(), way_text("MB", 0, 50));
    assert_eq!(values.read(&cell("be", "L3")).unwrap(), way_text("L3", 0, 0xf));
    let together = values.are_together(&cell("be", "L3"), &cell("be", "MB"));
    assert!(together && !values.are_together(&cell("be", "L3"), &cell("", "L3")));
    assert!(!values.are_together(&cell("be", "L3"), &group("be")));
    values.write_together(&[(&cell("be", "L3"), "ff"), (&cell("be", "MB"), "20")]).unwrap();
    assert!(values.is_now(&cell("be", "L3"), "ff").unwrap() && values.is_now(&cell("be", "MB"), "20").unwrap());
}

#[test]
fn threads_are_moved_and_found() {
    let (_dir, values) = machine();
    assert!(values.is_now(&threads(), "").unwrap() && !values.is_now(&threads(), "be").unwrap());
    values.write(&threads(), "be").unwrap();
    assert!(values.is_now(&threads(), "be").unwrap());
    assert_eq!(values.read(&threads()).unwrap(), "be");
    assert_eq!(values.read(&Spot::Threads { cgroup: "/gone".into() }).unwrap(), NOBODY);
    assert!(values.life(&Spot::Threads { cgroup: "/gone".into() }).is_none());
}

#[rstest]
#[case::came("be", "be", "/be", true)]
#[case::into_an_empty_one("be", NOBODY, "", true)]
#[case::moved_away("be", "be", "", false)]
#[case::moved_elsewhere("be", "be", "be/x", false)]
#[case::ours_is_the_root("", "", "/be", false)]
fn newcomers(#[case] ours: &str, #[case] before: &str, #[case] found: &str, #[case] expected: bool) {
    let (_dir, values) = machine();
    assert_eq!(values.has_newcomers(&threads(), ours, before, found), expected);
}

#[test]
fn a_task_has_a_name_for_each_turn() {
    let (dir, values) = machine();
    let names = [0, 1].map(|turn| values.own_group("/a", turn).unwrap());
    assert!(names[0] != names[1] && names.iter().all(|name| values.is_own_group(name)), "{names:?}");
    assert!(values.own_group("/gone", 0).is_none() && !values.is_own_group("be"));
    fs::remove_dir_all(dir.path().join("sys/fs/resctrl")).unwrap();
    assert!(values.control_groups().unwrap_err().is_absent() && values.life(&group("be")).is_none());
}

#[test]
fn groups_are_listed_and_removed() {
    let (dir, values) = machine();
    write(dir.path(), "sys/fs/resctrl/be/mon_groups/m/tasks", "7\n");
    let listed = values.listed_groups().unwrap();
    let found: Vec<_> =
        listed.iter().map(|group| (group.path.as_str(), group.is_control, group.threads.len())).collect();
    assert_eq!(found, [("be", true, 0), ("be/mon_groups/m", false, 1)]);
    fs::create_dir(dir.path().join("sys/fs/resctrl/empty")).unwrap();
    let empty = Listed { path: "empty".into(), is_control: true, threads: vec![] };
    let locked = values.lock_groups().unwrap();
    values.remove_group(&empty, &locked).unwrap();
    values.remove_group(&empty, &locked).unwrap();
    drop(locked);
    assert_eq!(values.control_groups().unwrap(), ["be"]);
    assert!(values.lock(&group("be")).unwrap().is_some());
}
