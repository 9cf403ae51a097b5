//! Two policies: the first one goes before the second.

use std::collections::BTreeMap;

use wca_model::{Change, Fate, Kind, OnForeignWrite};

use super::tree::Tree;

const SHARES: &str = "cpu/a/task/cpu.shares";

fn is_of_the_first(fate: &Fate) -> bool {
    matches!(fate, Fate::Failed(why) if why.ends_with("cpu.shares is held by first, which comes first"))
}

#[test]
fn what_the_first_holds_the_second_neither_changes_nor_gives_back() {
    let tree = Tree::v1(&[]);
    let mut control = tree.control_of_two();
    assert_eq!(tree.apply_as(0, &mut control, 1, Change::CpuShares(2.0)), Fate::Applied);
    for change in [Change::CpuShares(3.0), Change::Release(Kind::CpuShares)] {
        let fate = tree.apply_as(1, &mut control, 1, change);
        assert!(is_of_the_first(&fate), "{fate:?}");
        assert_eq!(tree.get(SHARES), "2000");
    }
    assert_eq!(tree.apply_as(1, &mut control, 1, Change::Release(Kind::CpusetCpus)), Fate::Unchanged);
    assert_eq!(tree.apply_as(0, &mut control, 1, Change::Release(Kind::CpuShares)), Fate::Applied);
    assert_eq!(tree.get(SHARES), "1024");
}

#[test]
fn what_the_second_holds_the_first_gives_back_too() {
    let tree = Tree::v1(&[]);
    let mut control = tree.control_of_two();
    for policy in [1, 0] {
        assert_eq!(tree.apply_as(1, &mut control, 1, Change::CpuShares(2.0)), Fate::Applied);
        assert_eq!(tree.apply_as(policy, &mut control, 1, Change::Release(Kind::CpuShares)), Fate::Applied);
        assert_eq!(tree.get(SHARES), "1024");
    }
}

#[test]
fn what_the_first_has_left_to_others_the_second_does_not_take_back() {
    let mut tree = Tree::v1(&[]);
    tree.settings.on_foreign_write = BTreeMap::from([(Kind::CpuShares, OnForeignWrite::Yield)]);
    let mut control = tree.control_of_two();
    assert_eq!(tree.apply_as(0, &mut control, 1, Change::CpuShares(2.0)), Fate::Applied);
    tree.set(SHARES, "555");
    control.tick();
    let fate = tree.apply_as(1, &mut control, 1, Change::Release(Kind::CpuShares));
    assert!(is_of_the_first(&fate), "{fate:?}");
    for policy in [0, 1] {
        assert!(matches!(tree.apply_as(policy, &mut control, 1, Change::CpuShares(3.0)), Fate::Failed(_)));
    }
    assert_eq!(tree.apply_as(0, &mut control, 1, Change::Release(Kind::CpuShares)), Fate::Unchanged);
    assert_eq!(tree.apply_as(1, &mut control, 1, Change::CpuShares(3.0)), Fate::Applied);
}
