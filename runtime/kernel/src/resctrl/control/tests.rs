use std::fs;
use std::path::Path;

use super::*;
use crate::resctrl::lock::Lock;

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A machine with a cgroup of two threads and a group `be`.
fn machine() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mounts = "30 25 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n\
                  33 25 0:28 / /sys/fs/resctrl rw - resctrl resctrl rw\n";
    write(dir.path(), "proc/self/mountinfo", mounts);
    write(dir.path(), "sys/fs/cgroup/a/cgroup.threads", "7\n8\n");
    write(dir.path(), "sys/fs/resctrl/tasks", "1\n7\n8\n");
    write(dir.path(), "sys/fs/resctrl/schemata", "    L3:0=fff\n    MB:0=100\n");
    write(dir.path(), "sys/fs/resctrl/info/last_cmd_status", "ok\n");
    fs::create_dir_all(dir.path().join("sys/fs/resctrl/mon_groups")).unwrap();
    write(dir.path(), "sys/fs/resctrl/be/schemata", "    L3:0=00f\n    MB:0= 50\n");
    write(dir.path(), "sys/fs/resctrl/be/tasks", "");
    fs::create_dir_all(dir.path().join("sys/fs/resctrl/be/mon_groups")).unwrap();
    dir
}

fn opened(dir: &tempfile::TempDir) -> (ControlGroups, Hierarchies) {
    let roots = Roots::at(dir.path());
    (ControlGroups::open(&roots, &OnceLock::new()).unwrap(), Hierarchies::find(&roots).unwrap())
}

#[test]
fn where_it_is_not_mounted_its_absence_is_told() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "proc/self/mountinfo", "");
    let error = ControlGroups::open(&Roots::at(dir.path()), &OnceLock::new()).err().unwrap();
    assert!(error.is_absent() && error.to_string().contains("/sys/fs/resctrl"), "{error}");
}

#[test]
fn groups_are_made_and_removed_under_names_that_lead_nowhere_else() {
    let dir = machine();
    let (groups, _) = opened(&dir);
    assert_eq!((groups.names().unwrap(), groups.inode("new")), (vec!["be".to_owned()], None));
    groups.make("new").unwrap();
    assert!(groups.inode("new").is_some() && groups.inode("new") != groups.inode("be"));
    assert!(groups.make("new").unwrap_err().to_string().contains("File exists"));
    groups.remove("new").unwrap();
    groups.remove("new").unwrap();
    for name in ["", ".", "..", "info", "mon_groups", "a/b", "a\nb", "../x"] {
        assert!(groups.make(name).is_err() && groups.remove(name).is_err(), "{name:?}");
    }
    assert_eq!(groups.names().unwrap(), ["be"]);
}

#[test]
fn cells_are_read_and_written_in_one_call() {
    let dir = machine();
    let (groups, _) = opened(&dir);
    let (l3, mb) = (Cell { resource: "L3", domain: 0 }, Cell { resource: "MB", domain: 0 });
    assert_eq!(groups.cell("be", &l3).unwrap(), "f");
    assert_eq!(groups.cell("be", &mb).unwrap(), "50");
    assert_eq!(groups.cell("", &mb).unwrap(), "100");
    assert!(groups.cell("be", &Cell { resource: "L3", domain: 7 }).unwrap_err().is_absent());
    assert!(groups.cell("gone", &l3).unwrap_err().is_absent());
    assert!(groups.cell("../be", &l3).is_err());
    groups.write_cells("be", &[(mb, "20"), (l3, "ff")]).unwrap();
    let path = dir.path().join("sys/fs/resctrl/be/schemata");
    assert_eq!(fs::read_to_string(&path).unwrap(), "L3:0=ff\nMB:0=20\n");
    fs::write(&path, "L3:0\n").unwrap();
    assert!(matches!(groups.cell("be", &l3).unwrap_err(), KernelError::Malformed { .. }));
    let error = groups.write_cells("gone", &[(l3, "ff")]).unwrap_err();
    assert!(error.is_absent() && error.to_string().contains("gone/schemata"), "{error}");
}

#[test]
fn threads_are_found_and_moved() {
    let dir = machine();
    let (groups, hierarchies) = opened(&dir);
    let of = |cgroup: &str| groups.of_threads(&hierarchies, cgroup).unwrap();
    assert_eq!((of("/a").as_str(), of("/gone").as_str()), ("", NOBODY));
    groups.move_threads(&hierarchies, "/a", "be").unwrap();
    assert_eq!(fs::read_to_string(dir.path().join("sys/fs/resctrl/be/tasks")).unwrap(), "7\n8\n");
    assert_eq!(of("/a"), "be");
    let all_in = |cgroup: &str, group: &str| groups.has_all_threads(&hierarchies, cgroup, group).unwrap();
    assert!(all_in("/a", "be") && !all_in("/gone", "be") && !all_in("/a", "gone") && !all_in("/a", "../be"));
    write(dir.path(), "sys/fs/cgroup/a/b/cgroup.threads", "9\n");
    assert!(of("/a") == "/be" && !all_in("/a", "be"));
    groups.move_threads(&hierarchies, "/a", "be").unwrap();
    assert_eq!(of("/a"), "be");
    assert!(groups.move_threads(&hierarchies, "/a", "gone").unwrap_err().is_absent());
    assert!(groups.move_threads(&hierarchies, "/a", "../be").is_err());
    write(dir.path(), "sys/fs/resctrl/be/tasks", "x\n");
    assert!(groups.of_threads(&hierarchies, "/a").is_err());
}

#[rstest::rstest]
#[case("", Some(""))]
#[case("be", Some("be"))]
#[case("/be", None)]
#[case("a/b", None)]
#[case(NOBODY, None)]
fn one_group(#[case] groups: &str, #[case] expected: Option<&str>) {
    assert_eq!(of_one_group(groups), expected);
}

#[test]
fn one_has_the_lock_at_a_time() {
    let dir = machine();
    let (one, other) = (opened(&dir).0, opened(&dir).0);
    let locked = one.lock().unwrap();
    assert!(Lock::take(&other.root).is_none());
    drop(locked);
    assert!(Lock::take(&other.root).is_some());
}
