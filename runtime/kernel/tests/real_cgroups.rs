//! Scratch cgroups, the walk and the sampler on this machine's own cgroups. Where none can be made, each says so aloud.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure ends the test")]

mod common;

use std::fs;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use common::{Machine, Sleeper, real_cgroup, task_path, unique};
use wca_kernel::{
    Hierarchies, KernelError, Limits, Roots, Sampler, Scratch, TaskCgroups, TreeWalker, Wanted, populated,
};
use wca_model::TaskKey;

fn task(key: u64, cgroup: &str) -> TaskCgroups {
    TaskCgroups { key: TaskKey(key), cgroup: cgroup.into(), containers: vec![] }
}

fn sample(sampler: &mut Sampler, rows: usize) -> Vec<f64> {
    let mut values = Vec::new();
    sampler.sample(&mut values);
    let columns = sampler.catalog().columns.len();
    values.truncate(columns * rows);
    values
}

/// Directories of a cgroup that are there, over all hierarchies.
fn remaining(hierarchies: &Hierarchies, path: &str) -> Vec<PathBuf> {
    hierarchies.all().iter().map(|one| one.dir.join(path)).filter(|dir| dir.exists()).collect()
}

#[test]
fn a_scratch_cgroup_is_populated_and_measured_and_leaves_nothing() {
    let name = "life/busy";
    let Some((hierarchies, scratch)) = real_cgroup("a_scratch_cgroup_is_populated", name) else { return };
    let path = task_path(name);
    let find = || populated(&hierarchies, &Limits::default()).cgroups.into_iter().find(|one| one.path == path);
    assert_eq!(find(), None, "no process yet");
    let sleeper = Sleeper::start();
    scratch.add_process(sleeper.id()).unwrap();
    let found = find().unwrap();
    assert_eq!(found.hierarchies.len(), scratch.dirs().len());
    assert_eq!(find().unwrap(), found, "the same identity each time");
    let mut sampler = Sampler::new(&Roots::system(), &hierarchies, Wanted::default());
    sampler.set_tasks(&[task(1, &path)]);
    let values = sample(&mut sampler, 1);
    assert!(values.iter().any(|value| !value.is_nan()), "{values:?}");
    drop(sleeper);
    scratch.remove().unwrap();
    assert_eq!(remaining(&hierarchies, &unique("life")), Vec::<PathBuf>::new());
}

#[test]
fn a_task_that_vanishes_costs_its_row_and_a_new_one_of_that_name_is_another() {
    let name = "again";
    let Some((hierarchies, scratch)) = real_cgroup("a_task_that_vanishes", name) else { return };
    let (other, path) = (unique("other"), task_path(name));
    let stays = Scratch::create(&hierarchies, &other).unwrap();
    let identity = |scratch: &Scratch| {
        let sleeper = Sleeper::start();
        scratch.add_process(sleeper.id()).unwrap();
        let tree = populated(&hierarchies, &Limits::default());
        tree.cgroups.into_iter().find(|one| one.path == path).unwrap().identity
    };
    let first = identity(&scratch);
    let mut sampler = Sampler::new(&Roots::system(), &hierarchies, Wanted::default());
    sampler.set_tasks(&[task(1, &path), task(2, &format!("/{other}"))]);
    let rows = |values: &[f64]| {
        let gone = values.iter().step_by(2).filter(|value| value.is_nan()).count();
        let there = values.iter().skip(1).step_by(2).filter(|value| !value.is_nan()).count();
        (gone, there)
    };
    let (lacking, measured) = rows(&sample(&mut sampler, 2));
    let columns = sampler.catalog().columns.len();
    assert_eq!(lacking, columns - measured, "both have the same");
    scratch.remove().unwrap();
    for _ in 0..3 {
        assert_eq!(rows(&sample(&mut sampler, 2)), (columns, measured));
    }
    let mut values = Vec::new();
    assert_eq!(sampler.sample(&mut values), [], "an end is no trouble");
    let again = Scratch::create(&hierarchies, &unique(name)).unwrap();
    assert_ne!(identity(&again), first);
    let back = (0..70).position(|_| rows(&sample(&mut sampler, 2)).0 == lacking);
    assert!(back.is_some(), "the files are found again");
    again.remove().unwrap();
    stays.remove().unwrap();
}

#[test]
fn cgroups_side_by_side_share_the_one_above_whichever_goes_first() {
    let Some((hierarchies, first)) = real_cgroup("cgroups_side_by_side", "shared/first") else { return };
    let second = Scratch::create(&hierarchies, &unique("shared/second")).unwrap();
    first.remove().unwrap();
    assert!(!remaining(&hierarchies, &unique("shared/second")).is_empty());
    let third = Scratch::create(&hierarchies, &unique("shared/third")).unwrap();
    drop(second);
    drop(third);
    assert_eq!(remaining(&hierarchies, &unique("shared")), Vec::<PathBuf>::new());
}

#[test]
fn what_others_made_is_not_touched() {
    let Some((hierarchies, scratch)) = real_cgroup("what_others_made", "others") else { return };
    let dir = scratch.dirs()[0].clone();
    // Made behind its back, so it is somebody else's.
    fs::create_dir(dir.join("theirs")).unwrap();
    let error = Scratch::create(&hierarchies, &format!("{}/theirs", unique("others"))).unwrap_err();
    assert!(matches!(&error, KernelError::Make { path, .. } if *path == dir.join("theirs")), "{error}");
    let below = Scratch::create(&hierarchies, &format!("{}/theirs/ours", unique("others"))).unwrap();
    below.remove().unwrap();
    assert!(dir.join("theirs").exists());
    fs::remove_dir(dir.join("theirs")).unwrap();
    scratch.remove().unwrap();
}

#[test]
fn a_cgroup_with_a_living_process_stays_and_that_is_said() {
    let Some((hierarchies, scratch)) = real_cgroup("a_cgroup_with_a_living_process", "living") else { return };
    let sleeper = Sleeper::start();
    scratch.add_process(sleeper.id()).unwrap();
    let dirs = scratch.dirs().to_vec();
    let error = scratch.remove().unwrap_err();
    assert!(matches!(error, KernelError::Remove { .. }), "{error}");
    drop(sleeper);
    for dir in dirs {
        fs::remove_dir(dir).unwrap();
    }
    assert_eq!(remaining(&hierarchies, &unique("living")), Vec::<PathBuf>::new());
}

/// Whether the walker finds the cgroup of this path populated.
fn finds(walker: &mut TreeWalker, path: &str) -> bool {
    walker.walk().cgroups.iter().any(|cgroup| cgroup.path == format!("/{path}"))
}

#[test]
fn processes_that_come_are_seen_at_the_next_walk_and_those_that_go_a_moment_later() {
    let Some((hierarchies, scratch)) = real_cgroup("processes_that_come_and_go", "walked") else { return };
    let path = unique("walked");
    let mut walker = TreeWalker::new(&hierarchies, Limits::default());
    let mut scratch = Some(scratch);
    for round in 0..6 {
        assert!(!finds(&mut walker, &path), "{round}: empty");
        let sleeper = Sleeper::start();
        scratch.as_ref().unwrap().add_process(sleeper.id()).unwrap();
        assert!(finds(&mut walker, &path) && finds(&mut walker, &path), "{round}: with a process");
        drop(sleeper);
        // The kernel tells of an end within some 10 ms (CGROUP_FILE_NOTIFY_MIN_INTV).
        let is_empty = (0..400).any(|_| {
            sleep(Duration::from_millis(5));
            !finds(&mut walker, &path)
        });
        assert!(is_empty, "{round}: empty again");
        if round % 2 == 1 {
            scratch.take().unwrap().remove().unwrap();
            scratch = Some(Scratch::create(&hierarchies, &path).unwrap());
        }
    }
}

#[test]
fn a_process_that_ended_cannot_be_moved() {
    let Some((_, scratch)) = real_cgroup("a_process_that_ended", "ended") else { return };
    let sleeper = Sleeper::start();
    let id = sleeper.id();
    drop(sleeper);
    let error = scratch.add_process(id).unwrap_err();
    assert!(error.is_absent(), "{error}");
    scratch.remove().unwrap();
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let machine = Machine::captured("v1-and-v2");
    for path in ["", "/", "../x", "a//b", "a/../../b"] {
        let error = Scratch::create(&machine.hierarchies(), path).unwrap_err();
        assert!(matches!(error, KernelError::CgroupPath { .. }), "{path}: {error}");
    }
    let error = Scratch::create(&Hierarchies::default(), "a").unwrap_err();
    assert_eq!(error.to_string(), "no cgroup hierarchy lets this user make a: none is mounted");
}

#[test]
fn where_nothing_can_be_made_the_reason_is_said_once() {
    let machine = Machine::captured("v1-and-v2");
    let hierarchies = machine.hierarchies();
    machine.remove("/sys/fs/cgroup");
    let error = Scratch::create(&hierarchies, "a").unwrap_err().to_string();
    assert!(error.ends_with("/sys/fs/cgroup/cpu/a: No such file or directory (os error 2), and 9 alike"), "{error}");
}

#[test]
fn a_cpuset_gets_the_processors_of_the_one_above() {
    let Some((hierarchies, scratch)) = real_cgroup("a_cpuset", "cpuset/below") else { return };
    let cpuset = hierarchies.with("cpuset").filter(|one| one.version == wca_kernel::Version::V1);
    let Some(cpuset) = cpuset else { return common::skipped("a_cpuset", "no v1 cpuset is mounted here") };
    let dir = cpuset.dir.join(unique("cpuset/below"));
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let [ours, above] = [&dir, &cpuset.dir].map(|dir| fs::read_to_string(dir.join(file)).unwrap());
        assert_eq!(ours, above);
    }
    scratch.remove().unwrap();
}
