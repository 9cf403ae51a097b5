//! How the tasks of a node are found, from what the file says.

use wca_config::{MetricNames, NodeChoice, Runner};
use wca_node::{CgroupNode, Discovery, Globs, ResourceValue, StaticNode};

use crate::labels::Generators;
use crate::roster::View;

/// The view of a runner's `node` and labels; the error is what cannot be used.
pub(crate) fn view(runner: &Runner) -> Result<View, String> {
    let measurement = runner.measurement();
    let generators = Generators::new(&measurement.task_label_generators)?;
    Ok(View {
        discovery: discovery(&measurement.node, &generators)?,
        labels: measurement.extra_labels.clone(),
        has_machine_labels: measurement.include_optional_labels,
        has_first_names: measurement.metric_names == MetricNames::Original,
        generators,
        heeds_kubelet: runner.control().is_some(),
    })
}

fn discovery(node: &NodeChoice, generators: &Generators) -> Result<Box<dyn Discovery>, String> {
    match node {
        NodeChoice::Static(node) => Ok(Box::new(static_node(node, generators))),
        NodeChoice::Cgroup(node) => {
            let globs = |patterns: &[String]| Globs::new(patterns).map_err(|error| error.to_string());
            let cgroups = if node.paths.is_empty() { Globs::all() } else { globs(&node.paths)? };
            Ok(Box::new(CgroupNode { cgroups, exclude: globs(&node.exclude)?, labels: node.labels.clone() }))
        }
        NodeChoice::Mesos(_) => Err("`!MesosNode`: this version of WCA does not have it yet".into()),
        NodeChoice::Kubernetes(_) => Err("`!KubernetesNode`: this version of WCA does not have it yet".into()),
    }
}

fn static_node(node: &wca_config::StaticNode, generators: &Generators) -> StaticNode {
    let resources = node.default_resources.iter().map(|(name, value)| {
        let value = match value {
            wca_config::ResourceValue::Text(text) => ResourceValue::Text(text.clone()),
            wca_config::ResourceValue::Integer(number) => ResourceValue::Integer(*number),
            wca_config::ResourceValue::Number(number) => ResourceValue::Number(*number),
        };
        (name.clone(), value)
    });
    let default_resources: Vec<_> = resources.collect();
    for (name, value) in &default_resources {
        if value.number().is_none() && !generators.read_resource(name) {
            tracing::warn!("StaticNode: the resource {name:?} is left out: \"{value}\" is no number");
        }
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
