//! The same detector in four languages, straight against the contract: the same answers, and nothing grows.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on fails"
)]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use wca_config::parse;
use wca_model::{Catalog, MetricInfo, MetricKind, Roster, Series, Snapshot, Task, TaskKey};
use wca_sandbox::{Component, Grants, Limits, LogLine, LogSink, Policy, Sandbox, Surroundings, compile};

const TICKS: u64 = 10_000;
const TASKS: u64 = 100;
const THRESHOLD: f64 = 0.9;
const IN_A_ROW: u32 = 3;

/// Lines of the guests: none is expected.
struct Unexpected;

impl LogSink for Unexpected {
    fn write(&self, line: LogLine) {
        panic!("{line:?}");
    }
}

fn component(language: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest-sdk/detectors").join(language);
    folder.join(format!("{language}.wasm"))
}

fn policy(sandbox: &Sandbox, language: &str) -> Policy {
    let path = component(language);
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let code = compile::compile(&bytes, false).unwrap();
    let around = Surroundings {
        name: language.into(),
        sandbox: sandbox.clone(),
        // No handle exists in the whole contract.
        limits: Limits { handles: 0, start_deadline: Duration::from_secs(60), ..Limits::default() },
        grants: Grants::default(),
        log: Arc::new(Unexpected),
        platform: Arc::default(),
        seed: 1,
        now: 0.0,
    };
    let settings = parse(&format!("threshold: {THRESHOLD}\nticks: {IN_A_ROW}\n"), "test").unwrap();
    Policy::new(Component::load(sandbox, &code).unwrap(), around, &settings).unwrap()
}

/// Snapshots of a node on which one task in a hundred ends each tick and another begins, whose counters sometimes restart and
/// are sometimes absent; and what a detector must say of each.
struct Scenes {
    catalog: Arc<Catalog>,
    keys: Vec<u64>,
    counters: HashMap<u64, f64>,
    above: HashMap<u64, u32>,
    next_key: u64,
    random: u64,
    before: Option<Arc<Snapshot>>,
}

impl Scenes {
    fn new() -> Self {
        let metric = MetricInfo {
            name: "task_cpu_usage_seconds".into(),
            help: String::new(),
            kind: MetricKind::Counter,
            unit: "seconds".into(),
            levels: vec![],
            per_task: true,
        };
        let columns = vec![Series { metric: 0, labels: vec![] }];
        Self {
            catalog: Arc::new(Catalog { version: 1, metrics: vec![metric], columns, platform: vec![] }),
            keys: (1..=TASKS).collect(),
            counters: HashMap::new(),
            above: HashMap::new(),
            next_key: TASKS + 1,
            random: 42,
            before: None,
        }
    }

    /// SplitMix64, so that the scenes are the same everywhere.
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn next(&mut self, tick: u64) -> (Arc<Snapshot>, Vec<(u64, u64)>) {
        let leaver = usize::try_from(self.random() % self.keys.len() as u64).unwrap();
        let gone = std::mem::replace(&mut self.keys[leaver], self.next_key);
        self.next_key += 1;
        self.counters.remove(&gone);
        self.above.remove(&gone);
        let mut values = Vec::new();
        for key in self.keys.clone() {
            let counter = match self.random() % 64 {
                0 => f64::NAN,
                1 => 0.0,
                more => {
                    self.counters.get(&key).copied().filter(|value| !value.is_nan()).unwrap_or(0.0)
                        + (more % 5) as f64 / 4.0
                }
            };
            self.counters.insert(key, counter);
            values.push(counter);
        }
        let task = |key: &u64| {
            let name = format!("task{key}");
            let (labels, resources, containers) = (vec![], vec![], vec![]);
            Arc::new(Task {
                key: TaskKey(*key),
                id: name.clone(),
                cgroup: format!("/{name}"),
                name,
                labels,
                resources,
                containers,
            })
        };
        let roster = Roster { version: tick, tasks: self.keys.iter().map(task).collect() };
        let (roster, catalog) = (Arc::new(roster), Arc::clone(&self.catalog));
        let snapshot =
            Snapshot::new(tick, tick as f64, roster, catalog, Arc::default(), Arc::new(values), self.before.as_deref());
        let snapshot = Arc::new(snapshot.unwrap());
        self.before = Some(Arc::clone(&snapshot));
        let expected = self.expected(&snapshot);
        (snapshot, expected)
    }

    /// Victim and evidence, as bits, of each contention.
    fn expected(&mut self, snapshot: &Snapshot) -> Vec<(u64, u64)> {
        let rates = &snapshot.rates("task_cpu_usage_seconds")[0];
        let mut expected = Vec::new();
        for (key, rate) in self.keys.iter().zip(rates) {
            let above = self.above.entry(*key).or_default();
            *above = if *rate > THRESHOLD { *above + 1 } else { 0 };
            if *above >= IN_A_ROW {
                expected.push((*key, rate.to_bits()));
            }
        }
        expected
    }
}

/// Resident memory of this process in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn four_languages_give_the_same_answers_and_do_not_grow() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let sandbox = Sandbox::new().unwrap();
    for language in ["rust", "c", "python", "quickjs"] {
        let mut policy = policy(&sandbox, language);
        let mut scenes = Scenes::new();
        let (mut reports, mut early) = (0, (0, 0));
        for tick in 1..=TICKS {
            let (snapshot, expected) = scenes.next(tick);
            let called = runtime.block_on(policy.decide(snapshot, Vec::new(), Duration::from_secs(10)));
            called.result.unwrap_or_else(|failure| panic!("{language}, tick {tick}: {failure}"));
            let said: Vec<(u64, u64)> = called
                .said
                .contentions
                .iter()
                .map(|contention| (contention.victim.0, contention.evidence[0].value.to_bits()))
                .collect();
            assert_eq!(said, expected, "{language}, tick {tick}");
            reports += said.len();
            if tick == TICKS / 10 {
                early = (policy.memory(), resident());
            }
        }
        assert!(reports > 1_000, "{language}: the scenes have {reports} contentions");
        assert_eq!(policy.memory(), early.0, "{language}: memory of the guest has grown");
        let grown = resident().saturating_sub(early.1);
        assert!(grown < 4_096, "{language}: the host has grown by {grown} KiB");
        println!("{language}: {TICKS} ticks, {reports} contentions, {} KiB of guest memory", policy.memory() >> 10);
    }
}
