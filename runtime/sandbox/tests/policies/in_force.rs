//! An allocator looks at what is in force.

use std::sync::Arc;
use std::time::Duration;

use wca_model::{Change, InForce, RdtInForce, Request, Snapshot, TaskKey};
use wca_sandbox::Policy;

use crate::host::{Host, component, runtime, snapshot};
use crate::text::{self, Import, policy};

const PLAN: Import = Import {
    name: "wca:policy/plan@0.1.0",
    types: r#"
        (type $r (variant (case "gone") (case "too-many") (case "not-granted" string) (case "invalid" string)
            (case "unsupported" string)))
        (export "refusal" (type $refusal (eq $r)))
        (type $text string) (export "kind" (type $kind (eq $text)))"#,
    functions: &[
        (
            "memory-low",
            r#"(param "task" u64) (param "bytes" u64) (result (result (error $refusal)))"#,
            "(param i64 i64 i32)",
        ),
        ("in-force", r#"(param "kind" $kind) (result (list f64))"#, "(param i32 i32 i32)"),
        ("cpus-in-force", r#"(param "task" u64) (result (list u32))"#, "(param i64 i32)"),
        ("group-in-force", r#"(param "task" u64) (result string)"#, "(param i64 i32)"),
        ("l3-in-force", r#"(param "task" u64) (param "domain" u32) (result (option u64))"#, "(param i64 i32 i32)"),
        ("mb-in-force", r#"(param "task" u64) (param "domain" u32) (result (option u32))"#, "(param i64 i32 i32)"),
    ],
};

/// It asks for `memory_low` of task 1, with what is in force of it as the bytes: ten times its quota, the number of its processors,
/// the length of its group's name, its L3 ways in domain 1, and its bandwidth there; 77 for none. Then the number of quotas, and
/// whether that of task 2 is a number.
const CODE: &str = r#"
    (data (i32.const 1024) "cpu_quota")
    (func $say (param $bytes i64)
      (call $memory-low (i64.const 1) (local.get $bytes) (i32.const 64)))
    (func (export "allocate") (result i32)
      (call $in-force (i32.const 1024) (i32.const 9) (i32.const 32))
      (call $say (i64.trunc_f64_s (f64.mul (f64.const 10) (f64.load (i32.load (i32.const 32))))))
      (call $cpus-in-force (i64.const 1) (i32.const 40))
      (call $say (i64.extend_i32_u (i32.load (i32.const 44))))
      (call $group-in-force (i64.const 1) (i32.const 40))
      (call $say (i64.extend_i32_u (i32.load (i32.const 44))))
      (call $l3-in-force (i64.const 1) (i32.const 1) (i32.const 48))
      (call $say (if (result i64) (i32.load8_u (i32.const 48)) (then (i64.load (i32.const 56))) (else (i64.const 77))))
      (call $mb-in-force (i64.const 1) (i32.const 1) (i32.const 48))
      (call $say (if (result i64) (i32.load8_u (i32.const 48))
        (then (i64.load32_u (i32.const 52))) (else (i64.const 77))))
      (call $say (i64.extend_i32_u (i32.load (i32.const 36))))
      (call $say (i64.extend_i32_u
        (f64.eq (f64.load offset=8 (i32.load (i32.const 32))) (f64.load offset=8 (i32.load (i32.const 32))))))
      (i32.const 128))"#;

fn answers(policy: &mut Policy, snapshot: Arc<Snapshot>) -> Vec<u64> {
    let called = runtime().block_on(policy.decide(snapshot, Vec::new(), Duration::from_secs(60)));
    assert_eq!(called.result, Ok(()));
    let bytes = |request: &Request| match request {
        Request { task: TaskKey(1), change: Change::MemoryLow(bytes) } => *bytes,
        other => panic!("{other:?}"),
    };
    called.said.requests.iter().map(bytes).collect()
}

#[test]
fn what_is_in_force_is_told_in_the_units_of_requests() {
    let text = text::component(&[PLAN], CODE, &policy("allocate"));
    let mut policy = Host::default().policy(&component(&text), "").unwrap();
    let rdt =
        RdtInForce { group: "batch".into(), l3: vec![(0, 1), (1, 0xff)], mb: vec![(0, 20)], ..RdtInForce::default() };
    let one = InForce { cpu_quota: Some(0.5), cpuset_cpus: Some(vec![0, 2, 7]), rdt: Some(rdt), ..InForce::default() };
    let snapshot = Arc::into_inner(snapshot(1, &[1, 2])).unwrap();
    let snapshot = Arc::new(snapshot.with_in_force(vec![one, InForce::default()]));
    assert_eq!(answers(&mut policy, snapshot), [5, 3, 5, 0xff, 77, 2, 0]);
}

#[test]
fn of_other_tasks_than_these_nothing_is_told() {
    let all = vec![InForce::default()];
    let snapshot = Arc::into_inner(snapshot(1, &[1, 2])).unwrap().with_in_force(all);
    assert_eq!(snapshot.in_force(), None);
    assert_eq!(snapshot.in_force_of(TaskKey(1)), None);
}
