//! What became of requests.

use std::collections::BTreeSet;

use wca_guest::log;
use wca_guest::plan::{Fate, Outcome};
use wca_guest::releases::{Heard, Releases};
use wca_guest::types::Key;

use crate::attempts::Asked;
use crate::numa::Config;
use crate::requests::{Binding, CPUS, MEMS, MIGRATE};
use crate::tasks::{Kept, Placed, Tasks};

/// Reasons kept at most: more than that, and they are said once more.
const MOST: usize = 1_000;

/// Why requests failed, as far as that was said: what is the matter with all tasks is said of one.
#[derive(Default)]
pub(crate) struct Said(BTreeSet<(String, String)>);

impl Said {
    fn is_new(&mut self, kind: &str, why: &str) -> bool {
        if self.0.len() >= MOST {
            self.0.clear();
        }
        self.0.insert((kind.to_owned(), why.to_owned()))
    }

    /// One of the kind came about: what fails from now on is news.
    fn forget(&mut self, kind: &str) {
        self.0.retain(|(other, _)| other != kind);
    }
}

/// Takes in what became of the requests of the last iteration.
pub(crate) fn hear(
    outcomes: Vec<Outcome>,
    tasks: &mut Tasks,
    releases: &mut Releases,
    config: &Config,
    tick: u64,
    said: &mut Said,
) {
    releases.begin();
    let outcomes: Vec<Outcome> = outcomes.into_iter().filter(|one| !is_of_release(one, tasks, releases)).collect();
    let of_node_is = Binding::of(config).kind();
    let is_lost = |one: &&Outcome| one.kind == of_node_is && matches!(one.fate, Fate::Failed(_) | Fate::Reverted(_));
    // Of a node that a task did not get, nothing else matters.
    let lost: BTreeSet<Key> = outcomes.iter().filter(is_lost).map(|one| one.task).collect();
    for Outcome { task, kind, fate, .. } in outcomes {
        let Some(kept) = tasks.get_mut(task) else { continue };
        // What was in force may be undone later, too.
        let asked = (kind == of_node_is).then(|| kept.asked.take()).flatten();
        let undone = matches!(fate, Fate::Reverted(_)) && kind == of_node_is;
        let node = asked.or_else(|| kept.placed.map(|placed| placed.node).filter(|_| undone));
        match (node, kind.as_str()) {
            (Some(node), _) => of_node(kept, of_node_is, node, fate, tick, said),
            (None, _) if lost.contains(&task) => {}
            (None, MEMS) => of_other(kept, Asked::Memory, MEMS, fate, tick, said),
            (None, MIGRATE) => of_other(kept, Asked::Pages, MIGRATE, fate, tick, said),
            (None, kind) => log::debug!("{kind} of {}: {fate:?}", kept.name),
        }
    }
}

/// Whether this is what became of a release.
fn is_of_release(outcome: &Outcome, tasks: &Tasks, releases: &mut Releases) -> bool {
    let heard = releases.hear(outcome);
    if let (Some(Heard::Postponed { is_news: true }), Fate::Failed(why), Some(kept)) =
        (heard, &outcome.fate, tasks.get(outcome.task))
    {
        log::warn!("{}: {} was not given back, which is tried again: {why}", kept.name, outcome.kind);
    }
    heard.is_some()
}

/// What makes the node that of the task.
fn of_node(kept: &mut Kept, kind: &str, node: u32, fate: Fate, tick: u64, said: &mut Said) {
    match fate {
        Fate::Applied | Fate::Unchanged | Fate::Adjusted(_) => {
            kept.placed = Some(Placed { node, is_shadow: false });
            kept.attempts.succeeded(Asked::Node(node));
            said.forget(kind);
        }
        Fate::Shadowed => kept.placed = Some(Placed { node, is_shadow: true }),
        Fate::Failed(why) | Fate::Reverted(why) => {
            kept.placed = None;
            // Memory of one node and processors of another would be the worst of both.
            kept.gives_memory_back = kind == CPUS;
            failed(kept, Asked::Node(node), kind, &why, tick, said);
        }
    }
}

/// Memory of its node alone, or pages that are to move there.
fn of_other(kept: &mut Kept, asked: Asked, kind: &str, fate: Fate, tick: u64, said: &mut Said) {
    match fate {
        // Whether a list of nodes that waits for pages is in force one day shows there.
        Fate::Adjusted(_) if asked == Asked::Memory => {
            kept.attempts.failed(asked, tick);
        }
        Fate::Applied | Fate::Unchanged | Fate::Adjusted(_) => {
            kept.attempts.succeeded(asked);
            said.forget(kind);
        }
        Fate::Shadowed => {}
        Fate::Failed(why) | Fate::Reverted(why) => failed(kept, asked, kind, &why, tick, said),
    }
}

/// A request came to nothing. It is said where that is news, and is not made again at once.
pub(crate) fn failed(kept: &mut Kept, asked: Asked, kind: &str, why: &str, tick: u64, said: &mut Said) {
    let is_first = kept.attempts.failed(asked, tick);
    let name = &kept.name;
    let place = match asked {
        Asked::Node(node) => format!(" for NUMA node {node}"),
        Asked::Memory | Asked::Pages => String::new(),
    };
    if is_first && said.is_new(kind, why) {
        log::warn!("{name}: {kind}{place} came to nothing, and is asked for less and less often: {why}");
    } else {
        log::debug!("{name}: {kind}{place} came to nothing: {why}");
    }
}
