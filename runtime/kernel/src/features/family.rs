//! Features as a metric.

use wca_model::{Confirmed, Definition, Described, MetricKind, Subject};

use super::{Feature, features};
use crate::family::{Family, FamilyMetric, Moment};
use crate::{Roots, TaskCgroups};

/// Whether the machine has each feature.
const AVAILABLE: Definition = Definition {
    name: "wca_feature_available",
    help: "Whether the machine has what WCA can use, and why not; wca doctor says what would bring it.",
    kind: MetricKind::Gauge,
    unit: "numeric",
    levels: &["feature", "reason"],
    subject: Subject::Machine,
    source: "the file of each feature, as wca doctor names it",
    formula: "1 where it is there, else 0; looked at when measuring begins and when the machine has changed",
    confirmed: &[Confirmed::Machine, Confirmed::TestBed],
};

/// The metric in words.
pub(crate) fn described() -> Vec<Described> {
    vec![AVAILABLE.into()]
}

/// The features of the machine, as they were when it was looked at last.
pub(crate) struct Features {
    roots: Roots,
    found: Vec<Feature>,
    values: Vec<f64>,
}

impl Features {
    pub(crate) fn new(roots: &Roots) -> Self {
        let mut features = Self { roots: roots.clone(), found: Vec::new(), values: Vec::new() };
        features.look();
        features
    }

    fn look(&mut self) {
        self.found = features(&self.roots);
        self.values = self.found.iter().map(|feature| f64::from(u8::from(feature.is_available()))).collect();
    }
}

impl Family for Features {
    fn metrics(&self) -> Vec<FamilyMetric> {
        let series = self.found.iter().map(|one| vec![one.name.to_owned(), one.reason.as_str().to_owned()]);
        vec![FamilyMetric { info: AVAILABLE.info(), series: series.collect() }]
    }

    fn set_tasks(&mut self, _: &[TaskCgroups]) {}

    fn machine_changed(&mut self) -> bool {
        let before = std::mem::take(&mut self.found);
        self.look();
        before.iter().map(|one| one.reason).ne(self.found.iter().map(|one| one.reason))
    }

    fn read(&mut self, _: &mut Moment<'_>) -> bool {
        false
    }

    fn columns(&self) -> &[f64] {
        &[]
    }

    fn platform(&self) -> &[f64] {
        &self.values
    }
}
