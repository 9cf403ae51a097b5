//! Changes that are too small, by the vectors of the Python agent.

use rstest::rstest;
use wca_model::{Change, Fate};

use super::tree::{Tree, task};

fn two_tasks() -> Tree {
    let mut tree = Tree::v1(&["/a/other"]);
    tree.tasks.push(task(2, "/a/other"));
    tree
}

#[rstest]
#[case::v25(10.11, Fate::Applied, "10110")]
#[case::v25(11.0, Fate::Applied, "11000")]
#[case::v26(10.01, Fate::Unchanged, "10000")]
#[case::v26(10.99, Fate::Applied, "10990")]
fn a_number(#[case] new: f64, #[case] fate: Fate, #[case] written: &str) {
    let tree = two_tasks();
    tree.set("cpu/a/task/cpu.shares", "10000");
    assert_eq!(tree.apply(&mut tree.control(), 1, Change::CpuShares(new)), fate);
    assert_eq!(tree.get("cpu/a/task/cpu.shares"), written);
}

#[test]
fn v28_of_two_numbers_the_one_that_changes_is_written() {
    let tree = two_tasks();
    tree.set("cpu/a/task/cpu.cfs_quota_us", "80000").set("cpu/a/other/cpu.cfs_quota_us", "160000");
    let mut control = tree.control();
    assert_eq!(tree.apply(&mut control, 1, Change::CpuQuota(0.2)), Fate::Unchanged);
    assert_eq!(tree.apply(&mut control, 2, Change::CpuQuota(0.5)), Fate::Applied);
    assert_eq!(control.held().map(|held| held.written.as_str()).collect::<Vec<_>>(), ["200000"]);
}

#[rstest]
#[case::v29(2.01, Fate::Unchanged, "2000")]
#[case::v29(2.1, Fate::Applied, "2100")]
fn a_number_of_a_task(#[case] new: f64, #[case] fate: Fate, #[case] written: &str) {
    let tree = two_tasks();
    let mut control = tree.control();
    assert_eq!(tree.apply(&mut control, 1, Change::CpuShares(2.0)), Fate::Applied);
    assert_eq!(tree.apply(&mut control, 1, Change::CpuShares(new)), fate);
    assert_eq!(tree.get("cpu/a/task/cpu.shares"), written);
}

#[test]
fn v31_what_is_not_asked_for_again_stays() {
    let tree = two_tasks();
    let mut control = tree.control();
    assert_eq!(tree.apply(&mut control, 1, Change::CpuShares(2.0)), Fate::Applied);
    let before = tree.all();
    assert!(control.apply(0, &[], &tree.tasks(), &super::tree::platform()).is_empty());
    assert_eq!((tree.all(), control.held().count()), (before, 1));
}

#[rstest]
#[case::quota(Change::CpuQuota(0.02), Change::CpuQuota(0.05))]
#[case::shares(Change::CpuShares(1.0), Change::CpuShares(1.04))]
fn small_numbers_change_too(#[case] first: Change, #[case] second: Change) {
    let tree = two_tasks();
    let mut control = tree.control();
    for change in [first, second] {
        assert_eq!(tree.apply(&mut control, 1, change), Fate::Applied);
    }
}

#[test]
fn small_changes_add_up_until_they_count() {
    let tree = two_tasks();
    let mut control = tree.control();
    let fates: Vec<bool> = (0..12)
        .map(|step| tree.apply(&mut control, 1, Change::CpuShares(2.0 + 0.005 * f64::from(step))) == Fate::Applied)
        .collect();
    let written: Vec<usize> = (0..12).filter(|at| fates[*at]).collect();
    assert_eq!(written, [0, 5, 10], "2.000, 2.025 and 2.050");
}
