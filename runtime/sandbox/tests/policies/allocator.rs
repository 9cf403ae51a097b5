//! An allocator asks, hears what is refused, and learns in its next call what became of the rest.

use std::time::Duration;

use wca_model::{Change, Fate, Kind, Outcome, Request, TaskKey};
use wca_sandbox::{Called, Policy};

use crate::host::{Host, component, runtime, snapshot};
use crate::text::{self, Import, policy};

const REPORT_OF_PLAN: Import = Import {
    name: "wca:policy/plan@0.1.0",
    types: r#"
        (type $r (variant (case "gone") (case "too-many") (case "not-granted" string) (case "invalid" string)
            (case "unsupported" string)))
        (export "refusal" (type $refusal (eq $r)))
        (type $text string) (export "kind" (type $kind (eq $text)))
        (type $f (variant (case "applied") (case "unchanged") (case "adjusted" string) (case "shadowed")
            (case "failed" string) (case "reverted" string)))
        (export "fate" (type $fate (eq $f)))
        (type $o (record (field "task" u64) (field "kind" $kind) (field "domain" (option u32)) (field "fate" $fate)))
        (export "outcome" (type $outcome (eq $o)))"#,
    functions: &[
        (
            "cpu-quota",
            r#"(param "task" u64) (param "share" f64) (result (result (error $refusal)))"#,
            "(param i64 f64 i32)",
        ),
        (
            "io-weight",
            r#"(param "task" u64) (param "weight" u32) (result (result (error $refusal)))"#,
            "(param i64 i32 i32)",
        ),
        ("outcomes", "(result (list $outcome))", "(param i32)"),
    ],
};

/// In each call it asks a quota of half the machine for task 1, 5 of them for task 2, and one for task 9. For each answer it
/// asks an I/O weight for task 3: 1000 and the case of the refusal, 2000 where there is none. For each outcome it asks one
/// for the outcome's task: the length of the kind, the domain and one, and the case of the fate, in a digit each.
const CODE: &str = r#"
    (func $ask (param $task i64) (param $share f64)
      (call $cpu-quota (local.get $task) (local.get $share) (i32.const 0))
      (call $io-weight (i64.const 3)
        (if (result i32) (i32.load8_u (i32.const 0))
          (then (i32.add (i32.const 1000) (i32.load8_u (i32.const 4))))
          (else (i32.const 2000)))
        (i32.const 64)))
    (func $digits (param $outcome i32) (result i32)
      (i32.add
        (i32.mul (i32.const 100) (i32.load (i32.add (local.get $outcome) (i32.const 12))))
        (i32.add
          (i32.mul (i32.const 10)
            (if (result i32) (i32.load8_u (i32.add (local.get $outcome) (i32.const 16)))
              (then (i32.add (i32.const 1) (i32.load (i32.add (local.get $outcome) (i32.const 20)))))
              (else (i32.const 0))))
          (i32.load8_u (i32.add (local.get $outcome) (i32.const 24))))))
    (func (export "allocate") (result i32)
      (local $at i32) (local $left i32)
      (call $ask (i64.const 1) (f64.const 0.5))
      (call $ask (i64.const 2) (f64.const 5))
      (call $ask (i64.const 9) (f64.const 0.5))
      (call $outcomes (i32.const 32))
      (local.set $at (i32.load (i32.const 32)))
      (local.set $left (i32.load (i32.const 36)))
      (block $done
        (loop $more
          (br_if $done (i32.eqz (local.get $left)))
          (call $io-weight (i64.load (local.get $at)) (call $digits (local.get $at)) (i32.const 64))
          (local.set $at (i32.add (local.get $at) (i32.const 40)))
          (local.set $left (i32.sub (local.get $left) (i32.const 1)))
          (br $more)))
      (i32.const 128))"#;

fn allocator(host: &Host) -> Policy {
    host.policy(&component(&text::component(&[REPORT_OF_PLAN], CODE, &policy("allocate"))), "").unwrap()
}

fn called(policy: &mut Policy, outcomes: Vec<Outcome>) -> Called {
    runtime().block_on(policy.decide(snapshot(1, &[1, 2, 3]), outcomes, Duration::from_secs(60)))
}

fn quota(task: u64, share: f64) -> Request {
    Request { task: TaskKey(task), change: Change::CpuQuota(share) }
}

fn weight(task: u64, weight: u32) -> Request {
    Request { task: TaskKey(task), change: Change::IoWeight(weight) }
}

#[test]
fn what_is_refused_is_heard_at_once_and_the_rest_is_kept() {
    let mut policy = allocator(&Host::default());
    let Called { result, said, .. } = called(&mut policy, Vec::new());
    assert_eq!(result, Ok(()));
    let (invalid, gone) = (1003, 1000);
    assert_eq!(said.requests, [quota(1, 0.5), weight(3, 2000), weight(3, invalid), weight(3, gone)]);
    assert_eq!(said.refused, 2);
    let first = "cpu_quota 5: a number from 0 to 1 is taken, where 1 lifts the limit";
    assert_eq!(said.refusal.as_deref(), Some(first));
}

#[test]
fn what_became_of_a_request_is_told_in_the_next_call_and_once() {
    let mut policy = allocator(&Host::default());
    let outcome = |task, kind, domain, fate| Outcome { task: TaskKey(task), kind, domain, fate };
    let outcomes = vec![
        outcome(1, Kind::CpuQuota, None, Fate::Applied),
        outcome(2, Kind::CpuQuota, None, Fate::Unchanged),
        outcome(2, Kind::RdtMb, Some(1), Fate::Adjusted("60".into())),
        outcome(3, Kind::RdtL3, Some(0), Fate::Shadowed),
        outcome(1, Kind::CpuQuota, None, Fate::Failed("busy".into())),
        outcome(1, Kind::CpuQuota, None, Fate::Reverted("worse".into())),
        outcome(9, Kind::CpuQuota, None, Fate::Applied),
    ];
    called(&mut policy, Vec::new()).result.unwrap();
    let Called { result, said, .. } = called(&mut policy, outcomes);
    assert_eq!(result, Ok(()));
    assert_eq!(
        said.requests[4..],
        [weight(1, 900), weight(2, 901), weight(2, 622), weight(3, 613), weight(1, 904), weight(1, 905)]
    );
    assert_eq!(said.refused, 3, "the last outcome is of a task that is gone");
    assert_eq!(called(&mut policy, Vec::new()).said.requests.len(), 4);
}

#[test]
fn more_than_a_call_may_ask_is_refused() {
    let mut policy = allocator(&Host::with(&[("requests-per-task", "1")]));
    let Called { result, said, .. } = called(&mut policy, Vec::new());
    assert_eq!(result, Ok(()));
    assert_eq!(said.requests.len(), 3);
    assert_eq!(said.refused, 3);
}

/// It traps where task 1 has gone.
#[test]
fn an_instance_after_one_that_was_lost_begins_anew_once() {
    let code = r#"
        (func (export "allocate") (result i32)
          (call $cpu-quota (i64.const 1) (f64.const 0.5) (i32.const 0))
          (if (i32.load8_u (i32.const 0)) (then unreachable))
          (i32.const 64))"#;
    let component = component(&text::component(&[REPORT_OF_PLAN], code, &policy("allocate")));
    let mut policy = Host::default().policy(&component, "").unwrap();
    let mut begins_anew = |task| {
        let allowed = Duration::from_secs(60);
        let called = runtime().block_on(policy.decide(snapshot(1, &[task]), Vec::new(), allowed));
        (called.result.is_ok(), called.begins_anew)
    };
    assert_eq!([1, 1].map(&mut begins_anew), [(true, false); 2], "nothing was lost before the first call");
    assert_eq!([2, 1, 1].map(&mut begins_anew), [(false, false), (true, true), (true, false)]);
}
