use wca_model::Kind;

use super::*;
use crate::apply::{Due, apply_task};
use crate::testing::{Machine, owner, planned, spot};

fn journal_with(machine: &Machine, cgroup: &str, shares: &str) -> Journal {
    let mut journal = Journal::in_memory();
    let planned = planned(cgroup, &[("cpu.shares", shares)]);
    apply_task(vec![Due { at: 0, owner: owner(cgroup, Kind::CpuShares), planned }], &machine.values(), &mut journal);
    journal
}

#[test]
fn what_was_found_stands_there_again() {
    let machine = Machine::new().with("/a", "1024\n", "-1\n");
    let mut journal = journal_with(&machine, "/a", "2000");
    let restored = put_back(all(&journal), &machine.values(), &mut journal);
    assert_eq!(restored, Restored { put_back: 1, ..Restored::default() });
    assert_eq!((machine.read("/a", "cpu.shares").as_str(), journal.iter().count()), ("1024", 0));
}

#[test]
fn what_somebody_else_has_changed_is_theirs() {
    let machine = Machine::new().with("/a", "1024\n", "-1\n");
    let mut journal = journal_with(&machine, "/a", "2000");
    machine.write("/a", "cpu.shares", "555\n");
    let restored = put_back(all(&journal), &machine.values(), &mut journal);
    assert_eq!(restored.foreign, ["/sys/fs/cgroup/cpu/a/cpu.shares: \"555\", WCA had written \"2000\""]);
    assert_eq!((machine.read("/a", "cpu.shares").as_str(), journal.iter().count()), ("555\n", 0));
}

#[test]
fn an_entry_without_a_value_read_back_counts_as_ours() {
    let machine = Machine::new().with("/a", "1024\n", "-1\n");
    let mut journal = journal_with(&machine, "/a", "2000");
    let held = Held { now: None, ..journal.get(&spot("/a", "cpu.shares")).unwrap().held.clone() };
    journal.writing(held).unwrap();
    machine.write("/a", "cpu.shares", "1999\n");
    put_back(all(&journal), &machine.values(), &mut journal);
    assert_eq!(machine.read("/a", "cpu.shares"), "1024");
}

#[test]
fn a_cgroup_of_the_same_name_that_was_made_again_is_left_alone() {
    let machine = Machine::new().with("/a", "1024\n", "-1\n");
    let mut journal = journal_with(&machine, "/a", "2000");
    std::fs::rename(machine.path("/a", ""), machine.path("/b", "")).unwrap();
    let machine = machine.with("/a", "2000\n", "-1\n");
    let restored = put_back(all(&journal), &machine.values(), &mut journal);
    assert_eq!(restored, Restored { gone: 1, ..Restored::default() });
    assert_eq!(machine.read("/a", "cpu.shares"), "2000\n");
}

#[test]
fn what_cannot_be_put_back_stays_in_the_journal() {
    let machine = Machine::new().with("/a", "1024\n", "-1\n");
    let mut journal = journal_with(&machine, "/a", "2000");
    // A folder where the file should be can be neither read nor written.
    std::fs::remove_file(machine.path("/a", "cpu.shares")).unwrap();
    std::fs::create_dir(machine.path("/a", "cpu.shares")).unwrap();
    let restored = put_back(all(&journal), &machine.values(), &mut journal);
    assert!(restored.failed[0].contains("cpu.shares"), "{restored:?}");
    assert_eq!(journal.iter().count(), 1);
}
