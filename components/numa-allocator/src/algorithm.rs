//! Which node a task gets.

use crate::machine::Machine;
use crate::numa::{Algorithm, Config};
use crate::rounding::{to_digits, to_whole};
use crate::rows::Row;

/// Bytes of the tasks on each node, by their limits.
pub(crate) struct Load(pub(crate) Vec<f64>);

impl Load {
    /// Of the tasks that have a node.
    pub(crate) fn of(rows: &[Row], machine: &Machine) -> Self {
        let mut load = Self(vec![0.0; machine.nodes.len()]);
        for row in rows {
            if let Some(node) = row.node {
                load.0[node] += row.limit;
            }
        }
        load
    }
}

/// The node for a task, of those that it may be given; none where the task is to wait.
pub(crate) fn choose(row: &Row, may: &[usize], load: &Load, machine: &Machine, config: &Config) -> Option<usize> {
    let node = match config.algorithm {
        Algorithm::FillBiggestFirst => fill_biggest_first(row, may, load),
        Algorithm::MinimizeMigrations | Algorithm::MinimizeMigration => {
            let is_anywhere = row.pages_most() >= config.loop_min_task_balance;
            is_anywhere.then(|| minimize_migrations(row, may, load, machine)).flatten()
        }
    }?;
    (!config.free_space_check || fits(row, node, machine)).then_some(node)
}

/// The node of whose tasks' memory the task would be the greatest part, with four digits; of several the first.
fn fill_biggest_first(row: &Row, may: &[usize], load: &Load) -> Option<usize> {
    best(may, |node| Some(to_digits(row.limit / (load.0[node] + row.limit), 4))).first().copied()
}

/// A node that has most of its pages and least memory of tasks, each roughly; else most of its pages and most free memory; else least
/// memory of tasks and most free memory; of several the first.
fn minimize_migrations(row: &Row, may: &[usize], load: &Load, machine: &Machine) -> Option<usize> {
    let most_used = best(may, |node| Some(to_whole((1.0 + 1000.0 * row.pages.part(node)).ln())));
    let least_loaded = best(may, |node| Some(-to_digits((load.0[node] + row.limit).log10(), 1)));
    let most_free = best(may, |node| {
        let left = machine.nodes[node].free? - row.limit;
        (left > 0.0).then(|| to_digits(left.log10(), 1))
    });
    let both = |one: &[usize], other: &[usize]| one.iter().copied().find(|node| other.contains(node));
    both(&most_used, &least_loaded).or_else(|| both(&most_used, &most_free)).or_else(|| both(&least_loaded, &most_free))
}

/// The nodes with the greatest score, in their order.
fn best(may: &[usize], score: impl Fn(usize) -> Option<f64>) -> Vec<usize> {
    let scores: Vec<(usize, f64)> = may.iter().filter_map(|node| Some((*node, score(*node)?))).collect();
    let greatest = scores.iter().map(|(_, score)| *score).fold(f64::NEG_INFINITY, f64::max);
    scores.into_iter().filter(|(_, score)| *score >= greatest).map(|(node, _)| node).collect()
}

/// Whether what the task may still put on a node is less than what is free there.
fn fits(row: &Row, node: usize, machine: &Machine) -> bool {
    let comes = row.limit - machine.page * row.pages.on[node];
    machine.nodes[node].free.is_some_and(|free| comes < free)
}
