//! A policy that asks for the same in each tick, and somebody else who writes in between.

use std::collections::BTreeMap;

use rstest::rstest;
use wca_model::{Change, Fate, Kind, OnForeignWrite};

use super::tree::Tree;
use crate::control::Control;

const SHARES: &str = "cpu/a/task/cpu.shares";

fn tree(kind: Kind, does: OnForeignWrite) -> Tree {
    let mut tree = Tree::v1(&["/a/task/x", "/a/task/y"]);
    tree.settings.on_foreign_write = BTreeMap::from([(kind, does)]);
    tree
}

fn counts(control: &Control) -> Vec<(Kind, u64)> {
    control.foreign_writes().counts().collect()
}

fn why(fate: Fate) -> String {
    let Fate::Failed(why) = fate else { panic!("{fate:?}") };
    why
}

#[rstest]
#[case::seen_by_the_tick_first(true)]
#[case::seen_by_the_request_first(false)]
fn what_is_reported_stays_until_another_value_is_asked_for(#[case] ticks: bool) {
    let tree = tree(Kind::CpuShares, OnForeignWrite::Report);
    let mut control = tree.control();
    assert_eq!(tree.apply(&mut control, 1, Change::CpuShares(2.0)), Fate::Applied);
    tree.set(SHARES, "555");
    let mut told = if ticks { control.tick() } else { vec![] };
    for shares in [2.0, 2.0, 2.001] {
        let why = why(tree.apply(&mut control, 1, Change::CpuShares(shares)));
        assert!(why.contains("cpu.shares was changed by somebody else and stays so, until another value"), "{why}");
        told.extend(control.tick());
    }
    assert_eq!(
        tree.apply(&mut control, 1, Change::CpusetCpus(vec![1])),
        Fate::Applied,
        "of other kinds it is no matter"
    );
    assert_eq!((tree.get(SHARES).as_str(), counts(&control)), ("555", vec![(Kind::CpuShares, 1)]));
    assert!(told.len() == 1 && told[0].ends_with("it stays"), "{told:?}");
    assert_eq!(tree.apply(&mut control, 1, Change::CpuShares(3.0)), Fate::Applied);
    assert_eq!((tree.get(SHARES).as_str(), counts(&control)), ("3000", vec![(Kind::CpuShares, 1)]));
    tree.set(SHARES, "555");
    why(tree.apply(&mut control, 1, Change::CpuShares(3.0)));
    assert_eq!(counts(&control), [(Kind::CpuShares, 2)], "the same value, another write");
}

#[test]
fn the_same_shares_are_the_same_value_whatever_formula_the_neighbours_have_now() {
    let mut tree = Tree::v2(&["/a/sibling", "/a/other"]);
    tree.settings.on_foreign_write = BTreeMap::from([(Kind::CpuShares, OnForeignWrite::Report)]);
    tree.set("a/sibling/cpu.weight", "39");
    let mut control = tree.control();
    assert_eq!(tree.apply(&mut control, 1, Change::CpuShares(2.0)), Fate::Applied);
    tree.set("a/sibling/cpu.weight", "17").set("a/other/cpu.weight", "174").set("a/task/cpu.weight", "5");
    why(tree.apply(&mut control, 1, Change::CpuShares(2.0)));
    assert_eq!(tree.get("a/task/cpu.weight"), "5");
}

#[rstest]
#[case::seen_by_the_tick_first(true)]
#[case::seen_by_the_request_first(false)]
fn what_is_yielded_is_left_until_it_is_released(#[case] ticks: bool) {
    let tree = tree(Kind::CpuShares, OnForeignWrite::Yield);
    let mut control = tree.control();
    assert_eq!(tree.apply(&mut control, 1, Change::CpuShares(2.0)), Fate::Applied);
    tree.set(SHARES, "555");
    let mut told = if ticks { control.tick() } else { vec![] };
    for shares in [2.0, 3.0] {
        let why = why(tree.apply(&mut control, 1, Change::CpuShares(shares)));
        assert!(why.contains("cpu.shares was changed by somebody else and is left to them, until cpu_shares"), "{why}");
        told.extend(control.tick());
    }
    assert_eq!((tree.get(SHARES).as_str(), counts(&control)), ("555", vec![(Kind::CpuShares, 1)]));
    assert!(told.len() == 1 && told[0].ends_with("it is left to others"), "{told:?}");
    tree.apply(&mut control, 1, Change::Release(Kind::CpuShares));
    assert_eq!(tree.apply(&mut control, 1, Change::CpuShares(2.0)), Fate::Applied);
}

#[rstest]
#[case::seen_by_the_tick_first(true)]
#[case::seen_by_the_request_first(false)]
fn what_is_written_again_is_so_as_often_as_the_operator_wants(#[case] ticks: bool) {
    let mut tree = tree(Kind::CpuShares, OnForeignWrite::Reapply);
    tree.settings.reapply_per_minute = 2;
    let mut control = tree.control();
    assert_eq!(tree.apply(&mut control, 1, Change::CpuShares(2.0)), Fate::Applied);
    for (count, expected) in [(1, "2000"), (2, "2000"), (3, "555")] {
        tree.set(SHARES, "555");
        let told = if ticks { control.tick() } else { vec![] };
        for _ in 0..2 {
            let fate = tree.apply(&mut control, 1, Change::CpuShares(2.0));
            if expected == "2000" {
                assert_eq!((fate, told.len()), (Fate::Unchanged, 0));
            } else {
                assert!(why(fate).contains("2 values were written again in this minute: it stays so for now"));
            }
        }
        assert_eq!((tree.get(SHARES).as_str(), counts(&control)), (expected, vec![(Kind::CpuShares, count)]));
    }
    assert_eq!(tree.apply(&mut control, 1, Change::CpuShares(3.0)), Fate::Applied);
    assert_eq!(tree.get(SHARES), "3000");
}

#[test]
fn another_list_is_written_though_the_way_to_it_leads_over_the_one_before() {
    let tree = tree(Kind::CpusetCpus, OnForeignWrite::Report);
    let mut control = tree.control();
    tree.set("cpuset/a/task/cpuset.cpus", "0");
    assert_eq!(tree.apply(&mut control, 1, Change::CpusetCpus(vec![0, 1, 2])), Fate::Applied);
    tree.set("cpuset/a/task/cpuset.cpus", "0-1");
    why(tree.apply(&mut control, 1, Change::CpusetCpus(vec![0, 1, 2])));
    assert_eq!(tree.get("cpuset/a/task/cpuset.cpus"), "0-1");
    assert_eq!(tree.apply(&mut control, 1, Change::CpusetCpus(vec![1, 2])), Fate::Applied);
    assert_eq!(tree.get("cpuset/a/task/cpuset.cpus"), "1-2");
}

#[rstest]
#[case::seen_by_the_tick_first(true)]
#[case::seen_by_the_request_first(false)]
fn a_reconcile_of_several_files_is_counted_once(#[case] ticks: bool) {
    let tree = tree(Kind::CpusetCpus, OnForeignWrite::Reapply);
    let mut control = tree.control();
    assert_eq!(tree.apply(&mut control, 1, Change::CpusetCpus(vec![1])), Fate::Applied);
    let period = |cgroup: &str, quota: &str| {
        tree.set(&format!("cpu/{cgroup}/cpu.cfs_period_us"), "100000");
        tree.set(&format!("cpu/{cgroup}/cpu.cfs_quota_us"), quota);
    };
    // So little that the period is written too.
    tree.set("cpu/a/task/cpu.cfs_period_us", "10000");
    assert!(matches!(tree.apply(&mut control, 1, Change::CpuQuota(0.001)), Fate::Adjusted(_) | Fate::Applied));
    let held = control.held().filter(|held| held.owner.kind == Kind::CpuQuota).count();
    assert_eq!(held, 2, "period and quota");
    for count in 1..=2 {
        for cgroup in ["a/task", "a/task/x", "a/task/y"] {
            tree.set(&format!("cpuset/{cgroup}/cpuset.cpus"), "0-3");
        }
        period("a/task", "-1");
        if ticks {
            control.tick();
        }
        tree.apply(&mut control, 1, Change::CpusetCpus(vec![1]));
        tree.apply(&mut control, 1, Change::CpuQuota(0.001));
        control.tick();
        assert_eq!(counts(&control), [(Kind::CpuQuota, count), (Kind::CpusetCpus, count)]);
        assert_eq!(tree.get("cpuset/a/task/x/cpuset.cpus"), "1");
    }
}
