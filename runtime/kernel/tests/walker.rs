//! Finding the cgroups that hold processes again and again, while they come and go.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure ends the test")]

mod common;

use std::fs;

use common::{Machine, Sleeper, real_cgroup, unique};
use rstest::rstest;
use wca_kernel::{Hierarchies, Limits, Notice, PopulatedCgroup, Scratch, Tree, TreeWalker, populated};

/// A v1 hierarchy and the unified one.
fn small() -> Machine {
    let machine = Machine::empty();
    machine.write(
        "/proc/self/mountinfo",
        "1 0 0:1 / /cg/mem rw - cgroup cgroup rw,memory\n2 0 0:2 / /cg/v2 rw - cgroup2 cgroup rw\n",
    );
    for hierarchy in ["mem", "v2"] {
        machine.write(&format!("/cg/{hierarchy}/cgroup.procs"), "1\n");
    }
    machine.write("/cg/mem/a/cgroup.procs", "7\n");
    machine.write("/cg/mem/b/cgroup.procs", "");
    machine
}

/// Walks, and looks whether the answer is that of a walk that remembers nothing.
fn checked(walker: &mut TreeWalker, hierarchies: &Hierarchies) -> Vec<String> {
    let tree = walker.walk().clone();
    assert_eq!(tree, populated(hierarchies, &Limits::default()));
    tree.cgroups.into_iter().map(|cgroup| cgroup.path).collect()
}

/// What happens between two walks, and what is found after it; before it is `/a`.
#[rstest]
#[case::nothing(|_: &Machine| {}, &["/a"])]
#[case::populated(|m: &Machine| m.write("/cg/mem/b/cgroup.procs", "8\n"), &["/a", "/b"])]
#[case::empty(|m: &Machine| m.write("/cg/mem/a/cgroup.procs", ""), &[])]
#[case::gone(|m: &Machine| m.remove("/cg/mem/a"), &[])]
#[case::new(|m: &Machine| m.write("/cg/mem/c/cgroup.procs", "8\n"), &["/a", "/c"])]
#[case::new_below_a_leaf(|m: &Machine| m.write("/cg/mem/b/x/cgroup.procs", "8\n"), &["/a", "/b/x"])]
#[case::new_two_levels_deep(|m: &Machine| m.write("/cg/mem/c/x/cgroup.procs", "8\n"), &["/a", "/c/x"])]
#[case::new_in_another_hierarchy(|m: &Machine| m.write("/cg/v2/c/cgroup.procs", "8\n"), &["/a", "/c"])]
#[case::renamed(|m: &Machine| fs::rename(m.path("/cg/mem/a"), m.path("/cg/mem/z")).unwrap(), &["/z"])]
#[case::the_file_is_gone(|m: &Machine| m.remove("/cg/mem/a/cgroup.procs"), &[])]
#[case::the_file_is_made_again(|m: &Machine| { m.remove("/cg/mem/a/cgroup.procs"); m.write("/cg/mem/a/cgroup.procs", "9\n"); }, &["/a"])]
#[case::the_hierarchy_is_gone(|m: &Machine| m.remove("/cg/mem"), &[])]
#[case::another_hierarchy_in_its_place(|m: &Machine| {
    fs::rename(m.path("/cg/mem"), m.path("/away")).unwrap();
    m.write("/cg/mem/q/cgroup.procs", "9\n");
}, &["/q"])]
fn what_changed_is_found(#[case] change: fn(&Machine), #[case] expected: &[&str]) {
    let machine = small();
    let hierarchies = machine.hierarchies();
    let mut walker = TreeWalker::new(&hierarchies, Limits::default());
    for _ in 0..2 {
        assert_eq!(checked(&mut walker, &hierarchies), ["/a"]);
    }
    assert!(!walker.has_changed(), "the same as before");
    change(&machine);
    assert_eq!(checked(&mut walker, &hierarchies), expected);
    assert_eq!(walker.has_changed(), expected != ["/a"]);
    assert_eq!(checked(&mut walker, &hierarchies), expected);
    assert!(!walker.has_changed());
    // And what comes after it too.
    machine.write("/cg/v2/later/x/cgroup.procs", "9\n");
    assert!(checked(&mut walker, &hierarchies).contains(&"/later/x".to_owned()));
}

#[test]
fn a_cgroup_that_was_made_again_is_another() {
    let machine = small();
    let hierarchies = machine.hierarchies();
    let mut walker = TreeWalker::new(&hierarchies, Limits::default());
    let first = walker.walk().cgroups[0].identity;
    // The old directory still lies elsewhere, so its inode number is not given out again.
    fs::rename(machine.path("/cg/mem/a"), machine.path("/old")).unwrap();
    machine.write("/cg/mem/a/cgroup.procs", "7\n");
    let second = walker.walk().cgroups[0].identity;
    assert!(walker.has_changed());
    assert_ne!(first, second);
    assert_eq!(checked(&mut walker, &hierarchies), ["/a"]);
    machine.write("/cg/mem/a/x/cgroup.procs", "7\n");
    assert_eq!(checked(&mut walker, &hierarchies), ["/a", "/a/x"], "the new one is watched too");
}

#[test]
fn a_cgroup_that_lives_on_in_one_hierarchy_is_gone_from_the_other() {
    let machine = small();
    let hierarchies = machine.hierarchies();
    machine.write("/cg/v2/a/cgroup.procs", "7\n");
    let mut walker = TreeWalker::new(&hierarchies, Limits::default());
    assert_eq!(walker.walk().cgroups[0].hierarchies, [0, 1]);
    machine.remove("/cg/mem/a");
    assert_eq!(checked(&mut walker, &hierarchies), ["/a"]);
    assert_eq!(walker.walk().cgroups[0].hierarchies, [1]);
}

/// Cgroups that were found empty are not asked again until somebody writes, and then they are.
#[rstest]
#[case::in_the_first_hierarchy("/cg/cpu/a/cgroup.procs")]
#[case::in_the_last_v1_hierarchy("/cg/mem/a/cgroup.procs")]
#[case::in_a_cpuset("/cg/cpuset/a/cgroup.procs")]
#[case::in_v2("/cg/v2/a/cgroup.procs")]
#[case::below("/cg/mem/a/x/cgroup.procs")]
fn an_empty_cgroup_gets_a_process(#[case] path: &str) {
    let machine = Machine::empty();
    let names = ["cpu", "cpuset", "mem", "v2"];
    let mounts = [("cgroup", "cpu"), ("cgroup", "cpuset"), ("cgroup", "memory"), ("cgroup2", "nsdelegate")];
    let lines = names
        .iter()
        .zip(mounts)
        .zip(1..)
        .map(|((name, (kind, option)), n)| format!("{n} 0 0:{n} / /cg/{name} rw - {kind} cgroup rw,{option}\n"));
    machine.write("/proc/self/mountinfo", &lines.collect::<String>());
    for name in names {
        machine.write(&format!("/cg/{name}/a/x/cgroup.procs"), "");
        machine.write(&format!("/cg/{name}/a/cgroup.procs"), "");
    }
    let hierarchies = machine.hierarchies();
    let mut walker = TreeWalker::new(&hierarchies, Limits::default());
    let cgroup = path.strip_suffix("/cgroup.procs").and_then(|path| path.find("/a").map(|at| &path[at..])).unwrap();
    for _ in 0..3 {
        assert_eq!(checked(&mut walker, &hierarchies), [""; 0]);
        assert_eq!(checked(&mut walker, &hierarchies), [""; 0]);
        machine.write(path, "7\n");
        assert_eq!(checked(&mut walker, &hierarchies), [cgroup]);
        machine.write("/cg/mem/b/cgroup.procs", "");
        assert_eq!(checked(&mut walker, &hierarchies), [cgroup]);
        machine.remove("/cg/mem/b");
        machine.write(path, "");
        assert_eq!(checked(&mut walker, &hierarchies), [""; 0]);
        // A change of the tree meanwhile is no reason to forget.
        machine.write("/cg/mem/b/cgroup.procs", "");
        machine.write(path, "7\n");
        assert_eq!(checked(&mut walker, &hierarchies), [cgroup]);
        machine.remove("/cg/mem/b");
        machine.write(path, "");
    }
}

#[rstest]
#[case(0)]
#[case(1)]
#[case(3)]
fn what_cannot_be_watched_is_walked_each_time_and_told(#[case] budget: usize) {
    let machine = small();
    let hierarchies = machine.hierarchies();
    let mut walker = TreeWalker::new(&hierarchies, Limits::default());
    walker.set_watch_budget(budget);
    let paths = |walker: &mut TreeWalker| walker.walk().cgroups.iter().map(|one| one.path.clone()).collect::<Vec<_>>();
    for _ in 0..2 {
        assert_eq!(paths(&mut walker), ["/a"]);
        assert_eq!(walker.walk().notices, [Notice::WatchesShort { kept: budget }]);
    }
    machine.write("/cg/mem/b/x/cgroup.procs", "7\n");
    machine.write("/cg/v2/c/x/cgroup.procs", "7\n");
    assert_eq!(paths(&mut walker), ["/a", "/b/x", "/c/x"]);
    walker.set_watch_budget(100);
    assert_eq!(walker.walk().notices, []);
    machine.remove("/cg/mem/b");
    assert_eq!(checked(&mut walker, &hierarchies), ["/a", "/c/x"]);
}

#[test]
fn limits_are_told_at_each_walk() {
    let machine = small();
    let hierarchies = machine.hierarchies();
    machine.write("/cg/mem/b/cgroup.procs", "7\n");
    machine.write("/cg/mem/a/x/y/cgroup.procs", "7\n");
    let limits = Limits { depth: 2, populated: 1, ..Limits::default() };
    let mut walker = TreeWalker::new(&hierarchies, limits);
    for _ in 0..3 {
        let tree = walker.walk();
        assert_eq!((tree.cgroups.len(), tree.cgroups[0].path.as_str()), (1, "/a"));
        let too_deep = Notice::TooDeep { path: machine.path("/cg/mem/a/x"), limit: 2 };
        assert_eq!(tree.notices, [too_deep, Notice::TooManyTasks { limit: 1 }]);
    }
}

/// Many steps in an order that is the same each time: whatever happens between two walks, the answer is that of a walk that
/// remembers nothing.
#[test]
fn whatever_happens_is_found() {
    let machine = small();
    let hierarchies = machine.hierarchies();
    let mut walker = TreeWalker::new(&hierarchies, Limits::default());
    let mut random = 1u32;
    let mut next = |below: u32| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 10) % below
    };
    let mut found = 0;
    for _ in 0..400 {
        for _ in 0..next(4) {
            let names: Vec<String> = (0..=next(3)).map(|_| format!("/n{}", next(3))).collect();
            let path = format!("/cg/{}{}", ["mem", "v2"][next(2) as usize], names.concat());
            let there = machine.path(&path);
            match next(6) {
                0 if there.is_dir() => machine.remove(&path),
                1 if there.is_dir() => {
                    let to = there.with_file_name(format!("r{}", next(3)));
                    let _ = fs::rename(&there, to);
                }
                2 if there.is_dir() => {
                    machine.remove(&path);
                    machine.write(&format!("{path}/cgroup.procs"), "8\n");
                }
                3 => machine.write(&format!("{path}/cgroup.procs"), ""),
                _ => machine.write(&format!("{path}/cgroup.procs"), "7\n"),
            }
        }
        found += checked(&mut walker, &hierarchies).len();
    }
    assert!(found > 1_000, "{found}");
}

/// One hierarchy after another gives a cgroup its only process, by each file that there is for it, and takes it away.
#[test]
fn a_real_cgroup_gets_a_process_in_one_hierarchy_alone() {
    let Some((hierarchies, scratch)) = real_cgroup("a_real_cgroup_gets_a_process", "alone/x") else { return };
    let path = common::task_path("alone/x");
    let sleeper = Sleeper::start();
    let mut walker = TreeWalker::new(&hierarchies, Limits::default());
    let mut is_populated = || walker.walk().cgroups.iter().any(|one| one.path == path);
    for dir in scratch.dirs() {
        let root = dir.parent().and_then(std::path::Path::parent).unwrap();
        for file in ["cgroup.procs", "tasks"] {
            if !dir.join(file).exists() {
                continue;
            }
            assert!(!is_populated() && !is_populated(), "before {}", dir.display());
            fs::write(dir.join(file), sleeper.id().to_string()).unwrap();
            assert!(is_populated(), "{file} of {}", dir.display());
            fs::write(root.join(file), sleeper.id().to_string()).unwrap();
            assert!(!is_populated(), "after {}", dir.display());
        }
    }
    drop(sleeper);
    scratch.remove().unwrap();
}

/// A cgroup goes from one hierarchy after another while its process lives in the others.
#[test]
fn a_real_cgroup_goes_from_one_hierarchy_alone() {
    let Some((hierarchies, scratch)) = real_cgroup("a_real_cgroup_goes", "goes") else { return };
    let path = common::task_path("goes");
    let sleeper = Sleeper::start();
    scratch.add_process(sleeper.id()).unwrap();
    let mut walker = TreeWalker::new(&hierarchies, Limits::default());
    for left in (0..=scratch.dirs().len()).rev() {
        let find = |tree: &Tree| tree.cgroups.iter().find(|one| one.path == path).cloned();
        let found = find(walker.walk());
        assert_eq!(found, find(&populated(&hierarchies, &Limits::default())));
        assert_eq!(found.map_or(0, |found| found.hierarchies.len()), left);
        if let Some(dir) = left.checked_sub(1).map(|at| &scratch.dirs()[at]) {
            fs::write(dir.parent().unwrap().join("cgroup.procs"), sleeper.id().to_string()).unwrap();
            fs::remove_dir(dir).unwrap();
        }
    }
    drop(sleeper);
    scratch.remove().unwrap();
}

/// The kernel tells that the last process of a cgroup has gone within some 10 ms.
fn becomes(found: &mut dyn FnMut() -> Vec<PopulatedCgroup>, expected: &[PopulatedCgroup]) {
    for _ in 0..400 {
        if found() == expected {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert_eq!(found(), expected);
}

/// Many steps on real cgroups, in an order that is the same each time: whatever happens between two walks, the answer is
/// that of a walk that remembers nothing, a moment later at the most.
#[test]
fn real_cgroups_come_and_go() {
    let Some((hierarchies, above)) = real_cgroup("real_cgroups_come_and_go", "walker") else { return };
    let ours = |walker: &mut TreeWalker| -> Vec<_> {
        let prefix = format!("/{}", unique("walker"));
        walker.walk().cgroups.iter().filter(|one| one.path.starts_with(&prefix)).cloned().collect()
    };
    let mut walker = TreeWalker::new(&hierarchies, Limits::default());
    let mut made: Vec<Option<Scratch>> = (0..4).map(|_| None).collect();
    // Ends first where the test fails, so that the cgroups can go.
    let sleeper = Sleeper::start();
    let mut random = 7u32;
    for _ in 0..60 {
        // Other tests make cgroups of theirs meanwhile, so only ours are compared.
        for _ in 0..1 + random % 3 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = (random >> 8) as usize % made.len();
            above.add_process(sleeper.id()).unwrap();
            if made[at].take().is_none() || random >> 30 == 0 {
                let below = if random >> 29 & 1 == 0 { "" } else { "/below" };
                let scratch = Scratch::create(&hierarchies, &format!("{}/{at}{below}", unique("walker"))).unwrap();
                scratch.add_process(sleeper.id()).unwrap();
                made[at] = Some(scratch);
            }
        }
        let afresh = ours(&mut TreeWalker::new(&hierarchies, Limits::default()));
        assert!(!afresh.is_empty());
        becomes(&mut || ours(&mut walker), &afresh);
    }
    drop(sleeper);
    drop(made);
    becomes(&mut || ours(&mut walker), &[]);
    above.remove().unwrap();
}
