//! What no rule gives any more, and what is told of it.

use rstest::rstest;
use wca_model::Fate;

use super::{allocator, two_tasks};
use crate::harness::{BuiltIn, Scene, Tick};

const ONE_FOR_ALL: &str = "config: [{allocations: {cpu_shares: 1}}]";
const RELEASES: [&str; 2] = ["t1 cpu_shares release", "t2 cpu_shares release"];

/// Two tasks that have shares, of which the rules say nothing any more, and what is asked for then.
fn without_rules() -> (BuiltIn, Scene, Tick) {
    let (mut policy, mut scene) = (allocator(ONE_FOR_ALL), two_tasks());
    let tick = policy.tick(&scene).clean();
    scene.apply(&tick);
    policy.renew("config: null");
    let tick = policy.tick_with(&scene, &tick, &Fate::Applied).clean();
    assert_eq!(tick.asked, RELEASES);
    (policy, scene, tick)
}

#[rstest]
#[case::frozen("frozen by the operator")]
#[case::all_or_nothing("another request of the batch failed, and all_or_nothing is set")]
#[case::the_kernel("cpu.shares: Device or resource busy")]
fn what_cannot_be_given_back_is_asked_for_again_until_it_is(#[case] why: &str) {
    let (mut policy, mut scene, mut tick) = without_rules();
    let (mut asked, mut lines) = (Vec::new(), Vec::new());
    for call in 1..=31 {
        tick = policy.tick_with(&scene, &tick, &Fate::Failed(why.into())).clean();
        if !tick.asked.is_empty() {
            assert_eq!(tick.asked, RELEASES);
            asked.push(call);
        }
        lines.append(&mut tick.lines);
    }
    assert_eq!(asked, [1, 3, 7, 15, 31]);
    let about: Vec<&String> = lines.iter().filter(|line| line.contains("giving back")).collect();
    let told = format!(
        "WARN giving back cpu_shares, for which no rule asks any more, tasks `t1`, `t2`: {why}; it is tried again"
    );
    assert_eq!(about, [&told]);
    scene.apply(&tick);
    for _ in 0..100 {
        tick = policy.tick_with(&scene, &tick, &Fate::Applied).clean();
        assert!(tick.asked.is_empty(), "{:?}", tick.asked);
    }
}

#[test]
fn what_rules_give_again_is_not_given_back_and_neither_is_what_has_ended() {
    let (mut policy, mut scene, tick) = without_rules();
    policy.renew("config: [{task_id: t1, allocations: {cpu_shares: 3}}]");
    scene.end("t2");
    let mut tick = policy.tick_with(&scene, &tick, &Fate::Failed("frozen by the operator".into())).clean();
    for _ in 0..10 {
        assert_eq!(tick.asked, ["t1 cpu_shares 3"]);
        tick = policy.tick_with(&scene, &tick, &Fate::Applied).clean();
    }
}

/// A guard that undoes a batch puts the values of earlier rules in force again.
#[test]
fn what_a_guard_has_put_in_force_again_is_given_back_later() {
    let (mut policy, scene, tick) = without_rules();
    policy.tick_with(&scene, &tick, &Fate::Applied).clean();
    let mut tick = policy.tick_with(&scene, &tick, &Fate::Reverted("psi_cpu of db".into())).clean();
    let mut calls = 0;
    while tick.asked.is_empty() {
        tick = policy.tick(&scene).clean();
        calls += 1;
        assert!(calls < 100);
    }
    assert_eq!((calls, tick.asked.as_slice()), (64, RELEASES.map(str::to_owned).as_slice()));
}

/// A reason that differs in each tick does not fill the log, nor the memory.
#[test]
fn a_reason_that_differs_in_each_tick_is_told_a_few_times() {
    let (mut policy, scene) = (allocator(ONE_FOR_ALL), two_tasks());
    let mut tick = policy.tick(&scene).clean();
    let mut lines = 0;
    for left in (0..200).rev() {
        let why = Fate::Failed(format!("it cools down for {left} s"));
        tick = policy.tick_with(&scene, &tick, &why).clean();
        lines += tick.lines.len();
    }
    assert_eq!(lines, 3);
    policy.renew("config: [{allocations: {cpu_shares: 2}}]");
    let tick = policy.tick_with(&scene, &tick, &Fate::Failed("no".into())).clean();
    assert_eq!(tick.lines.len(), 1, "{:?}", tick.lines);
}
