//! What the operator is told.

use wca_guest::types::{Refusal, Sample};
use wca_guest::{log, report};

use crate::algorithm::Load;
use crate::attempts::Asked;
use crate::machine::Machine;
use crate::numa::Config;
use crate::requests::{Binding, MEMS, MIGRATE};
use crate::rows::Row;
use crate::tasks::{Kept, Tasks};

/// How the memory of tasks is spread over the nodes.
pub(crate) fn of_nodes(rows: &[Row], load: &Load, machine: &Machine) {
    for (at, node) in machine.nodes.iter().enumerate() {
        let of_node = |sample: Sample| sample.label("numa_node", node.id.to_string());
        #[allow(clippy::cast_precision_loss, reason = "tasks are few")]
        let tasks = rows.iter().filter(|row| row.node == Some(at)).count() as f64;
        tell(of_node(Sample::gauge("numa__balanced_memory_tasks", tasks)).help("Tasks that have this NUMA node."));
        tell(
            of_node(Sample::gauge("numa__balanced_memory_size", load.0[at]))
                .help("Bytes that the tasks of this NUMA node may have."),
        );
    }
    #[allow(clippy::cast_precision_loss, reason = "tasks are few")]
    tell(Sample::gauge("numa__task_tasks_count", rows.len() as f64).help("Tasks that are looked at."));
}

/// Which node each task has.
pub(crate) fn of_tasks(rows: &[Row], tasks: &Tasks, machine: &Machine) {
    for row in rows {
        let Some(kept) = tasks.get(row.key) else { continue };
        let node = row.node.map_or(-1.0, |node| f64::from(machine.nodes[node].id));
        let sample = about(kept, "numa__task_current_node", node);
        tell(sample.help("Number of the NUMA node that the task has, -1 where it has none."));
    }
}

/// Pages that were to be moved, and what failed.
pub(crate) fn of_requests(rows: &[Row], tasks: &Tasks, config: &Config) {
    let binding = Binding::of(config);
    let mut total = 0.0;
    for row in rows {
        let Some(kept) = tasks.get(row.key) else { continue };
        total += kept.to_move.count;
        let sample = about(kept, "numa__task_pages_to_move", kept.to_move.count);
        tell(sample.help("Pages that were to be moved to the task's NUMA node since it is there."));
        let failures = [
            (binding.kind(), kept.attempts.in_a_row(|asked| matches!(asked, Asked::Node(_)))),
            (MEMS, kept.attempts.in_a_row(|asked| asked == Asked::Memory)),
            (MIGRATE, kept.attempts.in_a_row(|asked| asked == Asked::Pages)),
        ];
        for (kind, count) in failures.into_iter().filter(|(_, count)| *count > 0) {
            let sample = about(kept, "numa__task_failures", f64::from(count)).label("allocation_type", kind);
            tell(sample.help("Requests for the task that came to nothing in a row, or wait for pages."));
        }
    }
    tell(Sample::gauge("numa__total_pages_to_move", total).help("The same of all tasks that live."));
}

fn about(kept: &Kept, name: &str, value: f64) -> Sample {
    Sample { labels: kept.labels.clone(), ..Sample::gauge(name, value) }
}

/// A metric that the runtime does not take is its own matter: it counts it, and says which.
fn tell(sample: Sample) {
    if let Err(why) = report::metric(&sample)
        && why != Refusal::TooMany
    {
        log::debug!("{}: {}", sample.name, why.text());
    }
}
