//! Columns of the snapshot that are divided by NUMA node.

use wca_guest::now;
use wca_guest::types::Label;

/// Values of tasks on each node, in the order of `now.keys`; NaN where there is none.
pub(crate) fn of_tasks(metric: &str) -> Vec<(u32, Vec<f64>)> {
    by_node(metric, now::values(metric))
}

/// Values of the machine on each node.
pub(crate) fn of_machine(metric: &str) -> Vec<(u32, f64)> {
    by_node(metric, now::platform_values(metric))
}

/// Values of tasks of a metric that is not divided; empty where nobody measures it.
pub(crate) fn undivided(metric: &str) -> Vec<f64> {
    now::values(metric).into_iter().next().unwrap_or_default()
}

fn by_node<T>(metric: &str, values: Vec<T>) -> Vec<(u32, T)> {
    let nodes = now::series(metric).into_iter().map(|labels| node(&labels));
    nodes.zip(values).filter_map(|(node, value)| Some((node?, value))).collect()
}

fn node(labels: &[Label]) -> Option<u32> {
    labels.iter().find(|(name, _)| name == "numa_node")?.1.parse().ok()
}
