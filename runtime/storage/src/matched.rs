//! Values of one label against an expression: what each came to is remembered, since ticks bring the same ones again and again.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use wca_pattern::Pattern;

use crate::seldom::Seldom;

/// Values that are remembered, where a tick does not bring more by itself. Further ones take the place of those that no batch has
/// had for the longest time.
const REMEMBERED: usize = 10_000;

/// How long new values of one batch may take. An expression can need some hundredths of a second for a value, and the tick waits
/// for all of them.
const MOST_TIME: Duration = Duration::from_millis(50);

/// What a value has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Match {
    /// It matches.
    Yes,
    /// It does not.
    No,
    /// Nobody knows: it takes too long, or there was no time left for it.
    Unknown,
}

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
    known: Known,
    tick: u64,
    /// What new values of this batch have taken.
    spent: Duration,
    /// Whether nobody knows of a value of this batch.
    is_unknown: bool,
    costly: Seldom,
    left_out: Seldom,
}

/// What is remembered, in two generations: what no batch has had since the younger one was begun is in the older one, and goes
/// when the next one begins. That is between ticks, so that the batches of one take nothing from each other.
#[derive(Debug, Default)]
struct Known {
    younger: HashMap<String, Match>,
    older: HashMap<String, Match>,
}

impl Known {
    fn begin(&mut self) {
        if self.younger.len() >= REMEMBERED {
            self.older = std::mem::take(&mut self.younger);
        }
    }

    fn get(&mut self, value: &str) -> Option<Match> {
        if let Some(known) = self.younger.get(value) {
            return Some(*known);
        }
        let (value, known) = self.older.remove_entry(value)?;
        self.younger.insert(value, known);
        Some(known)
    }
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

    /// Another batch begins, of this tick.
    pub(crate) fn begin(&self, tick: u64) {
        let mut state = self.locked();
        (state.spent, state.is_unknown) = (Duration::ZERO, false);
        if std::mem::replace(&mut state.tick, tick) != tick {
            state.known.begin();
        }
    }

    /// Whether nobody knows of some value of this batch that was asked for.
    pub(crate) fn has_unknown(&self) -> bool {
        self.locked().is_unknown
    }

    /// Whether there was time for all values of this batch.
    pub(crate) fn is_complete(&self) -> bool {
        self.locked().spent < self.most_time
    }

    /// Whether the whole value matches.
    pub(crate) fn of(&self, value: &str) -> Match {
        let mut state = self.locked();
        let found = self.found(&mut state, value);
        state.is_unknown |= found == Match::Unknown;
        found
    }

    fn found(&self, state: &mut State, value: &str) -> Match {
        if let Some(known) = state.known.get(value) {
            return known;
        }
        let (label, most) = (&self.label, self.most_time);
        if state.spent >= most {
            if let Some(times) = state.left_out.count(Instant::now()) {
                tracing::warn!(
                    "FilterStorage: {label}: there are more new values than can be looked at in {most:?}; what has the \
                     others is dropped before they were ({times} times)"
                );
            }
            return Match::Unknown;
        }
        let begun = Instant::now();
        let found = match self.pattern.matches_whole(value) {
            Ok(true) => Match::Yes,
            Ok(false) => Match::No,
            Err(error) => {
                if let Some(times) = state.costly.count(Instant::now()) {
                    tracing::warn!("FilterStorage: {label} {value:?}: {error}; what has it is dropped ({times} times)");
                }
                Match::Unknown
            }
        };
        state.spent += begun.elapsed();
        state.known.younger.insert(value.to_owned(), found);
        found
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::Match::{No, Unknown, Yes};
    use super::*;

    fn matched(pattern: &str) -> Matched {
        Matched::new("zone", Pattern::new(pattern).unwrap())
    }

    #[test]
    fn a_value_is_looked_at_once() {
        let matched = matched("web-.*");
        assert_eq!((matched.of("web-1"), matched.of("api-1")), (Yes, No));
        // What is remembered counts, whatever the expression would say.
        matched.locked().known.younger.insert("api-1".into(), Yes);
        assert_eq!(matched.of("api-1"), Yes);
    }

    #[test]
    fn no_more_is_remembered_than_the_last_batch_had_and_what_there_is_room_for() {
        let matched = matched("[0-9]*");
        for tick in 0..5 * REMEMBERED as u64 {
            matched.begin(tick);
            assert_eq!(matched.of(&tick.to_string()), Yes);
        }
        let state = matched.locked();
        assert!(state.known.younger.len() + state.known.older.len() <= 2 * REMEMBERED);
    }

    #[test]
    fn a_batch_of_more_values_than_are_remembered_forgets_none_of_its_own() {
        // Each new value takes all the time that there is, so that a batch gets on by one.
        let matched = Matched::within(Duration::from_nanos(1), "zone", Pattern::new("[0-9]*").unwrap());
        let all: Vec<String> = (0..REMEMBERED + 10).map(|number| number.to_string()).collect();
        for value in &all[..REMEMBERED + 5] {
            matched.locked().known.younger.insert(value.clone(), Yes);
        }
        for tick in 5..=10 {
            matched.begin(tick as u64);
            let known = all.iter().filter(|value| matched.of(value) == Yes).count();
            assert_eq!(known, (REMEMBERED + tick + 1).min(all.len()), "tick {tick}");
            // Another batch of the same tick takes nothing away, as one of anomalies beside that of metrics.
            matched.begin(tick as u64);
            matched.of("other");
        }
    }

    #[test]
    fn new_values_cost_a_batch_no_more_than_its_time_and_the_rest_comes_later() {
        // Each value takes all the time that there is.
        let matched = Matched::within(Duration::from_nanos(1), "zone", Pattern::new("[abc]").unwrap());
        for (tick, expected) in (1..).zip([[Yes, Unknown, Unknown], [Yes, Yes, Unknown], [Yes, Yes, Yes]]) {
            matched.begin(tick);
            assert_eq!(["a", "b", "c"].map(|value| matched.of(value)), expected, "tick {tick}");
            assert!(!matched.is_complete());
            assert_eq!(matched.has_unknown(), expected.contains(&Unknown));
        }
        matched.begin(4);
        assert!(matched.of("c") == Yes && matched.is_complete(), "what is known takes no time");
    }
}
