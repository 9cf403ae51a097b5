use rstest::rstest;

use super::*;
use crate::resctrl::Cell;

fn cells(mask: u64) -> Cells {
    Cells::from([(Cell { resource: "L3", domain: 0 }, mask)])
}

fn own(mask: u64, now: Option<&str>) -> Wish {
    Wish { named: None, cells: cells(mask), now: now.map(str::to_owned) }
}

fn named(name: &str, now: Option<&str>) -> Wish {
    Wish { named: Some(name.to_owned()), cells: cells(1), now: now.map(str::to_owned) }
}

fn ours(mask: u64, others: usize) -> Known {
    Known { cells: cells(mask), is_ours: true, is_own: true, others }
}

fn machine(limit: u32, there: &[(&str, Known)]) -> Groups {
    Groups { limit, there: there.iter().map(|(name, known)| ((*name).to_owned(), known.clone())).collect() }
}

/// Groups by name; `-` for those that got none.
fn answer(wishes: &[Wish], groups: &Groups) -> Vec<String> {
    let placed = place(wishes, groups, |_| true, |at, turn| Some(format!("t{at}{}", "'".repeat(turn as usize))));
    placed.into_iter().map(|group| group.unwrap_or_else(|_| "-".into())).collect()
}

#[rstest]
#[case::each_its_own(&[own(1, None), own(1, None)], machine(8, &[]), &["t0", "t1"])]
#[case::shared_by_name(&[named("be", None), named("be", None), named("le", None)], machine(8, &[]), &["be", "be", "le"])]
#[case::the_root(&[named("", None)], machine(1, &[]), &[""])]
#[case::theirs_is_joined(&[named("be", None)], machine(2, &[("be", Known::default())]), &["be"])]
// Test vector 52: three groups, of which there are two.
#[case::too_many(&[own(1, None), own(2, None), own(3, None)], machine(3, &[]), &["t0", "t1", "-"])]
#[case::equal_ones_share_where_it_is_tight(&[own(1, None), own(2, None), own(1, None)], machine(3, &[]), &["t0", "t1", "t0"])]
#[case::in_force_first(&[own(1, None), own(2, Some("g")), own(3, None)], machine(3, &[("g", ours(2, 0))]), &["t0", "g", "-"])]
#[case::changed_in_place(&[own(4, Some("g"))], machine(2, &[("g", ours(2, 0))]), &["g"])]
#[case::changed_together(&[own(4, Some("g")), own(4, Some("g"))], machine(2, &[("g", ours(2, 0))]), &["g", "g"])]
#[case::changed_apart(&[own(4, Some("g")), own(2, Some("g"))], machine(3, &[("g", ours(2, 0))]), &["t0", "g"])]
#[case::not_changed_for_others(&[own(4, Some("g"))], machine(2, &[("g", ours(2, 1))]), &["-"])]
#[case::left_groups_are_free(&[named("be", Some("g")), own(3, None)], machine(3, &[("g", ours(2, 0))]), &["be", "t1"])]
#[case::those_of_others_are_not(&[own(3, None)], machine(2, &[("x", Known::default())]), &["-"])]
#[case::apart_until_it_is_tight(&[own(1, Some("a")), own(1, Some("b")), own(3, None)],
    machine(3, &[("a", ours(1, 0)), ("b", ours(1, 0))]), &["a", "a", "t2"])]
#[case::those_who_are_not_asked_stay(&[own(1, Some("a")), own(3, None)],
    machine(3, &[("a", ours(1, 0)), ("b", ours(1, 1))]), &["b", "t1"])]
#[case::a_name_that_is_in_use(&[own(2, Some("t0"))], machine(4, &[("t0", ours(1, 1))]), &["t0'"])]
#[case::a_new_name_takes_one(&[named("be", None), named("be", None), own(1, None)], machine(2, &[]), &["be", "be", "-"])]
fn places(#[case] wishes: &[Wish], #[case] groups: Groups, #[case] expected: &[&str]) {
    assert_eq!(answer(wishes, &groups), expected);
}

#[test]
fn what_may_not_be_shared_is_not() {
    let wishes = [own(1, None), own(1, None)];
    let placed = place(&wishes, &machine(2, &[]), |_| false, |at, _| Some(format!("t{at}")));
    let why = "no CLOSID is left for a group: of 2, the root group has one, and t0 have the others";
    assert_eq!(placed, [Ok("t0".to_owned()), Err(why.to_owned())]);
}

#[test]
fn who_got_a_group_once_gets_it_again() {
    let mut wishes: Vec<Wish> = (0..20).map(|at| own(1 + at % 12, None)).collect();
    let first = answer(&wishes, &machine(8, &[]));
    assert_eq!(first.iter().filter(|group| *group != "-").count(), 7 + 7, "seven schemata, each of two tasks");
    let known: Vec<(String, Known)> = (0..7).map(|at| (format!("t{at}"), ours(1 + at, 0))).collect();
    let groups = Groups { limit: 8, there: known.into_iter().collect() };
    for (wish, group) in wishes.iter_mut().zip(&first) {
        wish.now = Some(group.clone()).filter(|group| group != "-");
    }
    assert_eq!(answer(&wishes, &groups), first);
}
