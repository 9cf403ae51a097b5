//! Snapshots, policies, and a warden that says what a test wants, for the tests of this crate.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Semaphore;
use wca_config::{Content, Measurement, Place, Runner};
use wca_messages::{Channel, Downward, Reply, Request, RosterEntry};
use wca_model::batch::LabelSets;
use wca_model::catalog::Series;
use wca_model::metric::MetricInfo;
use wca_model::{Batch, Catalog, MetricKind, Roster, Sample, Snapshot, Task, TaskKey};
use wca_node::Discovered;
use wca_sandbox::{Component, Grants, Limits, LogLine, LogSink, Policy, Sandbox, Surroundings};
use wca_storage::{Store, StoreError, Work};

use crate::client::Client;
use crate::embedded::{self, with_embedded};
use crate::node::Node;
use crate::pace::Pace;
use crate::policies::{Member, Policies};
use crate::roster::{Known, View};
use crate::storages::Storages;

/// What a runner measures that has this argument, from a file that is called `c.yaml`.
pub(crate) fn measurement(argument: &str) -> Measurement {
    runner(&format!("!MeasurementRunner {{node: !CgroupNode , {argument}}}")).measurement().clone()
}

/// A runner, from a file that is called `c.yaml`.
pub(crate) fn runner(yaml: &str) -> Runner {
    let around = wca_config::Surroundings {
        source: "c.yaml",
        environment: &|_| None,
        readable: &|_| Ok(()),
        guests: &with_embedded(vec![]),
        other_guests: false,
    };
    wca_config::load(&format!("runner: {yaml}\n"), &around).unwrap().runner
}

/// A gauge.
pub(crate) fn sample(name: &str, labels: &[(&str, &str)], value: f64) -> Sample {
    let labels = labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Sample { name: name.into(), labels, value, kind: MetricKind::Gauge, help: String::new() }
}

/// A task that was found.
pub(crate) fn discovered(name: &str, identity: u64) -> Discovered {
    let cgroup = format!("/{name}");
    Discovered {
        entry: RosterEntry { cgroup, identity, ..RosterEntry::default() },
        id: name.into(),
        name: name.into(),
        resources: vec![],
    }
}

/// `task_up` of each task.
pub(crate) fn catalog() -> Catalog {
    let info = MetricInfo {
        name: "task_up".into(),
        help: String::new(),
        kind: MetricKind::Counter,
        unit: "numeric".into(),
        levels: vec![],
        per_task: true,
    };
    Catalog { version: 1, metrics: vec![info], columns: vec![Series { metric: 0, labels: vec![] }], platform: vec![] }
}

/// A snapshot with `task_up` of tasks with the keys 1, 2 and so on.
pub(crate) fn snapshot(up: &[f64]) -> Arc<Snapshot> {
    let task = |(key, _)| {
        let task: Task = discovered(&format!("task{key}"), 1).with_key(TaskKey(key));
        Arc::new(task)
    };
    let roster = Roster { version: 1, tasks: (1..).zip(up).map(task).collect() };
    let values = Arc::new(up.to_vec());
    Arc::new(Snapshot::new(1, 100.0, Arc::new(roster), Arc::new(catalog()), Arc::default(), values, None).unwrap())
}

struct Silent;

impl LogSink for Silent {
    fn write(&self, _: LogLine) {}
}

/// A built-in policy under this name.
pub(crate) fn policy(component: &str, name: &str) -> Policy {
    policy_within(Limits::default(), component, name)
}

/// A built-in policy under this name, within these limits.
pub(crate) fn policy_within(limits: Limits, component: &str, name: &str) -> Policy {
    let sandbox = Sandbox::new().unwrap();
    let place = Place { source: "test".into(), line: 1, column: 1, length: 1 };
    let parameters = Arc::new(wca_config::Node { content: Content::Map(vec![]), tag: None, place });
    let component = Component::load(&sandbox, embedded::code(component).unwrap()).unwrap();
    let around = Surroundings {
        name: name.into(),
        sandbox,
        limits,
        grants: Grants::default(),
        log: Arc::new(Silent),
        platform: Arc::default(),
        seed: 1,
        now: 0.0,
    };
    Policy::new(component, around, &parameters).unwrap()
}

/// A warden that answers as it is told; what it was asked.
pub(crate) fn warden(mut answer: impl FnMut(&Request) -> Reply + Send + 'static) -> (Client, Arc<Mutex<Vec<Request>>>) {
    let (ours, theirs) = Channel::<Downward, Request>::pair().unwrap();
    let asked = Arc::<Mutex<Vec<Request>>>::default();
    let log = Arc::clone(&asked);
    std::thread::spawn(move || {
        let channel = Channel::<Downward, Request>::new(ours);
        while let Ok(incoming) = channel.receive() {
            let reply = answer(&incoming.message);
            log.lock().unwrap().push(incoming.message);
            if channel.send(incoming.number, &Downward::Reply(reply), &[]).is_err() {
                return;
            }
        }
    });
    (Client::new(theirs).unwrap(), asked)
}

/// A node with the allocators `First` and `Second`, which ask for nothing.
pub(crate) fn node(client: Client) -> Node {
    let members =
        vec![Member::new(policy("NOPAllocator", "First"), 0), Member::new(policy("NOPAllocator", "Second"), 1)];
    let pace = Pace::new(Duration::from_secs(1), None, client.stop());
    let known = Known::new(Arc::default(), Arc::default(), View::everything());
    Node::new(client, known, Policies { members }, Storages::default(), pace)
}

/// A batch of one sample.
pub(crate) fn batch() -> Batch {
    Batch::new(snapshot(&[]), Arc::new(LabelSets::none()), vec![sample("x", &[], 1.0)], &[])
}

/// A storage that takes a batch for each permit.
#[derive(Clone)]
pub(crate) struct Gate(pub(crate) Arc<Semaphore>);

impl Gate {
    pub(crate) fn new(permits: usize) -> Self {
        Self(Arc::new(Semaphore::new(permits)))
    }
}

#[async_trait::async_trait]
impl Store for Gate {
    async fn store(&mut self, _: &Batch, _: &Arc<Work>) -> Result<(), StoreError> {
        let permit = self.0.acquire().await;
        permit.map_err(|error| StoreError::Rejected(error.to_string()))?.forget();
        Ok(())
    }
}
