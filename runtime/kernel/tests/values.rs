//! Values that can be written, in trees that stand in for machines.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure ends the test")]

mod common;

use std::fs;
use std::os::unix::ffi::OsStrExt as _;

use common::Machine;
use rstest::rstest;
use wca_kernel::KernelError;
use wca_kernel::values::{Spot, Values};

const MOUNT: &str = "/sys/fs/cgroup";

/// A machine with cgroup v2 alone, with the cgroups `/a`, `/a/b`, `/a/b/c` and `/a/d`.
fn machine() -> (Machine, Values) {
    let machine = Machine::empty();
    machine.write("/proc/self/mountinfo", "30 2 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    machine.write("/sys/fs/cgroup/cgroup.controllers", "cpu memory\n");
    for cgroup in ["a/b/c", "a/b", "a/d", "a"] {
        machine.write(&format!("{MOUNT}/{cgroup}/cpu.max"), "max 100000\n");
        machine.write(&format!("{MOUNT}/{cgroup}/cgroup.subtree_control"), "\n");
    }
    let values = Values::find(&machine.roots()).unwrap();
    (machine, values)
}

fn file(cgroup: &str, file: &str) -> Spot {
    Spot::Cgroup { mount: MOUNT.into(), cgroup: cgroup.into(), file: file.into() }
}

fn controller(cgroup: &str, controller: &str) -> Spot {
    Spot::Controller { mount: MOUNT.into(), cgroup: cgroup.into(), controller: controller.into() }
}

#[test]
fn a_value_is_read_and_written() {
    let (machine, values) = machine();
    let spot = file("/a/b", "cpu.max");
    assert_eq!(values.mount_of(values.hierarchies().unified().unwrap()), MOUNT);
    assert_eq!(values.read(&spot).unwrap(), "max 100000");
    values.write(&spot, "5000 10000").unwrap();
    assert_eq!(values.read(&spot).unwrap(), "5000 10000");
    assert_eq!(fs::read_to_string(machine.path("/sys/fs/cgroup/a/b/cpu.max")).unwrap(), "5000 10000");
    machine.write("/sys/fs/cgroup/a/b/cpuset.cpus", "1-2\n");
    values.write(&file("/a/b", "cpuset.cpus"), "").unwrap();
    assert_eq!(
        fs::read(machine.path("/sys/fs/cgroup/a/b/cpuset.cpus")).unwrap(),
        b"\n",
        "a write that the kernel sees"
    );
}

#[test]
fn a_controller_is_enabled_or_not() {
    let (machine, values) = machine();
    assert_eq!(values.read(&controller("/a", "cpu")).unwrap(), "disabled");
    machine.write("/sys/fs/cgroup/a/cgroup.subtree_control", "cpuset memory\n");
    assert_eq!(values.read(&controller("/a", "cpu")).unwrap(), "disabled", "cpuset is another");
    assert_eq!(values.read(&controller("/a", "memory")).unwrap(), "enabled");
    values.write(&controller("/a", "cpu"), "enabled").unwrap();
    assert_eq!(fs::read_to_string(machine.path("/sys/fs/cgroup/a/cgroup.subtree_control")).unwrap(), "+cpu");
    values.write(&controller("/a", "cpu"), "disabled").unwrap();
    assert_eq!(fs::read_to_string(machine.path("/sys/fs/cgroup/a/cgroup.subtree_control")).unwrap(), "-cpu");
}

#[test]
fn a_life_ends_with_its_cgroup() {
    let (machine, values) = machine();
    let spot = file("/a/d", "cpu.max");
    assert!(values.life(&spot).is_some() && values.life(&spot) != values.life(&file("/a/b", "cpu.max")));
    machine.remove("/sys/fs/cgroup/a/d");
    assert_eq!(values.life(&spot), None);
    assert!(values.read(&spot).unwrap_err().is_absent());
    assert!(values.write(&spot, "max").unwrap_err().is_absent());
    assert_eq!(values.children(MOUNT, "/a/d").unwrap(), [""; 0]);
}

#[test]
fn a_file_that_is_not_there_is_not_made() {
    let (machine, values) = machine();
    let spot = file("/a", "cpu.weight");
    assert!(matches!(values.write(&spot, "5"), Err(error @ KernelError::Write { .. }) if error.is_absent()));
    assert!(!machine.path("/sys/fs/cgroup/a/cpu.weight").exists());
}

#[rstest]
#[case::above("/..", "cpu.max")]
#[case::above("/a/../..", "cpu.max")]
#[case::long(&"n".repeat(300), "cpu.max")]
#[case::lines("/a\n", "cpu.max")]
#[case::file("/a", "../a/cpu.max")]
#[case::file("/a", "")]
#[case::file("/a", "..")]
fn names_that_lead_elsewhere_are_refused(#[case] cgroup: &str, #[case] name: &str) {
    let (_machine, values) = machine();
    let spot = file(cgroup, name);
    assert!(matches!(values.read(&spot), Err(KernelError::CgroupPath { .. })));
    assert!(matches!(values.write(&spot, "1"), Err(KernelError::CgroupPath { .. })));
}

#[test]
fn what_is_below_comes_behind_what_is_above_it() {
    let (machine, values) = machine();
    assert_eq!(values.below(MOUNT, "/a").unwrap(), ["/a/b", "/a/d", "/a/b/c"]);
    assert_eq!(values.below(MOUNT, "/").unwrap(), ["/a", "/a/b", "/a/d", "/a/b/c"]);
    assert_eq!(values.children(MOUNT, "/a").unwrap(), ["/a/b", "/a/d"]);
    assert_eq!(values.children(MOUNT, "/").unwrap(), ["/a"]);
    std::os::unix::fs::symlink("/", machine.path("/sys/fs/cgroup/a/d/link")).unwrap();
    assert_eq!(values.below(MOUNT, "/a/d").unwrap(), [""; 0], "a link is no cgroup");
    let odd = std::ffi::OsStr::from_bytes(b"\xff");
    fs::create_dir(machine.path("/sys/fs/cgroup/a/d").join(odd)).unwrap();
    let error = values.below(MOUNT, "/a").unwrap_err().to_string();
    assert!(error.contains("a name below it is no text"), "{error}");
}

#[test]
fn too_many_below_are_refused() {
    let (machine, values) = machine();
    for number in 0..=1_000 {
        fs::create_dir(machine.path(format!("/sys/fs/cgroup/a/d/{number}").as_str())).unwrap();
    }
    let error = values.below(MOUNT, "/a/d").unwrap_err().to_string();
    assert!(error.contains("more than 1000 cgroups are below it"), "{error}");
    assert!(values.below(MOUNT, "/a/b").is_ok());
}

#[rstest]
#[case::nobody(&[], None)]
#[case::a_value(&[("a/d/cpu.max", "5000 100000\n")], Some(file("/a/d", "cpu.max")))]
#[case::the_first_value(&[("a/d/cpu.weight", "100\n"), ("a/d/cpu.uclamp.min", "0.00\n")], None)]
#[case::another_controllers(&[("a/d/memory.high", "4096\n")], None)]
#[case::handed_on(&[("a/b/cgroup.subtree_control", "cpu\n")], Some(controller("/a/b", "cpu")))]
#[case::not_of_a_child(&[("a/b/c/cpu.max", "5000 100000\n"), ("a/cpu.max", "1000 1000\n")], None)]
fn who_needs_a_controller(#[case] files: &[(&str, &str)], #[case] expected: Option<Spot>) {
    let (machine, values) = machine();
    for (path, text) in files {
        machine.write(&format!("{MOUNT}/{path}"), text);
    }
    assert_eq!(values.user_of_controller(MOUNT, "/a", "cpu"), expected);
}

#[rstest]
#[case::of_nobody("/a/b", false)]
#[case::a_unit("/x.slice", true)]
#[case::below_a_unit("/x.slice/y.service/z", true)]
#[case::the_root_without_systemd("/", false)]
fn cgroups_of_systemd(#[case] cgroup: &str, #[case] expected: bool) {
    let (_machine, values) = machine();
    assert_eq!(values.is_systemds(MOUNT, cgroup), expected);
}
