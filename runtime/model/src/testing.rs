//! Small rosters and snapshots for the tests of this crate.

use std::sync::Arc;

use crate::catalog::{Catalog, Series};
use crate::metric::{MetricInfo, MetricKind};
use crate::snapshot::Snapshot;
use crate::task::{Roster, Task, TaskKey};

pub(crate) fn info(name: &str, kind: MetricKind, per_task: bool) -> MetricInfo {
    MetricInfo {
        name: name.into(),
        help: format!("Help of {name}."),
        kind,
        unit: "numeric".into(),
        levels: vec![],
        per_task,
    }
}

/// One task column `task_cpu_usage_seconds` and one platform value `platform_mem_usage_bytes`.
pub(crate) fn catalog() -> Catalog {
    Catalog {
        version: 1,
        metrics: vec![
            info("task_cpu_usage_seconds", MetricKind::Counter, true),
            info("platform_mem_usage_bytes", MetricKind::Gauge, false),
        ],
        columns: vec![Series { metric: 0, labels: vec![] }],
        platform: vec![Series { metric: 1, labels: vec![] }],
    }
}

pub(crate) fn roster(keys: &[u64]) -> Roster {
    let tasks = keys.iter().map(|key| {
        Arc::new(Task {
            key: TaskKey(*key),
            id: format!("task{key}"),
            name: format!("name{key}"),
            labels: vec![("app".into(), "db".into())],
            resources: vec![],
            cgroup: format!("/task{key}"),
            containers: vec![],
        })
    });
    Roster { version: keys.iter().fold(7, |hash, key| hash * 31 + key), tasks: tasks.collect() }
}

pub(crate) fn snapshot_after(before: Option<&Snapshot>, timestamp: f64, keys: &[u64], cpu: &[f64]) -> Snapshot {
    let mut values = cpu.to_vec();
    values.push(4096.0);
    let tick = before.map_or(1, |before| before.tick + 1);
    Snapshot::new(
        tick,
        timestamp,
        Arc::new(roster(keys)),
        Arc::new(catalog()),
        Arc::default(),
        Arc::new(values),
        before,
    )
    .unwrap()
}
