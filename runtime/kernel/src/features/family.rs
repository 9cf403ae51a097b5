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
    formula: "1 where it is there, else 0; looked at when measuring begins and when the machine has changed, and every 300 \
              readings, or 30 where tasks come and go",
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
    /// Readings since then.
    readings: u32,
    /// Whether tasks came or went since then: who starts some may have enabled a controller for them.
    has_other_tasks: bool,
}

/// Readings from one look to the next, and where tasks came or went.
const READINGS: (u32, u32) = (300, 30);

impl Features {
    pub(crate) fn new(roots: &Roots) -> Self {
        let (found, values) = (Vec::new(), Vec::new());
        let mut features = Self { roots: roots.clone(), found, values, readings: 0, has_other_tasks: false };
        features.look();
        features
    }

    fn look(&mut self) {
        (self.readings, self.has_other_tasks) = (0, false);
        self.found = features(&self.roots);
        self.values = self.found.iter().map(|feature| f64::from(u8::from(feature.is_available()))).collect();
    }
}

impl Family for Features {
    fn metrics(&self) -> Vec<FamilyMetric> {
        let series = self.found.iter().map(|one| vec![one.name.to_owned(), one.reason.as_str().to_owned()]);
        vec![FamilyMetric { info: AVAILABLE.info(), series: series.collect() }]
    }

    fn set_tasks(&mut self, _: &[TaskCgroups]) {
        self.has_other_tasks = true;
    }

    fn machine_changed(&mut self) -> bool {
        let before = std::mem::take(&mut self.found);
        self.look();
        before.iter().map(|one| one.reason).ne(self.found.iter().map(|one| one.reason))
    }

    fn read(&mut self, _: &mut Moment<'_>) -> bool {
        self.readings += 1;
        self.readings >= if self.has_other_tasks { READINGS.1 } else { READINGS.0 } && self.machine_changed()
    }

    fn columns(&self) -> &[f64] {
        &[]
    }

    fn platform(&self) -> &[f64] {
        &self.values
    }
}
