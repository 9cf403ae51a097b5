use wca_model::{Kind, OnFailure, OnForeignWrite};

use super::*;
use crate::apply::{Due, apply_task};
use crate::testing::{Machine, owner, planned, policy};

/// Shares of 2000 that were 1024, in the name of one policy.
fn scene(settings: Settings) -> (Machine, Control) {
    let machine = Machine::new().with("/a", "1024\n", "-1\n");
    let (mut control, _) =
        Control::open(&machine.roots(), Some(machine.run_dir()), settings, vec![policy("P")]).unwrap();
    let due =
        vec![Due { at: 0, owner: owner("/a", Kind::CpuShares), planned: planned("/a", &[("cpu.shares", "2000")]) }];
    apply_task(due, &control.values, &mut control.journal);
    (machine, control)
}

fn applying() -> Settings {
    Settings { mode: Mode::Apply, adopt_ticks: 2, ..Settings::default() }
}

#[test]
fn while_frozen_nothing_goes_back_until_it_is_thawed() {
    for what in ["the agent ends", "the policy goes", "it gives all back"] {
        let (machine, mut control) = scene(applying());
        control.freeze(true);
        match what {
            "the agent ends" => assert_eq!(control.pause(), None),
            "the policy goes" => assert_eq!(control.renew(applying(), vec![policy("Q")]), Restored::default()),
            _ => assert_eq!(control.release_policy(0), Restored::default()),
        }
        for _ in 0..5 {
            control.tick();
        }
        assert_eq!(machine.read("/a", "cpu.shares"), "2000", "{what}");
        control.freeze(false);
        for _ in 0..3 {
            control.tick();
        }
        assert_eq!(machine.read("/a", "cpu.shares"), "1024", "{what}");
    }
}

#[test]
fn where_nothing_is_to_be_written_any_more_values_go_back_and_none_is_written_again() {
    let (machine, mut control) = scene(applying());
    machine.write("/a", "cpu.shares", "555");
    control.renew(Settings { adopt_ticks: 2, ..Settings::default() }, vec![policy("P")]);
    control.tick();
    assert_eq!(machine.read("/a", "cpu.shares"), "555", "theirs is not written over");
    machine.write("/a", "cpu.shares", "2000");
    for _ in 0..3 {
        control.tick();
    }
    assert_eq!(machine.read("/a", "cpu.shares"), "1024");
}

#[test]
fn when_the_agent_ends_values_go_back_or_wait() {
    let (machine, mut control) = scene(applying());
    assert_eq!(control.pause().unwrap().put_back, 1);
    assert_eq!(machine.read("/a", "cpu.shares"), "1024");
    let (machine, mut control) = scene(Settings { on_failure: OnFailure::Keep, ..applying() });
    assert_eq!(control.pause(), None);
    control.tick();
    assert_eq!(machine.read("/a", "cpu.shares"), "2000");
}

#[test]
fn what_a_policy_that_begins_anew_does_not_ask_for_again_goes_back() {
    for (asks_again, expected) in [(false, "1024"), (true, "2000")] {
        let (machine, mut control) = scene(applying());
        control.policy_begins_anew(0);
        control.tick();
        assert_eq!(machine.read("/a", "cpu.shares"), "2000");
        if asks_again {
            let planned = planned("/a", &[("cpu.shares", "2000")]);
            let due = vec![Due { at: 0, owner: owner("/a", Kind::CpuShares), planned }];
            apply_task(due, &control.values, &mut control.journal);
        }
        for _ in 0..5 {
            control.tick();
        }
        assert_eq!(machine.read("/a", "cpu.shares"), expected);
    }
}

#[test]
fn what_other_policies_hold_stays_when_one_begins_anew() {
    let (machine, mut control) = scene(applying());
    control.renew(applying(), vec![policy("Q"), policy("P")]);
    control.policy_begins_anew(0);
    control.policy_begins_anew(7);
    for _ in 0..5 {
        control.tick();
    }
    assert_eq!(machine.read("/a", "cpu.shares"), "2000");
}

#[test]
fn the_end_puts_back_or_keeps() {
    let (machine, mut control) = scene(applying());
    control.end();
    assert_eq!(machine.read("/a", "cpu.shares"), "1024");
    assert!(!machine.run_dir().join("journal").exists());
    let (machine, mut control) = scene(Settings { on_exit: OnExit::Keep, ..applying() });
    assert_eq!(control.end(), None);
    assert_eq!(machine.read("/a", "cpu.shares"), "2000");
    assert!(machine.run_dir().join("journal").exists());
}

#[test]
fn what_was_left_to_others_is_left_after_a_new_start_too_as_long_as_its_policy_is_the_same() {
    let yields = || {
        let on_foreign_write = [(Kind::CpuShares, OnForeignWrite::Yield)].into();
        Settings { on_exit: OnExit::Keep, on_foreign_write, ..applying() }
    };
    let (machine, mut control) = scene(yields());
    machine.write("/a", "cpu.shares", "555");
    assert_eq!(control.tick().len(), 1);
    control.end();
    drop(control);
    let open = |policies| Control::open(&machine.roots(), Some(machine.run_dir()), yields(), policies).unwrap().0;
    let again = open(vec![policy("P")]);
    assert_eq!(again.journal.left().len(), 1);
    drop(again);
    assert!(open(vec![policy("Q")]).journal.left().is_empty());
    assert_eq!(machine.read("/a", "cpu.shares"), "555");
}
