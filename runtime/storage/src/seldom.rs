//! What happens again and again: it is said the first time, and then now and again.

use std::time::{Duration, Instant};

/// How long nothing is said of what was said just now.
const SILENCE: Duration = Duration::from_secs(60);

/// Counts what happens between the times at which it is said.
#[derive(Debug, Default)]
pub(crate) struct Seldom {
    said: Option<Instant>,
    unsaid: u64,
}

impl Seldom {
    /// It has happened; how often since it was said last, where it is to be said now.
    pub(crate) fn count(&mut self, now: Instant) -> Option<u64> {
        self.unsaid += 1;
        if self.said.is_some_and(|said| now.saturating_duration_since(said) < SILENCE) {
            return None;
        }
        self.said = Some(now);
        Some(std::mem::take(&mut self.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_at_once_and_then_once_in_a_while_with_its_number() {
        let (mut seldom, start) = (Seldom::default(), Instant::now());
        let seconds = [0, 1, 2, 59, 60, 61, 300];
        let said = seconds.map(|seconds| seldom.count(start + Duration::from_secs(seconds)));
        assert_eq!(said, [Some(1), None, None, None, Some(4), None, Some(2)]);
    }
}
