//! Values of one label against an expression: what each came to is remembered, since ticks bring the same ones again and again.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use wca_pattern::Pattern;

use crate::seldom::Seldom;

/// Values that are remembered; further ones begin anew.
const REMEMBERED: usize = 10_000;

/// How long new values of one batch may take. An expression can need some hundredths of a second for a value, and the tick waits
/// for all of them.
const MOST_TIME: Duration = Duration::from_millis(50);

/// A label with the expression that its values must match.
#[derive(Debug)]
pub(crate) struct Matched {
    label: String,
    pattern: Pattern,
    /// How long new values of one batch may take.
    most_time: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    known: HashMap<String, bool>,
    /// What new values of this batch have taken.
    spent: Duration,
    costly: Seldom,
    left_out: Seldom,
}

impl Matched {
    pub(crate) fn new(label: &str, pattern: Pattern) -> Self {
        Self::within(MOST_TIME, label, pattern)
    }

    pub(crate) fn within(most_time: Duration, label: &str, pattern: Pattern) -> Self {
        Self { label: label.into(), pattern, most_time, state: Mutex::default() }
    }

    /// The label.
    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    /// Another batch begins.
    pub(crate) fn begin(&self) {
        self.locked().spent = Duration::ZERO;
    }

    /// Whether there was time for all values of this batch.
    pub(crate) fn is_complete(&self) -> bool {
        self.locked().spent < self.most_time
    }

    /// Whether the whole value matches. One that takes too long does not, and neither does one for which there is no time left.
    pub(crate) fn takes(&self, value: &str) -> bool {
        let mut state = self.locked();
        if let Some(known) = state.known.get(value) {
            return *known;
        }
        let (label, most) = (&self.label, self.most_time);
        if state.spent >= most {
            if let Some(times) = state.left_out.count(Instant::now()) {
                tracing::warn!(
                    "FilterStorage: {label}: there are more new values than can be looked at in {most:?}; what has the \
                     others is not passed on before they were ({times} times)"
                );
            }
            return false;
        }
        let begun = Instant::now();
        let matches = self.pattern.matches_whole(value).unwrap_or_else(|error| {
            if let Some(times) = state.costly.count(Instant::now()) {
                tracing::warn!(
                    "FilterStorage: {label} {value:?}: {error}; what has it is not passed on ({times} times)"
                );
            }
            false
        });
        state.spent += begun.elapsed();
        if state.known.len() >= REMEMBERED {
            state.known.clear();
        }
        state.known.insert(value.to_owned(), matches);
        matches
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matched(pattern: &str) -> Matched {
        Matched::new("zone", Pattern::new(pattern).unwrap())
    }

    #[test]
    fn a_value_is_looked_at_once() {
        let matched = matched("web-.*");
        assert!(matched.takes("web-1") && !matched.takes("api-1"));
        // What is remembered counts, whatever the expression would say.
        matched.locked().known.insert("api-1".into(), true);
        assert!(matched.takes("api-1"));
    }

    #[test]
    fn no_more_is_remembered_than_there_is_room_for() {
        let matched = matched("[0-9]*");
        for number in 0..=REMEMBERED {
            matched.begin();
            assert!(matched.takes(&number.to_string()));
        }
        assert_eq!(matched.locked().known.len(), 1);
    }

    #[test]
    fn new_values_cost_a_batch_no_more_than_its_time_and_the_rest_comes_later() {
        // Each value takes all the time that there is.
        let matched = Matched::within(Duration::from_nanos(1), "zone", Pattern::new("[abc]").unwrap());
        for (batch, expected) in [[true, false, false], [true, true, false], [true, true, true]].into_iter().enumerate()
        {
            matched.begin();
            assert_eq!(["a", "b", "c"].map(|value| matched.takes(value)), expected, "batch {batch}");
            assert!(!matched.is_complete());
        }
        matched.begin();
        assert!(matched.takes("c") && matched.is_complete(), "what is known takes no time");
    }
}
