//! Finding the cgroups that hold processes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure ends the test")]

mod common;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use common::Machine;
use rstest::rstest;
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
use wca_kernel::{Limits, Tree, identity, populated};

fn walk(machine: &Machine) -> Tree {
    populated(&machine.hierarchies(), &Limits::default())
}

fn paths(tree: &Tree) -> Vec<&str> {
    tree.cgroups.iter().map(|cgroup| cgroup.path.as_str()).collect()
}

/// Two v1 hierarchies and the unified one.
fn small() -> Machine {
    let machine = Machine::empty();
    machine.write(
        "/proc/self/mountinfo",
        "1 0 0:1 / /cg/cpu rw - cgroup cgroup rw,cpu\n2 0 0:2 / /cg/mem rw - cgroup cgroup rw,memory\n\
         3 0 0:3 / /cg/v2 rw - cgroup2 cgroup rw\n",
    );
    for hierarchy in ["cpu", "mem", "v2"] {
        machine.write(&format!("/cg/{hierarchy}/cgroup.procs"), "1\n2\n");
    }
    machine
}

#[rstest]
#[case::v1_and_v2("v1-and-v2", 10)]
#[case::v2_alone("v2-numa-resctrl", 1)]
fn captured(#[case] name: &str, #[case] hierarchies: usize) {
    let machine = Machine::captured(name);
    let tree = walk(&machine);
    assert_eq!(paths(&tree), ["/demo/busy"]);
    assert_eq!(tree.cgroups[0].hierarchies, (0..hierarchies).collect::<Vec<_>>());
    assert_eq!(tree.notices, []);
    assert_eq!(walk(&machine), tree, "the same each time");
}

#[test]
fn hierarchies_are_merged_by_path_and_the_roots_are_none() {
    let machine = small();
    machine.write("/cg/cpu/b/cgroup.procs", "7\n");
    machine.write("/cg/mem/b/cgroup.procs", "7\n");
    machine.write("/cg/mem/a/x/cgroup.procs", "8\n");
    machine.write("/cg/mem/a/cgroup.procs", "");
    machine.write("/cg/v2/c/cgroup.procs", "0\n");
    machine.write("/cg/v2/b/cgroup.procs", "");
    let tree = walk(&machine);
    assert_eq!(paths(&tree), ["/a/x", "/b", "/c"]);
    let hierarchies: Vec<&[usize]> = tree.cgroups.iter().map(|cgroup| cgroup.hierarchies.as_slice()).collect();
    assert_eq!(hierarchies, [&[1][..], &[0, 1, 2], &[2]], "b is there in v2, and empty");
}

#[test]
fn an_identity_is_that_of_the_first_hierarchy_that_has_the_path() {
    let machine = small();
    machine.write("/cg/cpu/a/cgroup.procs", "");
    machine.write("/cg/mem/a/cgroup.procs", "7\n");
    let first = walk(&machine).cgroups[0].identity;
    // The process arrives in the hierarchies one after another.
    machine.write("/cg/cpu/a/cgroup.procs", "7\n");
    let tree = walk(&machine);
    assert_eq!(tree.cgroups[0].identity, first);
    assert_eq!(identity(&machine.hierarchies(), "/a"), Some(first));
    // Made again: the old directory still lies elsewhere, so its inode number is not given out again.
    fs::rename(machine.path("/cg/cpu/a"), machine.path("/old")).unwrap();
    machine.write("/cg/cpu/a/cgroup.procs", "7\n");
    let second = walk(&machine).cgroups[0].identity;
    assert_ne!(second, first);
    // The walk may not come to every hierarchy; the identity is the same all the same.
    let shallow = Limits { visited: 0, ..Limits::default() };
    assert_eq!(populated(&machine.hierarchies(), &shallow).cgroups, []);
    machine.write("/cg/cpu/aa/cgroup.procs", "");
    let one = populated(&machine.hierarchies(), &Limits { visited: 1, ..Limits::default() });
    assert!(one.cgroups.iter().all(|cgroup| cgroup.identity == second));
    for path in ["/", "/nowhere", "/a/cgroup.procs", "/../cg/cpu/a"] {
        assert_eq!(identity(&machine.hierarchies(), path), None, "{path}");
    }
}

#[test]
fn names_that_cannot_be_labels_are_left_out_and_told() {
    let machine = small();
    for name in [&b"bad\xff"[..], b"two\nlines", b"esc\x1b[1m"] {
        let dir = machine.path("/cg/mem").join(OsStr::from_bytes(name)).join("below");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("cgroup.procs"), "7\n").unwrap();
    }
    machine.write("/cg/mem/gr\u{fc}n \"q\" \\/cgroup.procs", "7\n");
    let tree = walk(&machine);
    assert_eq!(paths(&tree), ["/gr\u{fc}n \"q\" \\"]);
    let mut told = machine.sentences(&tree.notices);
    told.sort();
    assert_eq!(
        told,
        [
            r#"the cgroup "/cg/mem/bad�" is left out: its name is not printable UTF-8"#,
            r#"the cgroup "/cg/mem/esc\u{1b}[1m" is left out: its name is not printable UTF-8"#,
            r#"the cgroup "/cg/mem/two\nlines" is left out: its name is not printable UTF-8"#,
        ]
    );
}

#[test]
fn depth_is_bounded_and_told() {
    let machine = small();
    machine.write("/cg/mem/a/b/c/d/cgroup.procs", "7\n");
    machine.write("/cg/mem/a/b/cgroup.procs", "7\n");
    let tree = populated(&machine.hierarchies(), &Limits { depth: 2, ..Limits::default() });
    assert_eq!(paths(&tree), ["/a/b"]);
    let told = machine.sentences(&tree.notices);
    assert_eq!(told, [r#"cgroups below "/cg/mem/a/b" are left out: more than 2 levels deep"#]);
}

#[test]
fn numbers_are_bounded_and_told_and_the_deepest_are_left_out() {
    let machine = small();
    for n in 0..6 {
        machine.write(&format!("/cg/mem/top{n}/cgroup.procs"), "7\n");
        machine.write(&format!("/cg/mem/top0/deep{n}/cgroup.procs"), "7\n");
    }
    let visited = populated(&machine.hierarchies(), &Limits { visited: 6, ..Limits::default() });
    assert_eq!(paths(&visited), ["/top0", "/top1", "/top2", "/top3", "/top4", "/top5"]);
    assert_eq!(machine.sentences(&visited.notices), [r#""/cg/mem" has more than 6 cgroups: the others are left out"#]);
    let populated = populated(&machine.hierarchies(), &Limits { populated: 4, ..Limits::default() });
    assert_eq!(populated.cgroups.len(), 4);
    let told = machine.sentences(&populated.notices);
    assert_eq!(told, ["more than 4 cgroups hold processes: the others are left out"]);
}

#[test]
fn exactly_as_many_as_are_allowed_are_no_trouble() {
    let machine = small();
    for n in 0..6 {
        machine.write(&format!("/cg/mem/top{n}/cgroup.procs"), "7\n");
    }
    let tree = populated(&machine.hierarchies(), &Limits { visited: 6, populated: 6, depth: 1 });
    assert_eq!((tree.cgroups.len(), tree.notices), (6, vec![]));
}

#[test]
fn a_hierarchy_that_vanishes_costs_only_itself() {
    let machine = small();
    machine.write("/cg/cpu/a/cgroup.procs", "7\n");
    machine.write("/cg/mem/a/cgroup.procs", "7\n");
    let hierarchies = machine.hierarchies();
    machine.remove("/cg/mem");
    let tree = populated(&hierarchies, &Limits::default());
    assert_eq!(paths(&tree), ["/a"]);
    let told = machine.sentences(&tree.notices);
    assert_eq!(told, [r#"cannot read "/cg/mem": No such file or directory (os error 2)"#]);
}

#[test]
fn a_cgroup_that_vanishes_or_has_no_such_file_costs_only_itself() {
    let machine = small();
    machine.write("/cg/mem/a/cgroup.procs", "7\n");
    machine.write("/cg/mem/half/notify_on_release", "0\n");
    let tree = walk(&machine);
    assert_eq!((paths(&tree), tree.notices.len()), (vec!["/a"], 0));
}

/// Runs `test` in a thread that may not read what its permissions forbid, even as root.
fn without_privileges(test: impl FnOnce() + Send + 'static) {
    let run = move || {
        let mut sets = capabilities(None).unwrap();
        sets.effective -= CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH;
        set_capabilities(None, sets).unwrap();
        test();
    };
    std::thread::spawn(run).join().unwrap();
}

#[test]
fn what_is_closed_is_told_once_per_prefix() {
    let machine = small();
    machine.write("/cg/mem/open/cgroup.procs", "7\n");
    for n in 0..3 {
        machine.write(&format!("/cg/mem/closed/below{n}/cgroup.procs"), "7\n");
        machine.write(&format!("/cg/mem/half/below{n}/cgroup.procs"), "7\n");
    }
    machine.write("/cg/mem/half/cgroup.procs", "7\n");
    let set = |path: &str, mode| fs::set_permissions(machine.path(path), fs::Permissions::from_mode(mode)).unwrap();
    set("/cg/mem/closed", 0o000);
    set("/cg/mem/half/cgroup.procs", 0o000);
    set("/cg/mem/half/below1/cgroup.procs", 0o000);
    let hierarchies = machine.hierarchies();
    let (sender, receiver) = std::sync::mpsc::channel();
    without_privileges(move || sender.send(populated(&hierarchies, &Limits::default())).unwrap());
    let tree = receiver.recv().unwrap();
    set("/cg/mem/closed", 0o755);
    assert_eq!(paths(&tree), ["/half/below0", "/half/below2", "/open"]);
    let mut told = machine.sentences(&tree.notices);
    told.sort();
    let expected = ["closed", "half/cgroup.procs"];
    assert_eq!(told, expected.map(|path| format!("this user may not read \"/cg/mem/{path}\"")));
}
