//! What a call of a detector costs: four columns of rates over a roster, with everything that the host does around it.
//!
//! `cargo bench --bench detector`

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark that cannot run shall say so at once"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use wca_config::parse;
use wca_model::{Catalog, MetricInfo, MetricKind, Roster, Series, Snapshot, Task, TaskKey};
use wca_sandbox::{Component, Grants, Limits, LogLine, LogSink, Policy, Sandbox, Surroundings, compile};

struct Silent;

impl LogSink for Silent {
    fn write(&self, _: LogLine) {}
}

fn policy() -> Policy {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest-examples/busy-task/busy-task.wasm");
    let code = compile::compile(&std::fs::read(path).unwrap(), false).unwrap();
    let sandbox = Sandbox::new().unwrap();
    let component = Component::load(&sandbox, &code).unwrap();
    let around = Surroundings {
        name: "BusyTask".into(),
        sandbox,
        limits: Limits::default(),
        grants: Grants::default(),
        log: Arc::new(Silent),
        platform: Arc::default(),
        seed: 1,
        now: 0.0,
    };
    Policy::new(component, around, &parse("threshold: 1e9", "bench").unwrap()).unwrap()
}

/// Two snapshots of `tasks` tasks, with four columns of one counter.
fn snapshot(tasks: u64) -> Arc<Snapshot> {
    let task = |key| Task {
        key: TaskKey(key),
        id: format!("kubepods/pod{key}"),
        name: format!("pod{key}"),
        labels: vec![("app".into(), "db".into()), ("tier".into(), "back".into())],
        resources: vec![("cpus".into(), 1.0)],
        cgroup: format!("/kubepods/pod{key}"),
        containers: vec![],
    };
    let roster = Arc::new(Roster { version: 1, tasks: (1..=tasks).map(|key| Arc::new(task(key))).collect() });
    let metric = MetricInfo {
        name: "task_cpu_usage_seconds".into(),
        help: String::new(),
        kind: MetricKind::Counter,
        unit: "seconds".into(),
        levels: vec!["cpu".into()],
        per_task: true,
    };
    let columns = (0..4).map(|cpu| Series { metric: 0, labels: vec![("cpu".into(), cpu.to_string())] }).collect();
    let catalog = Arc::new(Catalog { version: 1, metrics: vec![metric], columns, platform: vec![] });
    let values = |by: f64| Arc::new((0..tasks * 4).map(|at| at as f64 * by).collect::<Vec<f64>>());
    let take = |tick, by, before: Option<&Snapshot>| {
        let (roster, catalog) = (Arc::clone(&roster), Arc::clone(&catalog));
        Snapshot::new(tick, tick as f64, roster, catalog, Arc::default(), values(by), before).unwrap()
    };
    Arc::new(take(2, 1.5, Some(&take(1, 1.0, None))))
}

fn detector(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut group = criterion.benchmark_group("detector, 4 columns");
    for tasks in [100, 1_000] {
        let (mut policy, snapshot) = (policy(), snapshot(tasks));
        group.bench_function(BenchmarkId::from_parameter(format!("{tasks} tasks")), |bench| {
            bench.iter(|| {
                let call = policy.decide(Arc::clone(&snapshot), Vec::new(), Duration::from_secs(1));
                assert!(runtime.block_on(call).result.is_ok());
            });
        });
    }
    group.finish();
}

criterion_group!(benches, detector);
criterion_main!(benches);
