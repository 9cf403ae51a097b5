//! Finding the cgroup hierarchies.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure ends the test")]

mod common;

use common::Machine;
use rstest::rstest;
use wca_kernel::{Hierarchies, KernelError, Roots, Version};

/// `v1 /sys/fs/cgroup/cpu [cpu]`, one line per hierarchy.
fn shown(machine: &Machine) -> Vec<String> {
    let line = |one: &wca_kernel::Hierarchy| {
        let version = if one.version == Version::V1 { "v1" } else { "v2" };
        let name = one.name.as_ref().map(|name| format!(" name={name}")).unwrap_or_default();
        let root = one.root.display().to_string();
        let root = if root == "/" { String::new() } else { format!(" root={root}") };
        format!("{version} {} [{}]{name}{root}", machine.short(&one.dir), one.controllers.join(" "))
    };
    machine.hierarchies().all().iter().map(line).collect()
}

#[test]
fn hierarchies_of_v1_with_v2_beside_them() {
    let found = shown(&Machine::captured("v1-and-v2"));
    assert_eq!(
        found,
        [
            "v1 /sys/fs/cgroup/cpu [cpu]",
            "v1 /sys/fs/cgroup/cpuacct [cpuacct]",
            "v1 /sys/fs/cgroup/cpuset [cpuset]",
            "v1 /sys/fs/cgroup/memory [memory]",
            "v1 /sys/fs/cgroup/devices [devices]",
            "v1 /sys/fs/cgroup/freezer [freezer]",
            "v1 /sys/fs/cgroup/blkio [blkio]",
            "v1 /sys/fs/cgroup/pids [pids]",
            "v1 /sys/fs/cgroup/systemd [] name=systemd",
            "v2 /sys/fs/cgroup/unified [hugetlb]",
        ]
    );
}

#[test]
fn v2_alone() {
    let found = shown(&Machine::captured("v2-numa-resctrl"));
    assert_eq!(found, ["v2 /sys/fs/cgroup [cpuset cpu io memory hugetlb pids rdma misc]"]);
}

/// What a mountinfo means; mount points exist.
#[rstest]
#[case::co_mounted(
    "30 25 0:26 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct\n",
    &["v1 /sys/fs/cgroup/cpu,cpuacct [cpu cpuacct]"]
)]
#[case::switches_are_no_controllers(
    "30 25 0:26 / /cg rw - cgroup cgroup rw,seclabel,xattr,clone_children,release_agent=/usr/lib/agent,name=systemd\n",
    &["v1 /cg [] name=systemd"]
)]
#[case::escaped_mount_point(
    "30 25 0:26 / /mnt/c\\040g\\134roups rw - cgroup my\\040cgroup rw,memory\n",
    &["v1 /mnt/c g\\roups [memory]"]
)]
#[case::several_mounts_of_one_hierarchy(
    "30 25 0:26 / /cg/a rw - cgroup cgroup rw,memory\n31 25 0:26 / /cg/b rw - cgroup cgroup rw,memory\n",
    &["v1 /cg/a [memory]"]
)]
#[case::the_whole_rather_than_a_part(
    "30 25 0:26 /docker/1 /cg/a rw - cgroup cgroup rw,memory\n31 25 0:26 / /cg/b rw - cgroup cgroup rw,memory\n",
    &["v1 /cg/b [memory]"]
)]
#[case::a_part_rather_than_nothing(
    "30 25 0:26 /docker/1/2 /cg/a rw - cgroup cgroup rw,memory\n31 25 0:26 /docker /cg/b rw - cgroup cgroup rw,memory\n",
    &["v1 /cg/b [memory] root=/docker"]
)]
#[case::without_v2_controllers("30 25 0:26 / /cg rw - cgroup2 cgroup rw,nsdelegate\n", &["v2 /cg []"])]
#[case::other_file_systems("30 25 0:26 / /cg rw - tmpfs cgroup rw,cpu\n", &[])]
#[case::none("", &[])]
fn mounts(#[case] mountinfo: &str, #[case] expected: &[&str]) {
    let machine = Machine::empty();
    machine.write("/proc/self/mountinfo", mountinfo);
    for dir in ["sys/fs/cgroup/cpu,cpuacct", "cg/a", "cg/b", "mnt/c g\\roups", "cg"] {
        std::fs::create_dir_all(machine.path(dir)).unwrap();
    }
    assert_eq!(shown(&machine), expected);
}

#[test]
fn a_mount_point_that_is_gone_is_passed_over() {
    let machine = Machine::captured("v1-and-v2");
    machine.remove("/sys/fs/cgroup/memory");
    assert_eq!(machine.hierarchies().all().len(), 9);
    assert!(machine.hierarchies().with("memory").is_none());
    assert_eq!(machine.hierarchies().with("cpuacct").unwrap().controllers, ["cpuacct"]);
    assert_eq!(machine.hierarchies().unified().unwrap().controllers, ["hugetlb"]);
}

#[test]
fn a_part_of_a_hierarchy_is_told() {
    let machine = Machine::empty();
    machine.write("/proc/self/mountinfo", "30 25 0:26 /docker/1 /cg rw - cgroup cgroup rw,memory\n");
    machine.write("/cg/memory.usage_in_bytes", "1\n");
    let told = machine.sentences(machine.hierarchies().notices());
    assert_eq!(told, ["\"/cg\" shows only \"/docker/1\" of its cgroup hierarchy: paths of tasks start there"]);
}

#[test]
fn without_mountinfo() {
    let error = Hierarchies::find(&Machine::empty().roots()).unwrap_err();
    assert!(error.is_absent() && error.to_string().contains("/proc/self/mountinfo: No such file"), "{error}");
}

#[test]
fn with_a_mountinfo_of_another_kind() {
    let machine = Machine::empty();
    machine.write("/proc/self/mountinfo", "cgroup /sys/fs/cgroup cgroup rw 0 0\n");
    let error = Hierarchies::find(&machine.roots()).unwrap_err();
    assert!(matches!(&error, KernelError::Malformed { found, .. } if found.starts_with("cgroup /sys")), "{error}");
    assert!(!error.is_absent());
}

#[test]
fn this_machine() {
    let hierarchies = Hierarchies::find(&Roots::system()).unwrap();
    if hierarchies.all().is_empty() {
        return common::skipped("this_machine", "no cgroup hierarchy is mounted here");
    }
    for hierarchy in hierarchies.all() {
        assert!(hierarchy.dir.join("cgroup.procs").exists(), "{}", hierarchy.dir.display());
        assert!(hierarchy.version == Version::V2 || !hierarchy.controllers.is_empty() || hierarchy.name.is_some());
    }
}
