use wca_model::Kind;

use super::*;
use crate::apply::{Due, apply_task};
use crate::testing::{Machine, owner, planned, policy, spot};

fn apply(machine: &Machine, journal: &mut Journal, shares: &str) {
    let planned = planned("/a", &[("cpu.shares", shares)]);
    apply_task(vec![Due { at: 0, owner: owner("/a", Kind::CpuShares), planned }], &machine.values(), journal);
}

fn left_by_an_earlier_process(machine: &Machine) -> Journal {
    let (mut journal, _) = Journal::open(&machine.run_dir(), "one").unwrap();
    apply(machine, &mut journal, "2000");
    drop(journal);
    Journal::open(&machine.run_dir(), "one").unwrap().0
}

#[test]
fn values_of_other_policies_are_put_back_at_once() {
    let machine = Machine::new().with("/a", "1024\n", "-1\n");
    let mut journal = left_by_an_earlier_process(&machine);
    let changed = Policy { digest: "another".into(), ..policy("P") };
    assert_eq!(adopt(&[changed], 3, &machine.values(), &mut journal).put_back, 1);
    assert_eq!(machine.read("/a", "cpu.shares"), "1024");
}

#[test]
fn values_of_the_same_policies_stay_until_their_time_is_over() {
    let machine = Machine::new().with("/a", "1024\n", "-1\n");
    let mut journal = left_by_an_earlier_process(&machine);
    assert_eq!(adopt(&[policy("P")], 3, &machine.values(), &mut journal), Restored::default());
    for _ in 0..3 {
        assert_eq!(expire(&machine.values(), &mut journal), Restored::default());
        assert_eq!(machine.read("/a", "cpu.shares"), "2000");
    }
    assert_eq!(expire(&machine.values(), &mut journal).put_back, 1);
    assert_eq!(machine.read("/a", "cpu.shares"), "1024");
}

#[test]
fn what_is_asked_for_again_stays() {
    let machine = Machine::new().with("/a", "1024\n", "-1\n");
    let mut journal = left_by_an_earlier_process(&machine);
    adopt(&[policy("P")], 3, &machine.values(), &mut journal);
    apply(&machine, &mut journal, "2000");
    for _ in 0..9 {
        assert_eq!(expire(&machine.values(), &mut journal), Restored::default());
    }
    assert_eq!(journal.get(&spot("/a", "cpu.shares")).unwrap().held.before, "1024");
}
