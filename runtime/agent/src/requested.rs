//! What was asked for on behalf of tasks, as their orchestrator or the configuration says.

use wca_model::{Definition, Roster, Sample, Task};

use crate::definitions::{REQUESTED_CPUS, REQUESTED_MEMORY};

/// Resources that are metrics of a task.
static REQUESTED: [(&str, &Definition); 2] = [("cpus", &REQUESTED_CPUS), ("mem", &REQUESTED_MEMORY)];

/// The metrics of all tasks of which something is known.
pub(crate) fn of_tasks(roster: &Roster) -> Vec<Sample> {
    roster.tasks.iter().filter(|task| !task.resources.is_empty()).flat_map(|task| of_task(task)).collect()
}

fn of_task(task: &Task) -> impl Iterator<Item = Sample> {
    REQUESTED.iter().filter_map(|(resource, metric)| {
        let (_, value) = task.resources.iter().find(|(name, _)| name == resource)?;
        let mut labels = task.labels.clone();
        labels.retain(|(name, _)| name != "task_id" && name != "task_name");
        labels.push(("task_id".into(), task.id.clone()));
        labels.push(("task_name".into(), task.name.clone()));
        Some(metric.labelled(labels, *value))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use wca_model::TaskKey;

    use super::*;

    #[test]
    fn what_is_known_of_each_task_with_its_labels() {
        let task = |name: &str, resources: &[(&str, f64)]| {
            Arc::new(Task {
                key: TaskKey(1),
                id: name.into(),
                name: format!("{name}-name"),
                labels: vec![("app".into(), "x".into()), ("task_id".into(), "forged".into())],
                resources: resources.iter().map(|(name, value)| ((*name).into(), *value)).collect(),
                cgroup: format!("/{name}"),
                containers: vec![],
            })
        };
        let tasks =
            vec![task("a", &[("cpus", 1.5), ("mem", 2e9), ("disk", 1.0)]), task("b", &[]), task("c", &[("mem", 1.0)])];
        let found: Vec<String> = of_tasks(&Roster { version: 1, tasks })
            .iter()
            .map(|sample| {
                let labels: Vec<_> = sample.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
                format!("{} {} {}", sample.name, labels.join(","), sample.value)
            })
            .collect();
        assert_eq!(
            found,
            [
                "task_requested_cpus app=x,task_id=a,task_name=a-name 1.5",
                "task_requested_mem_bytes app=x,task_id=a,task_name=a-name 2000000000",
                "task_requested_mem_bytes app=x,task_id=c,task_name=c-name 1",
            ]
        );
    }
}
