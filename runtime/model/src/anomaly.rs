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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rstest::rstest;

    use super::*;
    use crate::task::Roster;
    use crate::testing::{catalog, roster};

    /// The tasks 1, 2, 3 and 10, which are `task1` and so on, with these labels besides `app="db"`.
    fn snapshot(labels: &[(u64, &str, &str)]) -> Snapshot {
        let Roster { version, tasks } = roster(&[1, 2, 3, 10]);
        let tasks: Vec<Arc<Task>> = tasks
            .into_iter()
            .map(|task| {
                let of_task = labels.iter().filter(|(key, ..)| *key == task.key.0);
                let more = of_task.map(|(_, name, value)| ((*name).to_owned(), (*value).to_owned()));
                Arc::new(Task { labels: task.labels.iter().cloned().chain(more).collect(), ..(*task).clone() })
            })
            .collect();
        let (roster, values) = (Arc::new(Roster { version, tasks }), Arc::new(vec![0.0; 5]));
        Snapshot::new(1, 1.0, roster, Arc::new(catalog()), Arc::default(), values, None).unwrap()
    }

    fn contention(victim: u64, culprits: &[u64]) -> Contention {
        Contention {
            about: Contended::Cache,
            victim: TaskKey(victim),
            culprits: culprits.iter().copied().map(TaskKey).collect(),
            evidence: vec![],
        }
    }

    fn evidence(name: &str, labels: &[(&str, &str)]) -> Sample {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Sample { name: name.into(), labels, value: 2.0, kind: MetricKind::Gauge, help: String::new() }
    }

    /// Labels as `name=value`, sorted.
    fn labels(sample: &Sample) -> Vec<String> {
        let mut labels: Vec<String> = sample.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        labels.sort_unstable();
        labels
    }

    // Each by `python3 -c 'import hashlib, uuid; print(uuid.UUID(bytes=hashlib.sha256(b"task1,task2").digest()[:16]))'`.
    const OF_TWO: &str = "5bdfd040-7b06-f3f7-379a-d77e879a763a";
    const OF_THREE: &str = "4a0e6059-72ec-173c-cc80-3c5a0dba906a";

    #[rstest]
    #[case::two(1, &[2], OF_TWO)]
    #[case::the_other_way_round(2, &[1], OF_TWO)]
    #[case::three(1, &[2, 3], OF_THREE)]
    #[case::in_another_order(1, &[3, 2], OF_THREE)]
    #[case::in_another_role(3, &[1, 2], OF_THREE)]
    #[case::alone(1, &[], "943be81e-2033-6c53-de2c-8ab40991839c")]
    #[case::sorted_as_text(2, &[10], "ad7fd7cc-94bf-bf13-986d-1e8a2c0e7fca")]
    #[case::without_one_that_ended(1, &[9, 2], OF_TWO)]
    fn the_same_tasks_have_the_same_uuid(#[case] victim: u64, #[case] culprits: &[u64], #[case] expected: &str) {
        let contention = contention(victim, culprits);
        assert_eq!(contention.uuid(&snapshot(&[])), expected);
        let other = Contention { about: Contended::Cpus, evidence: vec![evidence("x", &[])], ..contention };
        assert_eq!(other.uuid(&snapshot(&[(1, "a", "b")])), expected, "of whatever they contend for");
    }

    #[test]
    fn each_culprit_has_a_series_with_the_labels_of_the_victim() {
        let snapshot =
            snapshot(&[(1, "tier", "gold"), (1, "workload_instance", "victim"), (3, "workload_instance", "w3")]);
        let found = contention(1, &[2, 3]).metrics(&snapshot, &[]);
        let expected = |culprit: &str, workload: &str| {
            vec![
                "app=db".to_owned(),
                "contended_task_id=task1".to_owned(),
                format!("contending_task_id={culprit}"),
                format!("contending_workload_instance={workload}"),
                "resource=cache".to_owned(),
                "task_id=task1".to_owned(),
                "task_name=name1".to_owned(),
                "tier=gold".to_owned(),
                "type=contention".to_owned(),
                format!("uuid={OF_THREE}"),
                "workload_instance=victim".to_owned(),
            ]
        };
        assert_eq!(
            found.iter().map(labels).collect::<Vec<_>>(),
            [expected("task2", "workload not found"), expected("task3", "w3")]
        );
        for sample in &found {
            assert_eq!((sample.name.as_str(), sample.kind), ("anomaly", MetricKind::Counter));
            assert_eq!(sample.value.to_bits(), 1.0_f64.to_bits());
        }
    }

    #[rstest]
    #[case(Contended::MemoryBandwidth, "resource=memory bandwidth")]
    #[case(Contended::Cache, "resource=cache")]
    #[case(Contended::Cpus, "resource=cpus")]
    #[case(Contended::ThermalPower, "resource=thermal design power")]
    #[case(Contended::Unknown, "resource=unknown resource")]
    fn resources(#[case] about: Contended, #[case] expected: &str) {
        let found = Contention { about, ..contention(1, &[2]) }.metrics(&snapshot(&[]), &[]);
        assert!(labels(&found[0]).iter().any(|label| label == expected), "{found:?}");
    }

    #[test]
    fn without_culprits_there_is_its_evidence_alone() {
        let evidence = vec![evidence("cpi", &[("type", "theirs"), ("core", "3")]), evidence("limit", &[])];
        let found = Contention { evidence, ..contention(1, &[]) }.metrics(&snapshot(&[]), &[]);
        let uuid = "uuid=943be81e-2033-6c53-de2c-8ab40991839c";
        let names: Vec<&str> = found.iter().map(|sample| sample.name.as_str()).collect();
        assert_eq!(names, ["cpi", "limit"]);
        assert_eq!(labels(&found[0]), ["contended_task_id=task1", "core=3", "type=anomaly", uuid]);
        assert_eq!(labels(&found[1]), ["contended_task_id=task1", "type=anomaly", uuid]);
        assert!(
            found.iter().all(|sample| sample.kind == MetricKind::Gauge && sample.value.to_bits() == 2.0_f64.to_bits())
        );
    }

    #[test]
    fn evidence_comes_after_the_series_of_its_culprits_with_the_same_uuid() {
        let found =
            Contention { evidence: vec![evidence("cpi", &[])], ..contention(2, &[1]) }.metrics(&snapshot(&[]), &[]);
        let names: Vec<&str> = found.iter().map(|sample| sample.name.as_str()).collect();
        assert_eq!(names, ["anomaly", "cpi"]);
        assert!(found.iter().all(|sample| labels(sample).contains(&format!("uuid={OF_TWO}"))), "{found:?}");
    }

    #[test]
    fn tasks_that_nobody_knows_are_left_out() {
        let snapshot = snapshot(&[]);
        let with = |victim, culprits| Contention { evidence: vec![evidence("x", &[])], ..contention(victim, culprits) };
        let names = |contention: Contention| -> Vec<String> {
            contention.metrics(&snapshot, &[]).into_iter().map(|sample| sample.name).collect()
        };
        assert_eq!(names(with(9, &[1])), [""; 0], "a victim that nobody knows");
        assert_eq!(names(with(1, &[9, 2])), ["anomaly", "x"], "a culprit that nobody knows");
        assert_eq!(names(with(1, &[9])), ["x"]);
    }

    #[test]
    fn labels_that_everything_has_are_not_overwritten_by_those_of_the_victim() {
        let snapshot = snapshot(&[(1, "host", "of the task"), (1, "tier", "gold")]);
        let found = contention(1, &[2]).metrics(&snapshot, &[("host".into(), "h".into())]);
        let labels = labels(&found[0]);
        assert!(labels.iter().any(|label| label == "tier=gold"), "{labels:?}");
        assert!(labels.iter().all(|label| !label.starts_with("host=")), "{labels:?}");
    }
}
