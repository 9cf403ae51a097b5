//! What a whole tick costs besides reading the kernel: warden to agent to guest to warden, with a detector on four columns.
//!
//! The warden's end is a thread that answers at once with values that it has; everything between is the real code: the
//! socket, the sealed columns, the snapshot, the sandbox, the rules.
//!
//! `cargo bench --bench crossing`

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark that cannot run shall say so at once"
)]

use std::os::fd::OwnedFd;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use wca_agent::measured::MeasuredNode;
use wca_agent::settings::{ComponentSource, Job, Run, Settings};
use wca_messages::{Cgroup, Channel, ColumnsHeader, Cost, Downward, Reply, Request, write_columns};
use wca_model::{Catalog, Fate, MetricInfo, MetricKind, Outcome, Platform, Series, TaskKey};
use wca_sandbox::{Grants, Limits};

const COLUMNS: u32 = 4;

fn settings() -> Settings {
    let run = Run {
        inputs: Vec::new(),
        components: vec![ComponentSource::Embedded { name: "BusyTask".into() }],
        set: vec![("threshold".into(), "1e9".into())],
        limits: Limits::default(),
        grants: Grants::default(),
        interval: Duration::from_secs(1),
        iterations: None,
        continue_on_errors: false,
        seed: Some(1),
    };
    Settings { levels: wca_log::Levels::default(), form: wca_log::Form::Plain, cache: false, job: Job::Run(run) }
}

fn catalog() -> Catalog {
    let metric = MetricInfo {
        name: "task_cpu_usage_seconds".into(),
        help: String::new(),
        kind: MetricKind::Counter,
        unit: "seconds".into(),
        levels: vec!["cpu".into()],
        per_task: true,
    };
    let columns = (0..COLUMNS).map(|cpu| Series { metric: 0, labels: vec![("cpu".into(), cpu.to_string())] });
    Catalog { version: 1, metrics: vec![metric], columns: columns.collect(), platform: vec![] }
}

/// Answers until the other end is gone.
fn warden(socket: OwnedFd, tasks: u32) {
    let channel = Channel::<Downward, Request>::new(socket);
    let cgroups: Vec<Cgroup> = (0..tasks)
        .map(|task| Cgroup {
            path: format!("/kubepods/burstable/pod{task}"),
            identity: u64::from(task) + 1,
            hierarchies: vec!["cpu".into(), "memory".into()],
        })
        .collect();
    let values: Vec<f64> = (0..tasks * COLUMNS).map(f64::from).collect();
    let platform = Platform { host: "bench".into(), ..Platform::default() };
    let (mut tick, mut told) = (0, false);
    while let Ok(incoming) = channel.receive() {
        let mut columns = None;
        let reply = match incoming.message {
            Request::Hello { .. } => Reply::Welcome {
                settings: settings().encode().unwrap(),
                platform: platform.clone(),
                catalog: catalog(),
                ticks: 0,
            },
            Request::Tree => {
                let cgroups = (!std::mem::replace(&mut told, true)).then(|| cgroups.clone());
                Reply::Tree { cgroups, notices: vec![] }
            }
            Request::Roster { tasks, .. } => {
                let keys = (1..=tasks.len() as u64).map(|key| Some(TaskKey(key))).collect();
                Reply::Roster { version: 1, keys, catalog: None, platform: None, notices: vec![] }
            }
            Request::Sample => {
                tick += 1;
                let timestamp = tick as f64;
                let header = ColumnsHeader {
                    tick,
                    timestamp,
                    roster: 1,
                    catalog: 1,
                    rows: tasks,
                    columns: COLUMNS,
                    platform: 0,
                };
                columns = Some(write_columns(header, &values).unwrap());
                Reply::Sample {
                    timestamp,
                    notices: vec![],
                    cost: Cost::default(),
                    changed: wca_messages::Changed::default(),
                    reverted: Vec::new(),
                }
            }
            Request::Apply { requests, .. } => {
                let judge = |request: wca_model::Request| {
                    let fate = match wca_rules::validate(&request.change, &platform) {
                        Ok(()) => Fate::Shadowed,
                        Err(why) => Fate::Failed(why.to_string()),
                    };
                    Outcome { task: request.task, kind: request.change.kind(), domain: request.change.domain(), fate }
                };
                Reply::Outcomes(requests.into_iter().map(judge).collect())
            }
            other => panic!("not asked in a tick: {other:?}"),
        };
        let descriptors: Vec<_> = columns.iter().map(std::os::fd::AsFd::as_fd).collect();
        if channel.send(incoming.number, &Downward::Reply(reply), &descriptors).is_err() {
            return;
        }
    }
}

fn crossing(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut group = criterion.benchmark_group("crossing, 4 columns");
    for tasks in [100, 1_000] {
        let (ours, theirs) = Channel::<Request, Downward>::pair().unwrap();
        std::thread::spawn(move || warden(theirs, tasks));
        let mut node = runtime.block_on(MeasuredNode::start(ours)).unwrap();
        group.bench_function(BenchmarkId::from_parameter(format!("{tasks} tasks")), |bench| {
            bench.iter(|| assert_eq!(runtime.block_on(node.tick()), 1));
        });
    }
    group.finish();
}

criterion_group!(benches, crossing);
criterion_main!(benches);
