//! Anomalies: what a detector tells the operator.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::definition::Definition;
use crate::metric::{Label, MetricKind, Sample};
use crate::snapshot::Snapshot;
use crate::task::{Task, TaskKey};

/// What tasks contend for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Contended {
    /// Memory bandwidth.
    MemoryBandwidth,
    /// Last level cache.
    Cache,
    /// Processor time.
    Cpus,
    /// Thermal design power.
    ThermalPower,
    /// Something else.
    Unknown,
}

impl Contended {
    /// The value of the label `resource`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MemoryBandwidth => "memory bandwidth",
            Self::Cache => "cache",
            Self::Cpus => "cpus",
            Self::ThermalPower => "thermal design power",
            Self::Unknown => "unknown resource",
        }
    }
}

/// `victim` suffers from contention for `about`, caused by `culprits`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contention {
    /// What they contend for.
    pub about: Contended,
    /// Who suffers.
    pub victim: TaskKey,
    /// Who causes it; may be empty.
    pub culprits: Vec<TaskKey>,
    /// Metrics that are stored with it.
    pub evidence: Vec<Sample>,
}

/// One series for each task that contends with another.
pub static ANOMALY: Definition = Definition::of_policy(
    "anomaly",
    "Anomaly detected on a task; one series for each task that contends with it.",
    MetricKind::Counter,
    "numeric",
)
.by(&["contended_task_id", "contending_task_id", "contending_workload_instance", "resource", "type", "uuid"]);

impl Contention {
    /// Text of the first 16 bytes of SHA-256 over the comma-joined sorted ids of all tasks involved, in the form of
    /// RFC 4122: the same tasks in any role have the same uuid.
    #[must_use]
    pub fn uuid(&self, snapshot: &Snapshot) -> String {
        let mut ids: Vec<&str> = std::iter::once(&self.victim)
            .chain(&self.culprits)
            .filter_map(|key| snapshot.task(*key))
            .map(|task| task.id.as_str())
            .collect();
        ids.sort_unstable();
        let digest = Sha256::digest(ids.join(",").as_bytes());
        let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        [&hex[0..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..32]].join("-")
    }

    /// As metrics: one `anomaly` for each culprit with the victim's labels, and the evidence. A contention without
    /// culprits has its evidence alone. Tasks that ended since are left out, and so are labels of the victim that are among
    /// the `common` ones, which everything has.
    #[must_use]
    pub fn metrics(&self, snapshot: &Snapshot, common: &[Label]) -> Vec<Sample> {
        let Some(victim) = snapshot.task(self.victim) else { return Vec::new() };
        let uuid = self.uuid(snapshot);
        let anomalies = self
            .culprits
            .iter()
            .filter_map(|key| snapshot.task(*key))
            .map(|culprit| anomaly(self.about, victim, culprit, &uuid, common));
        let evidence = self.evidence.iter().cloned().map(|mut sample| {
            set(&mut sample.labels, "contended_task_id", &victim.id);
            set(&mut sample.labels, "uuid", &uuid);
            set(&mut sample.labels, "type", "anomaly");
            sample
        });
        anomalies.chain(evidence).collect()
    }
}

fn anomaly(about: Contended, victim: &Task, culprit: &Task, uuid: &str, common: &[Label]) -> Sample {
    let workload = culprit.labels.iter().find(|(name, _)| name == "workload_instance");
    let mut labels: Vec<Label> = vec![
        ("contended_task_id".into(), victim.id.clone()),
        ("contending_task_id".into(), culprit.id.clone()),
        ("contending_workload_instance".into(), workload.map_or("workload not found", |(_, name)| name).into()),
        ("resource".into(), about.as_str().into()),
        ("type".into(), "contention".into()),
        ("uuid".into(), uuid.into()),
    ];
    set(&mut labels, "task_id", &victim.id);
    set(&mut labels, "task_name", &victim.name);
    for (name, value) in victim.labels.iter().filter(|(name, _)| common.iter().all(|(known, _)| known != name)) {
        set(&mut labels, name, value);
    }
    ANOMALY.labelled(labels, 1.0)
}

/// Sets a label, replacing one of the same name.
pub fn set(labels: &mut Vec<Label>, name: &str, value: &str) {
    match labels.iter_mut().find(|(known, _)| known == name) {
        Some((_, known)) => value.clone_into(known),
        None => labels.push((name.to_owned(), value.to_owned())),
    }
}
