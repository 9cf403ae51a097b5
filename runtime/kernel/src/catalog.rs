//! What the values of a sampler mean.

use wca_model::{Catalog, Series};

use crate::cgroup::plan::Plan;
use crate::machine::{Machine, MachineMetric};
use crate::metrics::{MACHINE, Metric, TASKS};

/// The catalogue of what is read now: metrics of which there is no series are left out.
pub(crate) fn catalog(version: u64, plan: &Plan, machine: &Machine) -> Catalog {
    let mut catalog = Catalog { version, ..Catalog::default() };
    for metric in MACHINE.iter().chain(TASKS) {
        // The tables are a few dozen rows long.
        let Ok(index) = u32::try_from(catalog.metrics.len()) else { continue };
        let series = |labels: Vec<&str>| {
            let labels = metric.levels.iter().zip(labels).map(|(level, label)| ((*level).into(), label.into()));
            Series { metric: index, labels: labels.collect() }
        };
        let before = catalog.columns.len() + catalog.platform.len();
        let columns = plan.columns.iter().filter(|column| is_same(column.metric, metric));
        catalog.columns.extend(columns.map(|column| series(column.labels.iter().map(String::as_str).collect())));
        let read = machine.metrics.iter().filter(|read| is_same(read.metric, metric));
        catalog.platform.extend(read.flat_map(MachineMetric::labels).map(series));
        if catalog.columns.len() + catalog.platform.len() > before {
            catalog.metrics.push(metric.info());
        }
    }
    catalog
}

fn is_same(one: &Metric, other: &Metric) -> bool {
    one.name == other.name
}
