//! Which samples of a batch are passed on.

use crate::metric::Label;

/// Chooses samples by the name of their metric and by their labels; both must be taken.
pub trait Choice {
    /// Whether samples of a metric of this name are taken.
    fn takes_name(&self, name: &str) -> bool;

    /// Whether samples with these labels are taken.
    fn takes_labels(&self, labels: &[Label]) -> bool;
}

/// What was chosen of the metrics and the label sets of one roster and catalogue: found out when these change, not per tick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// For each metric in the order in which metrics are written.
    pub(crate) metrics: Vec<bool>,
    /// For each label set.
    pub(crate) sets: Vec<bool>,
}
