//! An instance that is nearly full, asked whether it may be replaced.

use std::time::Duration;

use rstest::rstest;
use wca_model::{Change, Request, TaskKey};
use wca_sandbox::{Called, Component, Policy};

use crate::host::{Host, component, runtime, snapshot};
use crate::text::{self, Import, policy};

const PAGE: u64 = 65_536;
/// Pages of the ceiling; four fifths of them are 25.6.
const CEILING: &str = "2Mi";

const PLAN: Import = Import {
    name: "wca:policy/plan@0.1.0",
    types: r#"(type $r (variant (case "gone") (case "too-many") (case "not-granted" string) (case "invalid" string)
        (case "unsupported" string))) (export "refusal" (type $refusal (eq $r)))"#,
    functions: &[(
        "cpu-quota",
        r#"(param "task" u64) (param "share" f64) (result (result (error $refusal)))"#,
        "(param i64 f64 i32)",
    )],
};

/// An allocator that asks for something, and in its first call grows to this many pages; its `may-recycle` is this code.
fn growing(pages: u32, may_recycle: &str) -> Component {
    let code = format!(
        r#"(func (export "allocate") (result i32)
             (call $cpu-quota (i64.const 1) (f64.const 0.5) (i32.const 0))
             (if (i32.lt_u (memory.size) (i32.const {pages}))
               (then (drop (memory.grow (i32.sub (i32.const {pages}) (memory.size))))))
             (i32.const 64))
           (func (export "may-recycle") (result i32) {may_recycle})"#
    );
    let exports = format!(
        r#"{} (func (export "may-recycle") (result bool) (canon lift (core func $code "may-recycle")))"#,
        policy("allocate")
    );
    component(&text::component(&[PLAN], &code, &exports))
}

fn called(policy: &mut Policy, allowed: Duration) -> Called {
    runtime().block_on(policy.decide(snapshot(1, &[1]), Vec::new(), allowed))
}

const MINUTE: Duration = Duration::from_secs(60);

#[rstest]
#[case::it_may(28, "(i32.const 1)", 0)]
#[case::it_may_not(28, "(i32.const 0)", 28)]
#[case::it_is_not_full(25, "(i32.const 1)", 25)]
#[case::it_is_not_full_and_so_not_asked(25, "unreachable", 25)]
fn a_full_instance_is_replaced_if_it_allows_it(#[case] pages: u32, #[case] may_recycle: &str, #[case] left: u64) {
    let mut policy = Host::with(&[("memory", CEILING)]).policy(&growing(pages, may_recycle), "").unwrap();
    for call in 1..=3 {
        let Called { result, said, .. } = called(&mut policy, MINUTE);
        assert_eq!(result, Ok(()), "call {call}");
        assert_eq!(said.requests, [Request { task: TaskKey(1), change: Change::CpuQuota(0.5) }], "call {call}");
        assert_eq!(policy.memory(), left * PAGE, "call {call}");
    }
}

#[rstest]
#[case::traps("unreachable", "asked for `may-recycle`: it trapped: wasm `unreachable` instruction executed")]
#[case::loops(
    "(loop $more (br $more)) (i32.const 1)",
    "asked for `may-recycle`: out of fuel: it used 100000 instructions (--limit fuel raises it)"
)]
#[case::calls_the_host(
    "(call $cpu-quota (i64.const 1) (f64.const 0.5) (i32.const 0)) (i32.const 1)",
    "asked for `may-recycle`: it trapped: `plan.cpu-quota` was called when there is no snapshot: it answers during \
     `detect`, `allocate` and `store`, and in a runner after `node.measure`"
)]
fn an_instance_that_fails_when_asked_is_thrown_away(#[case] may_recycle: &str, #[case] expected: &str) {
    let host = Host::with(&[("memory", CEILING), ("fuel", "100000"), ("quarantine-after", "2")]);
    let mut policy = host.policy(&growing(28, may_recycle), "").unwrap();
    for quarantined in [None, Some(2)] {
        let called = called(&mut policy, MINUTE);
        assert_eq!(called.result.unwrap_err().to_string(), expected);
        assert_eq!(called.said.requests, [], "of a call that failed, nothing counts");
        assert_eq!((policy.memory(), called.quarantined), (0, quarantined));
    }
}

#[test]
fn an_instance_that_is_asked_for_too_long_is_thrown_away() {
    let host = Host::with(&[("memory", CEILING), ("fuel", "1000000000000")]);
    let mut policy = host.policy(&growing(28, "(loop $more (br $more)) (i32.const 1)"), "").unwrap();
    let failure = called(&mut policy, Duration::from_millis(50)).result.unwrap_err();
    assert_eq!(failure.to_string(), "asked for `may-recycle`: it ran longer than 50ms (--limit deadline raises it)");
    assert_eq!(policy.memory(), 0);
}
