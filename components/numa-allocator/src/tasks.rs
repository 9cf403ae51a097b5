//! What is kept of each task while it lives.

use std::collections::HashMap;

use wca_guest::now::{RosterChange, Task};
use wca_guest::types::{Key, Label};

use crate::attempts::Attempts;
use crate::pages::ToMove;

/// Labels that the runtime sets itself.
const RESERVED: [&str; 1] = ["host"];

/// A node that a task has since this allocator has asked for it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placed {
    /// The kernel's number of the node.
    pub(crate) node: u32,
    /// Whether it would have it: the agent runs in shadow mode.
    pub(crate) is_shadow: bool,
}

/// One task.
#[derive(Default)]
pub(crate) struct Kept {
    /// Its name, for the log.
    pub(crate) name: String,
    /// Labels of the metrics about it.
    pub(crate) labels: Vec<Label>,
    /// Bytes that it has asked for (`mem`), where an orchestrator knows.
    pub(crate) requested: Option<f64>,
    /// The node that was asked for last, until it is known what became of that.
    pub(crate) asked: Option<u32>,
    /// The node that it has.
    pub(crate) placed: Option<Placed>,
    /// What failed.
    pub(crate) attempts: Attempts,
    /// Whether its memory is to be given back, since it did not get the node, or has lost it.
    pub(crate) gives_memory_back: bool,
    /// Pages that were to be moved.
    pub(crate) to_move: ToMove,
}

impl Kept {
    fn describe(&mut self, task: Task) {
        let own = [("task_id", &task.id), ("task_name", &task.name)];
        self.labels = own.map(|(name, value)| (name.to_owned(), value.clone())).into();
        for label in task.labels {
            if !RESERVED.contains(&label.0.as_str()) && self.labels.iter().all(|known| known.0 != label.0) {
                self.labels.push(label);
            }
        }
        let mem = task.resources.iter().find(|(name, _)| name == "mem");
        self.requested = mem.map(|(_, bytes)| *bytes).filter(|bytes| bytes.is_finite());
        self.name = task.name;
    }
}

/// All tasks, by key: one that begins under the name of another that has ended has nothing of it.
#[derive(Default)]
pub(crate) struct Tasks(HashMap<Key, Kept>);

impl Tasks {
    pub(crate) fn update(&mut self, change: RosterChange) {
        for key in change.departed {
            self.0.remove(&key);
        }
        for task in change.arrived {
            self.0.entry(task.key).or_default().describe(task);
        }
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut Kept> {
        self.0.get_mut(&key)
    }

    pub(crate) fn get(&self, key: Key) -> Option<&Kept> {
        self.0.get(&key)
    }
}
