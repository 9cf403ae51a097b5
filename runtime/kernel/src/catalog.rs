//! What the values of a sampler mean.

use wca_model::{Catalog, Label, Series};

use crate::cgroup::plan::Plan;
use crate::families::Families;
use crate::machine::{Machine, MachineMetric};
use crate::metrics::{MACHINE, Metric, TASKS};

/// The catalogue of what is read now: metrics of which there is no series are left out.
pub(crate) fn catalog(version: u64, plan: &Plan, machine: &Machine, families: &Families) -> Catalog {
    let mut catalog = Catalog { version, ..Catalog::default() };
    for metric in MACHINE.iter().chain(TASKS) {
        // The tables are a few dozen rows long.
        let Ok(index) = u32::try_from(catalog.metrics.len()) else { continue };
        let series = |labels: Vec<&str>| {
            let levels = metric.levels.iter().copied();
            Series { metric: index, labels: named(levels, labels) }
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
    for metric in families.metrics() {
        let Ok(index) = u32::try_from(catalog.metrics.len()) else { continue };
        if metric.series.is_empty() {
            continue;
        }
        let levels = || metric.info.levels.iter().map(String::as_str);
        let series = metric.series.iter().map(|labels| labels.iter().map(String::as_str));
        let series = series.map(|labels| Series { metric: index, labels: named(levels(), labels) });
        if metric.info.per_task { &mut catalog.columns } else { &mut catalog.platform }.extend(series);
        catalog.metrics.push(metric.info);
    }
    catalog
}

fn named<'a>(levels: impl Iterator<Item = &'a str>, labels: impl IntoIterator<Item = &'a str>) -> Vec<Label> {
    levels.zip(labels).map(|(level, label)| (level.to_owned(), label.to_owned())).collect()
}

fn is_same(one: &Metric, other: &Metric) -> bool {
    one.name == other.name
}
