use wca_model::{Kind, OnForeignWrite};

use super::*;
use crate::testing::{Machine, owner, planned, spot};

fn due(at: usize, kind: Kind, planned: Planned) -> Due {
    Due { at, owner: owner("/a", kind), planned }
}

#[test]
fn what_stands_there_already_is_not_written_and_not_held() {
    let machine = Machine::new().with("/a", "1024\n", "-1\n");
    let mut journal = Journal::in_memory();
    let due = vec![due(0, Kind::CpuShares, planned("/a", &[("cpu.shares", "1024")]))];
    assert_eq!(apply_task(due, &machine.values(), &mut journal), [(0, Fate::Unchanged)]);
    assert_eq!(journal.iter().count(), 0);
    assert_eq!(machine.read("/a", "cpu.shares"), "1024\n");
}

#[test]
fn a_value_is_written_and_what_was_found_is_kept() {
    let machine = Machine::new().with("/a", "1024\n", "-1\n");
    let mut journal = Journal::in_memory();
    for value in ["2000", "3000"] {
        let due = vec![due(0, Kind::CpuShares, planned("/a", &[("cpu.shares", value)]))];
        assert_eq!(apply_task(due, &machine.values(), &mut journal), [(0, Fate::Applied)]);
    }
    let held = &journal.get(&spot("/a", "cpu.shares")).unwrap().held;
    assert_eq!((held.before.as_str(), held.written.as_str(), held.now.as_deref()), ("1024", "3000", Some("3000")));
}

#[test]
fn a_value_that_was_clamped_before_it_was_written_is_adjusted() {
    let machine = Machine::new().with("/a", "1024\n", "-1\n");
    let mut journal = Journal::in_memory();
    let clamped = || Planned { adjusted: Some("2".into()), ..planned("/a", &[("cpu.shares", "2")]) };
    for _ in 0..2 {
        let fates = apply_task(vec![due(0, Kind::CpuShares, clamped())], &machine.values(), &mut journal);
        assert_eq!(fates, [(0, Fate::Adjusted("2".into()))]);
    }
}

#[test]
fn where_a_step_fails_all_steps_of_the_task_are_unmade() {
    let machine = Machine::new().with("/a", "1024\n", "-1\n");
    let mut journal = Journal::in_memory();
    let first = vec![due(0, Kind::CpuShares, planned("/a", &[("cpu.shares", "2000")]))];
    apply_task(first, &machine.values(), &mut journal);
    let before: Vec<Held> = journal.iter().map(|entry| entry.held.clone()).collect();
    let second = vec![
        due(3, Kind::CpuShares, planned("/a", &[("cpu.shares", "3000")])),
        due(5, Kind::CpuQuota, planned("/a", &[("cpu.cfs_quota_us", "50000"), ("cpu.nothing", "1")])),
    ];
    let fates = apply_task(second, &machine.values(), &mut journal);
    let texts: Vec<String> = fates.iter().map(|(at, fate)| format!("{at} {fate}")).collect();
    assert!(texts[0].starts_with("3 failed: undone, since cpu_quota of the task failed: cannot read"), "{texts:?}");
    assert!(texts[1].starts_with("5 failed: cannot read") && texts[1].contains("cpu.nothing"), "{texts:?}");
    assert_eq!(machine.read("/a", "cpu.shares"), "2000");
    assert_eq!(machine.read("/a", "cpu.cfs_quota_us"), "-1");
    assert_eq!(journal.iter().map(|entry| entry.held.clone()).collect::<Vec<_>>(), before);
}

#[test]
fn a_cgroup_that_has_gone_is_named() {
    let machine = Machine::new();
    let mut journal = Journal::in_memory();
    let due = vec![due(0, Kind::CpuShares, planned("/a", &[("cpu.shares", "2")]))];
    let fates = apply_task(due, &machine.values(), &mut journal);
    assert_eq!(fates, [(0, Fate::Failed("/sys/fs/cgroup/cpu/a/cpu.shares is not there".into()))]);
    assert_eq!(journal.iter().count(), 0);
}

/// Somebody else has written since the last look.
#[rstest::rstest]
#[case::left(OnForeignWrite::Yield, "2000", "failed: ", "is left to them, until cpu_shares is released", "555\n")]
#[case::stays(OnForeignWrite::Report, "2000", "failed: ", "stays so, until another value is asked for", "555\n")]
#[case::another_value(OnForeignWrite::Report, "3000", "applied", "", "3000")]
#[case::again(OnForeignWrite::Reapply, "2000", "applied", "", "2000")]
#[case::another_value_again(OnForeignWrite::Reapply, "3000", "applied", "", "3000")]
fn what_somebody_else_has_just_changed(
    #[case] does: OnForeignWrite,
    #[case] asked: &str,
    #[case] fate: &str,
    #[case] why: &str,
    #[case] stands: &str,
) {
    let machine = Machine::new().with("/a", "1024\n", "-1\n");
    let (mut journal, mut foreign) = (Journal::in_memory(), ForeignWrites::default());
    let settings = Settings { on_foreign_write: [(Kind::CpuShares, does)].into(), ..Settings::default() };
    let mut apply = |foreign: &mut ForeignWrites, value: &str| {
        let due = vec![due(0, Kind::CpuShares, planned("/a", &[("cpu.shares", value)]))];
        let watch = Watch { foreign, settings: &settings };
        apply_watched(due, &machine.values(), &mut journal, Some(watch), &mut Made::default()).remove(0).1.to_string()
    };
    apply(&mut foreign, "2000");
    machine.write("/a", "cpu.shares", "555\n");
    let told = apply(&mut foreign, asked);
    assert!(told.starts_with(fate) && told.contains(why), "{told}");
    assert_eq!(machine.read("/a", "cpu.shares"), stands);
    assert_eq!(foreign.counts().collect::<Vec<_>>(), [(Kind::CpuShares, 1)]);
    foreign.look(&machine.values(), &mut journal, &settings, false);
    assert_eq!(foreign.counts().collect::<Vec<_>>(), [(Kind::CpuShares, 1)], "the next look knows it");
}
