//! What was asked for on behalf of tasks, as their orchestrator or the configuration says.

use wca_model::batch::Standing;
use wca_model::{Definition, Roster};

use crate::definitions::{REQUESTED_CPUS, REQUESTED_MEMORY};

/// Resources that are metrics of a task.
static REQUESTED: [(&str, &Definition); 2] = [("cpus", &REQUESTED_CPUS), ("mem", &REQUESTED_MEMORY)];

/// The metrics of all tasks of which something is known, which stand as long as the roster does.
pub(crate) fn of_tasks(roster: &Roster) -> Vec<Standing> {
    let of = |resource: &str| {
        let tasks = roster.tasks.iter().enumerate();
        let values =
            tasks.filter_map(|(row, task)| Some((row, task.resources.iter().find(|(name, _)| name == resource)?.1)));
        values.collect()
    };
    REQUESTED.iter().map(|(resource, metric)| Standing { metric: metric.info(), values: of(resource) }).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use wca_model::{Task, TaskKey};

    use super::*;

    #[test]
    fn what_is_known_of_each_task() {
        let task = |name: &str, resources: &[(&str, f64)]| {
            Arc::new(Task {
                key: TaskKey(1),
                id: name.into(),
                name: format!("{name}-name"),
                labels: vec![],
                resources: resources.iter().map(|(name, value)| ((*name).into(), *value)).collect(),
                cgroup: format!("/{name}"),
                containers: vec![],
            })
        };
        let tasks =
            vec![task("a", &[("cpus", 1.5), ("mem", 2e9), ("disk", 1.0)]), task("b", &[]), task("c", &[("mem", 1.0)])];
        let found: Vec<_> = of_tasks(&Roster { version: 1, tasks })
            .into_iter()
            .map(|standing| (standing.metric.name, standing.metric.per_task, standing.values))
            .collect();
        let expected = [
            ("task_requested_cpus".to_owned(), true, vec![(0, 1.5)]),
            ("task_requested_mem_bytes".to_owned(), true, vec![(0, 2e9), (2, 1.0)]),
        ];
        assert_eq!(found, expected);
    }
}
