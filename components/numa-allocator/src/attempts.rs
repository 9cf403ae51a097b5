//! Requests of a task that came to nothing: they are made again, but later each time.

use std::collections::BTreeMap;

/// Iterations between two attempts at most.
const LONGEST: u64 = 64;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Asked {
    /// The node of this number.
    Node(u32),
    /// Memory of its node alone.
    Memory,
    /// That pages move.
    Pages,
}

struct Attempt {
    in_a_row: u32,
    not_before: u64,
}

/// What has failed of one task, and did not succeed since.
#[derive(Default)]
pub(crate) struct Attempts(BTreeMap<Asked, Attempt>);

impl Attempts {
    /// Whether it may be asked for in this iteration.
    pub(crate) fn may(&self, asked: Asked, tick: u64) -> bool {
        self.0.get(&asked).is_none_or(|attempt| tick >= attempt.not_before)
    }

    /// It came to nothing: it is left alone for 2 iterations, then for 4, 8 and so on; true for the first time in a row.
    pub(crate) fn failed(&mut self, asked: Asked, tick: u64) -> bool {
        let attempt = self.0.entry(asked).or_insert(Attempt { in_a_row: 0, not_before: 0 });
        attempt.in_a_row = attempt.in_a_row.saturating_add(1);
        let wait = 1_u64.checked_shl(attempt.in_a_row).unwrap_or(LONGEST).min(LONGEST);
        attempt.not_before = tick.saturating_add(wait);
        attempt.in_a_row == 1
    }

    /// It came about.
    pub(crate) fn succeeded(&mut self, asked: Asked) {
        match asked {
            Asked::Node(_) => self.0.retain(|other, _| !matches!(other, Asked::Node(_))),
            other => {
                self.0.remove(&other);
            }
        }
    }

    /// Failures in a row of what that is true of.
    pub(crate) fn in_a_row(&self, of: impl Fn(Asked) -> bool) -> u32 {
        self.0.iter().filter(|(asked, _)| of(**asked)).map(|(_, attempt)| attempt.in_a_row).sum()
    }
}
