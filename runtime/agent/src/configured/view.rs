//! How the tasks of a node are found, from what the file says.

use wca_config::{Measurement, MetricNames, NodeChoice};
use wca_node::{CgroupNode, Discovery, Globs, ResourceValue, StaticNode, numbers};

use crate::roster::View;

/// The view of a runner's `node` and labels; the error is what cannot be used.
pub(crate) fn view(measurement: &Measurement) -> Result<View, String> {
    Ok(View {
        discovery: discovery(&measurement.node)?,
        labels: measurement.extra_labels.clone(),
        has_first_names: measurement.metric_names == MetricNames::Original,
    })
}

fn discovery(node: &NodeChoice) -> Result<Box<dyn Discovery>, String> {
    match node {
        NodeChoice::Static(node) => Ok(Box::new(static_node(node))),
        NodeChoice::Cgroup(node) => {
            let globs = |patterns: &[String]| Globs::new(patterns).map_err(|error| error.to_string());
            let cgroups = if node.paths.is_empty() { Globs::all() } else { globs(&node.paths)? };
            Ok(Box::new(CgroupNode { cgroups, exclude: globs(&node.exclude)?, labels: node.labels.clone() }))
        }
        NodeChoice::Mesos(_) => Err("`!MesosNode`: this version of WCA does not have it yet".into()),
        NodeChoice::Kubernetes(_) => Err("`!KubernetesNode`: this version of WCA does not have it yet".into()),
    }
}

fn static_node(node: &wca_config::StaticNode) -> StaticNode {
    let resources = node.default_resources.iter().map(|(name, value)| {
        let value = match value {
            wca_config::ResourceValue::Text(text) => ResourceValue::Text(text.clone()),
            #[allow(clippy::cast_precision_loss, reason = "resources beyond 2^53 are rounded, as all metrics are")]
            wca_config::ResourceValue::Integer(number) => ResourceValue::Number(*number as f64),
            wca_config::ResourceValue::Number(number) => ResourceValue::Number(*number),
        };
        (name.clone(), value)
    });
    let (default_resources, notices) = numbers(resources);
    for notice in notices {
        tracing::warn!("StaticNode: {notice}");
    }
    StaticNode {
        tasks: node.tasks.clone(),
        require_pids: node.require_pids,
        default_labels: node.default_labels.clone(),
        tasks_labels: node.tasks_labels.iter().cloned().collect(),
        default_resources,
        directory: node.directory.clone(),
    }
}
