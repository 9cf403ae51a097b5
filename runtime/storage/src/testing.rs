//! Batches, and storages that tests can watch.

use std::sync::{Arc, Mutex};

use tokio::sync::Semaphore;
use wca_model::batch::LabelSets;
use wca_model::catalog::Series;
use wca_model::metric::MetricInfo;
use wca_model::{Batch, Catalog, MetricKind, Roster, Sample, Snapshot, Task, TaskKey};

use crate::store::{Store, StoreError};
use crate::work::Work;

/// A sample of a gauge.
pub(crate) fn sample(name: &str, labels: &[(&str, &str)], value: f64) -> Sample {
    let labels = labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Sample { name: name.into(), labels, value, kind: MetricKind::Gauge, help: String::new() }
}

/// A batch of that tick, as [`batch`].
pub(crate) fn batch_of_tick(tick: u64) -> Batch {
    batch_at(tick, 0.0, &["a", "b"], vec![])
}

/// A batch at that time: `task_up` of the tasks `a` and `b` on the host `vm`, and these samples.
pub(crate) fn batch(timestamp: f64, samples: Vec<Sample>) -> Batch {
    batch_at(1, timestamp, &["a", "b"], samples)
}

/// `task_up` of these tasks.
pub(crate) fn batch_of_tasks(tasks: &[&str]) -> Batch {
    batch_at(1, 0.0, tasks, vec![])
}

fn batch_at(tick: u64, timestamp: f64, tasks: &[&str], samples: Vec<Sample>) -> Batch {
    let info = MetricInfo {
        name: "task_up".into(),
        help: "Up.".into(),
        kind: MetricKind::Counter,
        unit: "numeric".into(),
        levels: vec![],
        per_task: true,
    };
    let columns = vec![Series { metric: 0, labels: vec![] }];
    let catalog = Catalog { version: 1, metrics: vec![info], columns, platform: vec![] };
    let task = |(key, name): (u64, &&str)| {
        Arc::new(Task {
            key: TaskKey(key),
            id: (*name).into(),
            name: (*name).into(),
            labels: vec![],
            resources: vec![],
            cgroup: format!("/{name}"),
            containers: vec![],
        })
    };
    let roster = Roster { version: 1, tasks: (1..).zip(tasks).map(task).collect() };
    let common = [("host".to_owned(), "vm".to_owned())];
    let labels = Arc::new(LabelSets::new(1, &roster, &catalog, &common, &[]));
    let values = Arc::new(vec![1.0; tasks.len()]);
    let (roster, catalog) = (Arc::new(roster), Arc::new(catalog));
    let snapshot = Snapshot::new(tick, timestamp, roster, catalog, Arc::default(), values, None).unwrap();
    Batch::new(Arc::new(snapshot), labels, samples, &common)
}

/// A storage that takes a batch for each permit, and keeps their times.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) stored: Arc<Mutex<Vec<f64>>>,
    /// What it says first, one at each call.
    refusals: Arc<Mutex<Vec<StoreError>>>,
}

impl Gate {
    pub(crate) fn new(permits: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(permits)), stored: Arc::default(), refusals: Arc::default() }
    }

    /// That refuses what it takes so many times.
    pub(crate) fn refusing(self, times: usize, why: impl Fn() -> StoreError) -> Self {
        self.refusals.lock().unwrap().extend((0..times).map(|_| why()));
        self
    }

    pub(crate) fn stored(&self) -> Vec<f64> {
        self.stored.lock().unwrap().clone()
    }
}

#[async_trait::async_trait]
impl Store for Gate {
    async fn store(&mut self, batch: &Batch, _: &Arc<Work>) -> Result<(), StoreError> {
        self.permits.acquire().await.unwrap().forget();
        if let Some(refusal) = self.refusals.lock().unwrap().pop() {
            return Err(refusal);
        }
        self.stored.lock().unwrap().push(batch.snapshot().timestamp);
        Ok(())
    }
}
