//! Pages of a task: on which nodes they are, and how many were to be moved.

use crate::rounding::to_digits;

/// Where the pages of a task are.
pub(crate) struct Pages {
    /// On each node of the machine's list.
    pub(crate) on: Vec<f64>,
    /// On all nodes, those too that no task can have.
    pub(crate) total: f64,
}

impl Pages {
    /// Part of the pages that is on a node, with four digits.
    pub(crate) fn part(&self, node: usize) -> f64 {
        to_digits(self.on[node] / self.total.max(1.0), 4)
    }

    /// Pages on other nodes.
    pub(crate) fn elsewhere(&self, node: usize) -> f64 {
        self.total - self.on[node]
    }
}

/// Pages that were to be moved since the task was first seen, each counted once.
#[derive(Default)]
pub(crate) struct ToMove {
    pub(crate) count: f64,
    /// The node to which they were to move last, and how many were elsewhere then and still are, at most.
    asked: Option<(u32, f64)>,
}

impl ToMove {
    /// So many pages are elsewhere than on that node now: those that have arrived are on their way no more.
    pub(crate) fn see(&mut self, node: u32, elsewhere: f64) {
        if let Some((asked, left)) = &mut self.asked
            && *asked == node
        {
            *left = left.min(elsewhere);
        }
    }

    /// They were asked to move to a node. Those that were asked before and are not there yet are not counted again.
    pub(crate) fn ask(&mut self, node: u32, elsewhere: f64) {
        let known = self.asked.filter(|(asked, _)| *asked == node).map_or(0.0, |(_, left)| left);
        self.count += (elsewhere - known).max(0.0);
        self.asked = Some((node, elsewhere));
    }
}
