//! The catalogue: which metrics are measured here, and which column holds what.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::metric::{Label, MetricInfo};

/// One column of a task metric, or one value of a metric of the machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Index into [`Catalog::metrics`].
    pub metric: u32,
    /// Its labels, for instance `numa_node`; empty where the metric is not divided.
    pub labels: Vec<Label>,
}

/// What the values of a snapshot mean. All series of one metric stand together.
///
/// The values of a snapshot lie in one slice: column `c` of `rows` tasks at `c * rows .. (c + 1) * rows` for every entry of
/// `columns`, and after them one value for every entry of `platform`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Catalog {
    /// Changes when anything else here does.
    pub version: u64,
    /// The metrics.
    pub metrics: Vec<MetricInfo>,
    /// The columns of task metrics.
    pub columns: Vec<Series>,
    /// The values of the machine.
    pub platform: Vec<Series>,
}

impl Catalog {
    /// Number of values of a snapshot with `rows` tasks.
    #[must_use]
    pub fn value_count(&self, rows: usize) -> usize {
        self.columns.len() * rows + self.platform.len()
    }

    /// A metric by its name.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<(u32, &MetricInfo)> {
        let at = self.metrics.iter().position(|metric| metric.name == name)?;
        Some((u32::try_from(at).ok()?, &self.metrics[at]))
    }

    /// The columns of a task metric; empty where nobody measures it.
    #[must_use]
    pub fn columns_of(&self, name: &str) -> Range<usize> {
        self.range_of(name, true, &self.columns)
    }

    /// The platform values of a metric; empty where nobody measures it.
    #[must_use]
    pub fn platform_of(&self, name: &str) -> Range<usize> {
        self.range_of(name, false, &self.platform)
    }

    fn range_of(&self, name: &str, per_task: bool, series: &[Series]) -> Range<usize> {
        let Some((metric, _)) = self.metric(name).filter(|(_, info)| info.per_task == per_task) else {
            return 0..0;
        };
        let Some(start) = series.iter().position(|one| one.metric == metric) else { return 0..0 };
        let length = series[start..].iter().take_while(|one| one.metric == metric).count();
        start..start + length
    }
}
