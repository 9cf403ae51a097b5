//! A runner and the node that it is given.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rstest::rstest;
use wca_model::{Sample, Snapshot};
use wca_sandbox::{NodeAccess, NodeError};

use crate::host::{Host, component, runtime, snapshot};
use crate::text::{self, Import, policy};

const NODE: Import = Import {
    name: "wca:policy/node@0.1.0",
    types: r#"
        (type $k (enum "gauge" "counter")) (export "metric-kind" (type $kind (eq $k)))
        (type $l (tuple string string)) (export "label" (type $label (eq $l)))
        (type $s (record (field "name" string) (field "labels" (list $label)) (field "value" f64) (field "kind" $kind)
            (field "help" string)))
        (export "sample" (type $sample (eq $s)))"#,
    functions: &[
        ("measure", "(result (result (error string)))", "(param i32)"),
        ("store", r#"(param "extra" (list $sample)) (result (result (error string)))"#, "(param i32 i32 i32)"),
        ("decide", "(result (result (error string)))", "(param i32)"),
        ("wait", "(result bool)", "(result i32)"),
    ],
};
const NOW: Import =
    Import { name: "wca:policy/now@0.1.0", types: "", functions: &[("tick", "(result u64)", "(result i64)")] };

/// Measures, stores one metric `ticks` with the number of the tick as value, does this besides, decides, and waits, until the
/// node says no. What fails is its own failure.
fn looping(besides: &str) -> String {
    let code = format!(
        r#"(func (export "run") (result i32)
             (loop $more
               (call $measure (i32.const 0))
               (if (i32.load8_u (i32.const 0)) (then (return (i32.const 0))))
               (f64.store (i32.const 80) (f64.convert_i64_u (call $tick)))
               (call $store (i32.const 64) (i32.const 1) (i32.const 0))
               (if (i32.load8_u (i32.const 0)) (then (return (i32.const 0))))
               {besides}
               (call $decide (i32.const 0))
               (if (i32.load8_u (i32.const 0)) (then (return (i32.const 0))))
               (br_if $more (call $wait)))
             (i32.const 0))
           (func $spin (param $turns i32)
             (loop $more
               (local.set $turns (i32.sub (local.get $turns) (i32.const 1)))
               (br_if $more (local.get $turns))))
           ;; A sample: name, no labels, value, gauge, help.
           (data (i32.const 64) "\c8\00\00\00\05\00\00\00\00\00\00\00\00\00\00\00")
           (data (i32.const 88) "\00\00\00\00\cd\00\00\00\04\00\00\00")
           (data (i32.const 200) "ticksHelp")"#
    );
    text::component(&[NODE, NOW], &code, &policy("run"))
}

/// A node that goes on for a few ticks, keeps what it is asked, and fails or takes its time where it is told to.
#[derive(Default)]
struct Fake {
    asked: Arc<Mutex<Vec<String>>>,
    ticks: u64,
    fails: &'static str,
    takes: Duration,
    tick: u64,
}

impl Fake {
    async fn ask(&mut self, what: &str, and: &str) -> Result<(), NodeError> {
        self.asked.lock().unwrap().push(format!("{what}{and}"));
        tokio::time::sleep(self.takes).await;
        if self.fails == what { Err(NodeError(format!("{what} is broken"))) } else { Ok(()) }
    }
}

#[async_trait::async_trait]
impl NodeAccess for Fake {
    async fn measure(&mut self) -> Result<Arc<Snapshot>, NodeError> {
        self.ask("measure", "").await?;
        self.tick += 1;
        Ok(snapshot(self.tick, &[1]))
    }

    async fn store(&mut self, extra: Vec<Sample>) -> Result<(), NodeError> {
        let texts = extra.iter().map(|sample| format!(" {} {} ({})", sample.name, sample.value, sample.help));
        self.ask("store", &texts.collect::<String>()).await
    }

    async fn decide(&mut self) -> Result<(), NodeError> {
        self.ask("decide", "").await
    }

    async fn wait(&mut self) -> bool {
        self.ask("wait", "").await.is_ok() && self.tick < self.ticks
    }
}

/// How a runner ended, as the operator is told, and what its node was asked.
fn ran(host: &Host, text: &str, node: Option<Fake>) -> (Result<(), String>, Vec<String>) {
    let asked = node.as_ref().map(|node| Arc::clone(&node.asked)).unwrap_or_default();
    let mut policy = host.policy(&component(text), "").unwrap();
    let node = node.map(|node| Box::new(node) as Box<dyn NodeAccess>);
    let ended = runtime().block_on(policy.run(node)).map_err(|failure| failure.to_string());
    let asked = asked.lock().unwrap().clone();
    (ended, asked)
}

#[test]
fn a_runner_is_the_loop_of_its_node() {
    let (ended, asked) = ran(&Host::default(), &looping(""), Some(Fake { ticks: 2, ..Fake::default() }));
    assert_eq!(ended, Ok(()));
    let expected =
        [["measure", "store ticks 1 (Help)", "decide", "wait"], ["measure", "store ticks 2 (Help)", "decide", "wait"]];
    assert_eq!(asked, expected.concat());
}

#[rstest]
#[case("measure", "it reported: measure is broken", 1)]
#[case("store", "it reported: store is broken", 2)]
#[case("decide", "it reported: decide is broken", 3)]
fn what_the_node_cannot_do_is_told_to_the_runner(
    #[case] fails: &'static str,
    #[case] expected: &str,
    #[case] count: usize,
) {
    let (ended, asked) = ran(&Host::default(), &looping(""), Some(Fake { ticks: 2, fails, ..Fake::default() }));
    assert_eq!((ended, asked.len()), (Err(expected.to_owned()), count));
}

#[test]
fn a_runner_without_a_node_is_told_so() {
    let (ended, _) = ran(&Host::default(), &looping(""), None);
    let expected = "it reported: this runner was given no node: it runs without `measure`, `store` and `decide`";
    assert_eq!(ended, Err(expected.to_owned()));

    let host = Host::default();
    let waits = r#"(func (export "run") (result i32) (drop (call $wait)) (i32.const 0))"#;
    let (ended, _) = ran(&host, &text::component(&[NODE], waits, &policy("run")), None);
    assert_eq!(ended, Ok(()));
    assert_eq!(host.log.texts(), ["this runner was given no node: it runs without `measure`, `store` and `decide`"]);
}

#[test]
fn the_node_answers_only_once_it_was_measured() {
    let early = r#"(func (export "run") (result i32) (drop (call $tick)) (i32.const 0))"#;
    let (ended, asked) = ran(&Host::default(), &text::component(&[NOW], early, &policy("run")), Some(Fake::default()));
    let expected = "it trapped: `now.tick` was called when there is no snapshot: it answers during `detect`, `allocate` \
                    and `store`, and in a runner after `node.measure`";
    assert_eq!((ended, asked), (Err(expected.to_owned()), vec![]));
}

/// Ten ticks take longer, and more instructions, than one may.
#[test]
fn time_and_fuel_are_those_of_a_tick_without_what_the_node_takes() {
    let host = Host::with(&[("deadline", "2s"), ("fuel", "20000000")]);
    let node = Fake { ticks: 10, takes: Duration::from_millis(75), ..Fake::default() };
    let (ended, asked) = ran(&host, &looping("(call $spin (i32.const 1000000))"), Some(node));
    assert_eq!((ended, asked.len()), (Ok(()), 40));
}

#[rstest]
#[case::fuel(("fuel", "1000000"), "out of fuel: it used 1000000 instructions (--limit fuel raises it)")]
#[case::time(("deadline", "50ms"), "it ran longer than 50ms (--limit deadline raises it)")]
#[case::time_of_the_start(("start-deadline", "100ms"), "it ran longer than 100ms (--limit start-deadline raises it)")]
fn a_runner_that_never_asks_again_is_stopped(#[case] limit: (&str, &str), #[case] expected: &str) {
    let host = Host::with(&[("fuel", "1000000000000"), limit]);
    let (ended, asked) = ran(&host, &looping("(loop $ever (br $ever))"), Some(Fake { ticks: 2, ..Fake::default() }));
    assert_eq!((ended, asked.len()), (Err(expected.to_owned()), 2));
}
