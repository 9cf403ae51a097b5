//! What a walker leaves watched. One test in a process of its own, since all watches of the process are looked at.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure ends the test")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use common::{real_cgroup, unique};
use wca_kernel::{Limits, Scratch, TreeWalker};

/// What this process watches, by device and inode number (proc_pid_fdinfo(5)).
fn watches() -> BTreeSet<(u64, u64)> {
    let texts = fs::read_dir("/proc/self/fdinfo").unwrap().flatten().flat_map(|file| fs::read_to_string(file.path()));
    let numbers = |text: String| -> Vec<(u64, u64)> {
        let lines = text.lines().filter(|line| line.starts_with("inotify "));
        let number = |line: &str, key: &str| {
            let word = line.split_whitespace().find_map(|word| word.strip_prefix(key)).unwrap();
            u64::from_str_radix(word, 16).unwrap()
        };
        lines.map(|line| (number(line, "sdev:"), number(line, "ino:"))).collect()
    };
    texts.flat_map(numbers).collect()
}

fn numbers(dirs: &[PathBuf]) -> BTreeSet<(u64, u64)> {
    let number = |dir| fs::metadata(dir).map(|found| (found.dev(), found.ino())).unwrap();
    dirs.iter().map(number).collect()
}

#[test]
fn cgroups_that_are_gone_are_watched_no_more() {
    let Some((hierarchies, above)) = real_cgroup("cgroups_that_are_gone", "watches") else { return };
    assert_eq!(watches(), BTreeSet::new());
    let mut walker = TreeWalker::new(&hierarchies, Limits::default());
    walker.walk();
    assert!(watches().is_superset(&numbers(above.dirs())));
    let path = format!("{}/one/below", unique("watches"));
    for _ in 0..20 {
        let one = Scratch::create(&hierarchies, &path).unwrap();
        let ours = numbers(one.dirs());
        walker.walk();
        assert!(watches().is_superset(&ours));
        one.remove().unwrap();
        walker.walk();
        assert!(watches().is_disjoint(&ours));
    }
    drop(walker);
    assert_eq!(watches(), BTreeSet::new());
    above.remove().unwrap();
}
