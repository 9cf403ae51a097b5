//! What a policy sees in one tick: tasks by name, metrics by name and labels, and a described machine.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use wca_model::platform::{Cpu, NumaNode};
use wca_model::{
    Catalog, Change, InForce, Kind, Label, MetricInfo, MetricKind, Platform, RdtInForce, Request, Roster, Series,
    Snapshot, Task, TaskKey,
};

use super::Tick;

/// A machine of these NUMA nodes, each its number, its processors and its bytes of memory; no resctrl, no swap. Nodes are sockets, and
/// every processor is a core of its own.
pub(crate) fn machine(nodes: &[(u32, &[u32], u64)]) -> Platform {
    let cpus = nodes
        .iter()
        .flat_map(|(node, cpus, _)| cpus.iter().map(|id| Cpu { id: *id, core: *id, socket: *node, node: *node }));
    let mut cpus: Vec<Cpu> = cpus.collect();
    cpus.sort_by_key(|cpu| cpu.id);
    let distances = |node: u32| nodes.iter().map(|(other, ..)| if *other == node { 10 } else { 21 }).collect();
    let nodes = nodes.iter().map(|(id, _, memory)| NumaNode { id: *id, memory: *memory, distances: distances(*id) });
    Platform {
        host: "node1".into(),
        cpu_model: "described".into(),
        cpus,
        nodes: nodes.collect(),
        ..Platform::default()
    }
}

/// One tick: what there is, and what was measured. It can be changed and used again; by itself its time goes on by a second.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scene {
    tasks: Vec<SceneTask>,
    platform: Vec<Measured>,
    at: Option<f64>,
}

/// A task, with what was measured of it and what is in force.
#[derive(Clone, Debug)]
pub(crate) struct SceneTask {
    id: String,
    labels: Vec<Label>,
    resources: Vec<(String, f64)>,
    containers: Vec<String>,
    /// What is in force of it; none of it unless set.
    pub(crate) in_force: InForce,
    metrics: Vec<Measured>,
}

#[derive(Clone, Debug)]
struct Measured {
    name: String,
    labels: Vec<Label>,
    kind: MetricKind,
    value: f64,
}

impl Scene {
    /// No task, and nothing measured.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The task of this id, which is also its name; it arrives where it is new.
    pub(crate) fn task(&mut self, id: &str) -> &mut SceneTask {
        if let Some(at) = self.tasks.iter().position(|task| task.id == id) {
            return &mut self.tasks[at];
        }
        self.tasks.push(SceneTask {
            id: id.into(),
            labels: Vec::new(),
            resources: Vec::new(),
            containers: Vec::new(),
            in_force: InForce::default(),
            metrics: Vec::new(),
        });
        let last = self.tasks.len() - 1;
        &mut self.tasks[last]
    }

    /// Ends a task; another one of the same id gets another key.
    pub(crate) fn end(&mut self, id: &str) {
        self.tasks.retain(|task| task.id != id);
    }

    /// Whether there is this task.
    pub(super) fn has(&self, id: &str) -> bool {
        self.tasks.iter().any(|task| task.id == id)
    }

    /// A value of the machine.
    pub(crate) fn gauge(&mut self, name: &str, labels: &[(&str, &str)], value: f64) -> &mut Self {
        set(&mut self.platform, name, labels, MetricKind::Gauge, value);
        self
    }

    /// A counter of the machine.
    pub(crate) fn counter(&mut self, name: &str, labels: &[(&str, &str)], value: f64) -> &mut Self {
        set(&mut self.platform, name, labels, MetricKind::Counter, value);
        self
    }

    /// The next snapshot is taken at this time, in seconds.
    pub(crate) fn at(&mut self, seconds: f64) -> &mut Self {
        self.at = Some(seconds);
        self
    }

    /// Puts what a policy has asked for in force, as the warden does where nothing stands against it.
    pub(crate) fn apply(&mut self, tick: &Tick) {
        for request in &tick.requests {
            let id = tick.id(request.task).to_owned();
            self.tasks.iter_mut().filter(|task| task.id == id).for_each(|task| task.apply(request));
        }
    }

    /// The snapshot of it after another one.
    pub(super) fn snapshot(&self, keys: &mut Keys, platform: &Arc<Platform>, before: Option<&Snapshot>) -> Snapshot {
        let roster = Arc::new(keys.roster(self));
        let mut catalog = Catalog { version: 1, ..Catalog::default() };
        let mut values = Vec::new();
        for ((name, labels), kind) in series(self.tasks.iter().flat_map(|task| &task.metrics)) {
            let metric = metric(&mut catalog, &name, &labels, kind, true);
            values.extend(self.tasks.iter().map(|task| {
                let found = task.metrics.iter().find(|one| one.name == name && one.labels == labels);
                found.map_or(f64::NAN, |one| one.value)
            }));
            catalog.columns.push(Series { metric, labels });
        }
        for ((name, labels), kind) in series(self.platform.iter()) {
            let metric = metric(&mut catalog, &name, &labels, kind, false);
            let found = self.platform.iter().find(|one| one.name == name && one.labels == labels);
            values.push(found.map_or(f64::NAN, |one| one.value));
            catalog.platform.push(Series { metric, labels });
        }
        let same = |before: &Snapshot| {
            before.catalog.columns == catalog.columns && before.catalog.platform == catalog.platform
        };
        catalog.version = match before {
            Some(before) if same(before) => before.catalog.version,
            Some(before) => before.catalog.version + 1,
            None => 1,
        };
        let tick = before.map_or(1, |before| before.tick + 1);
        let timestamp = self.at.unwrap_or_else(|| before.map_or(1_000.0, |before| before.timestamp + 1.0));
        let (catalog, values) = (Arc::new(catalog), Arc::new(values));
        let snapshot = Snapshot::new(tick, timestamp, roster, catalog, Arc::clone(platform), values, before);
        snapshot.unwrap().with_in_force(self.tasks.iter().map(|task| task.in_force.clone()).collect())
    }
}

impl SceneTask {
    /// With this label.
    pub(crate) fn label(&mut self, name: &str, value: &str) -> &mut Self {
        self.labels.retain(|(known, _)| known != name);
        self.labels.push((name.into(), value.into()));
        self
    }

    /// With this resource, such as `mem` in bytes.
    pub(crate) fn resource(&mut self, name: &str, value: f64) -> &mut Self {
        self.resources.retain(|(known, _)| known != name);
        self.resources.push((name.into(), value));
        self
    }

    /// With this container, a cgroup below its own.
    pub(crate) fn container(&mut self, name: &str) -> &mut Self {
        self.containers.push(format!("/{}/{name}", self.id));
        self
    }

    /// A value that was measured of it.
    pub(crate) fn gauge(&mut self, name: &str, labels: &[(&str, &str)], value: f64) -> &mut Self {
        set(&mut self.metrics, name, labels, MetricKind::Gauge, value);
        self
    }

    /// A counter of it.
    pub(crate) fn counter(&mut self, name: &str, labels: &[(&str, &str)], value: f64) -> &mut Self {
        set(&mut self.metrics, name, labels, MetricKind::Counter, value);
        self
    }

    /// It may run on these processors now.
    pub(crate) fn cpuset_cpus(&mut self, cpus: &[u32]) -> &mut Self {
        self.in_force.cpuset_cpus = Some(cpus.to_vec());
        self
    }

    fn apply(&mut self, request: &Request) {
        let now = &mut self.in_force;
        let unlimited = |bytes: &Option<u64>| bytes.map_or(f64::INFINITY, |bytes| bytes as f64);
        match &request.change {
            Change::CpuQuota(share) => now.cpu_quota = Some(*share),
            Change::CpuShares(shares) => now.cpu_shares = Some(*shares),
            Change::CpuWeight(weight) => now.cpu_weight = Some(f64::from(*weight)),
            Change::CpusetCpus(cpus) => now.cpuset_cpus = Some(cpus.clone()),
            Change::CpusetMems(nodes) => now.cpuset_mems = Some(nodes.clone()),
            Change::CpusetMemoryMigrate(follow) => now.cpuset_memory_migrate = Some(*follow),
            Change::MemoryHigh(bytes) => now.memory_high = Some(unlimited(bytes)),
            Change::MemoryMax(bytes) => now.memory_max = Some(unlimited(bytes)),
            Change::MemoryLow(bytes) => now.memory_low = Some(*bytes as f64),
            Change::IoWeight(weight) => now.io_weight = Some(f64::from(*weight)),
            Change::RdtGroup(group) => {
                let own = self.id.clone();
                now.rdt = Some(RdtInForce { group: group.clone().unwrap_or(own), ..RdtInForce::default() });
            }
            Change::RdtL3(ways) => in_domain(&mut now.rdt.get_or_insert_default().l3, ways.domain, ways.mask),
            Change::RdtL3Code(ways) => in_domain(&mut now.rdt.get_or_insert_default().l3_code, ways.domain, ways.mask),
            Change::RdtL3Data(ways) => in_domain(&mut now.rdt.get_or_insert_default().l3_data, ways.domain, ways.mask),
            Change::RdtL2(ways) => in_domain(&mut now.rdt.get_or_insert_default().l2, ways.domain, ways.mask),
            Change::RdtMb(limit) => in_domain(&mut now.rdt.get_or_insert_default().mb, limit.domain, limit.value),
            // Pages that move are seen in what is measured, which the test sets.
            Change::MigratePages(_) => {}
            Change::Release(kind) => release(now, *kind),
        }
    }
}

/// What was there before is not known here: nothing.
fn release(now: &mut InForce, kind: Kind) {
    match kind {
        Kind::CpuQuota => now.cpu_quota = None,
        Kind::CpuShares => now.cpu_shares = None,
        Kind::CpuWeight => now.cpu_weight = None,
        Kind::CpusetCpus => now.cpuset_cpus = None,
        Kind::CpusetMems => now.cpuset_mems = None,
        Kind::CpusetMemoryMigrate => now.cpuset_memory_migrate = None,
        Kind::MemoryHigh => now.memory_high = None,
        Kind::MemoryMax => now.memory_max = None,
        Kind::MemoryLow => now.memory_low = None,
        Kind::IoWeight => now.io_weight = None,
        Kind::RdtGroup => now.rdt = None,
        Kind::RdtL3 => now.rdt.iter_mut().for_each(|rdt| rdt.l3.clear()),
        Kind::RdtL3Code => now.rdt.iter_mut().for_each(|rdt| rdt.l3_code.clear()),
        Kind::RdtL3Data => now.rdt.iter_mut().for_each(|rdt| rdt.l3_data.clear()),
        Kind::RdtL2 => now.rdt.iter_mut().for_each(|rdt| rdt.l2.clear()),
        Kind::RdtMb => now.rdt.iter_mut().for_each(|rdt| rdt.mb.clear()),
        Kind::MigratePages => {}
    }
}

fn in_domain<T>(values: &mut Vec<(u32, T)>, domain: u32, value: T) {
    values.retain(|(known, _)| *known != domain);
    values.push((domain, value));
}

fn set(metrics: &mut Vec<Measured>, name: &str, labels: &[(&str, &str)], kind: MetricKind, value: f64) {
    let labels: Vec<Label> = labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    metrics.retain(|one| one.name != name || one.labels != labels);
    metrics.push(Measured { name: name.into(), labels, kind, value });
}

/// Every series once; those of a metric stand together.
fn series<'a>(measured: impl Iterator<Item = &'a Measured>) -> BTreeMap<(String, Vec<Label>), MetricKind> {
    measured.map(|one| ((one.name.clone(), one.labels.clone()), one.kind)).collect()
}

/// Number of a metric in the catalogue, where it comes to stand unless it does already.
fn metric(catalog: &mut Catalog, name: &str, labels: &[Label], kind: MetricKind, per_task: bool) -> u32 {
    if let Some((number, _)) = catalog.metric(name) {
        return number;
    }
    catalog.metrics.push(MetricInfo {
        name: name.into(),
        help: String::new(),
        kind,
        unit: String::new(),
        levels: labels.iter().map(|(name, _)| name.clone()).collect(),
        per_task,
    });
    u32::try_from(catalog.metrics.len() - 1).unwrap()
}

/// Keys of tasks: the same as long as a task lives, and never another's.
#[derive(Default)]
pub(super) struct Keys {
    keys: HashMap<String, TaskKey>,
    last: u64,
    roster: Roster,
}

impl Keys {
    fn roster(&mut self, scene: &Scene) -> Roster {
        self.keys.retain(|id, _| scene.tasks.iter().any(|task| task.id == *id));
        let tasks: Vec<Arc<Task>> = scene.tasks.iter().map(|task| Arc::new(self.task(task))).collect();
        if tasks != self.roster.tasks || self.roster.version == 0 {
            self.roster = Roster { version: self.roster.version + 1, tasks };
        }
        self.roster.clone()
    }

    fn task(&mut self, task: &SceneTask) -> Task {
        let key = *self.keys.entry(task.id.clone()).or_insert_with(|| {
            self.last += 1;
            TaskKey(self.last)
        });
        Task {
            key,
            id: task.id.clone(),
            name: task.id.clone(),
            labels: task.labels.clone(),
            resources: task.resources.clone(),
            cgroup: format!("/{}", task.id),
            containers: task.containers.clone(),
        }
    }

    /// Key of a task of the last scene.
    pub(super) fn key_of(&self, id: &str) -> TaskKey {
        *self.keys.get(id).unwrap_or_else(|| panic!("the scene has no task {id}"))
    }
}
