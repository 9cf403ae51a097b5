//! The tasks of this snapshot: how large each may get, where its pages are, and which node it has.

use wca_guest::types::Key;
use wca_guest::{now, plan};

use crate::columns;
use crate::machine::Machine;
use crate::numa::Config;
use crate::pages::Pages;
use crate::requests::Binding;
use crate::tasks::{Kept, Tasks};

/// Pages of tasks on each node.
pub(crate) const PAGES: &str = "task_mem_numa_pages";
/// What says how large a task may get where nobody has said what it asked for: the first that says something.
const LIMITS: [&str; 4] =
    ["task_mem_limit_bytes", "task_mem_soft_limit_bytes", "task_mem_max_usage_bytes", "task_mem_usage_bytes"];

/// A task of this snapshot.
pub(crate) struct Row {
    pub(crate) key: Key,
    /// Its place in the snapshot.
    pub(crate) at: usize,
    /// Bytes that it may have; 0 where nobody knows.
    pub(crate) limit: f64,
    pub(crate) pages: Pages,
    /// The node that it has, as a place in the machine's list.
    pub(crate) node: Option<usize>,
}

impl Row {
    /// The greatest part of its pages on one node.
    pub(crate) fn pages_most(&self) -> f64 {
        (0..self.pages.on.len()).map(|node| self.pages.part(node)).fold(0.0, f64::max)
    }
}

/// All tasks, the largest first; of those of one size in the order of the snapshot.
pub(crate) fn rows(tasks: &mut Tasks, machine: &Machine, config: &Config) -> Vec<Row> {
    let pages = columns::of_tasks(PAGES);
    let limits = LIMITS.map(columns::undivided);
    let mut rows = Vec::new();
    for (at, key) in now::keys().into_iter().enumerate() {
        let Some(kept) = tasks.get_mut(key) else { continue };
        let measured = limits.iter().filter_map(|column| column.get(at).copied());
        let limit = kept.requested.or_else(|| limit(measured, machine.memory)).unwrap_or(0.0);
        let (pages, node) = (pages_of(at, &pages, machine), node(key, kept, machine, config));
        rows.push(Row { key, at, limit, pages, node });
    }
    rows.sort_by(|one, other| other.limit.total_cmp(&one.limit));
    rows
}

/// The first that is no more than the machine has: a greater one limits nothing. 0 says nothing either: without a setting, that is
/// what `memory.low` of cgroup v2 has, which stands for the soft limit.
fn limit(mut measured: impl Iterator<Item = f64>, memory: f64) -> Option<f64> {
    measured.find(|bytes| *bytes > 0.0 && *bytes <= memory)
}

fn pages_of(row: usize, columns: &[(u32, Vec<f64>)], machine: &Machine) -> Pages {
    let mut pages = Pages { on: vec![0.0; machine.nodes.len()], total: 0.0 };
    for (id, column) in columns {
        let count = column.get(row).copied().filter(|count| count.is_finite()).unwrap_or(0.0);
        pages.total += count;
        if let Some(node) = machine.at(*id) {
            pages.on[node] += count;
        }
    }
    pages
}

/// The node that a task has: that whose processors it has, whoever gave it them; else the one that it was given here, where what is
/// in force does not say otherwise.
fn node(key: Key, kept: &mut Kept, machine: &Machine, config: &Config) -> Option<usize> {
    let cpus = plan::cpus_in_force(key);
    if let Some(node) = machine.with_cpus(&cpus) {
        if let Some(placed) = &mut kept.placed
            && !placed.is_shadow
        {
            // Who else has moved it has moved it from the memory that it was bound to here.
            placed.node = machine.nodes[node].id;
        }
        return Some(node);
    }
    let binding = Binding::of(config);
    if binding == Binding::Memory
        && machine.nodes.len() > 1
        && let [only] = plan::mems_in_force(key).as_slice()
    {
        return machine.at(*only);
    }
    let placed = kept.placed?;
    let at = machine.at(placed.node)?;
    let has_it = placed.is_shadow
        || match binding {
            // A part of its processors: the rest is not there for the task, or was taken away.
            Binding::Processors => cpus.iter().all(|cpu| machine.nodes[at].cpus.contains(cpu)),
            // Others too, as long as pages have not moved away from them.
            Binding::Memory => plan::mems_in_force(key).contains(&placed.node),
            Binding::Pages | Binding::Nothing => true,
        };
    if has_it {
        return Some(at);
    }
    kept.placed = None;
    // Until it has a node again, that of the old one is no better than another.
    kept.gives_memory_back = binding == Binding::Processors;
    None
}
