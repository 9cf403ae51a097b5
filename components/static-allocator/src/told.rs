//! What the operator was told, so that he is not told it in every tick.

use std::collections::BTreeSet;

use wca_guest::log;
use wca_guest::types::Key;

/// Reasons that are told of one value of one task: one that differs in each tick is no news after that.
const REASONS: usize = 3;

/// Troubles that are kept, over all tasks.
const MOST: usize = 10_000;

/// Troubles that were told: of which task, of which value, and why.
#[derive(Default)]
pub(crate) struct Told {
    all: BTreeSet<(Key, String, String)>,
    is_full: bool,
}

impl Told {
    /// Whether a trouble is to be told, which then counts as told.
    pub(crate) fn is_new(&mut self, task: Key, value: &str, why: &str) -> bool {
        let first = (task, value.to_owned(), String::new());
        let known = self.all.range(first..).take_while(|(of, known, _)| *of == task && known == value);
        if known.clone().any(|(_, _, known)| known == why) || known.count() >= REASONS {
            return false;
        }
        if self.all.len() >= MOST {
            if !std::mem::replace(&mut self.is_full, true) {
                log::warn!(
                    "there are {MOST} troubles with values of tasks: further ones are not told until the rules change"
                );
            }
            return false;
        }
        self.all.insert((task, value.to_owned(), why.to_owned()))
    }

    /// A task has ended.
    pub(crate) fn forget(&mut self, task: Key) {
        self.all.retain(|(of, ..)| *of != task);
    }

    /// There are other rules.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}
