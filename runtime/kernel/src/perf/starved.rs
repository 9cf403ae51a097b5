//! Groups that could be opened and never count.

use std::time::{Duration, Instant};

use crate::perf::scale::Interval;

/// Since when each group of the layout only waits while tasks run.
#[derive(Default)]
pub(crate) struct Starved {
    since: Vec<Option<Instant>>,
    /// Whether each group counted, or waited, at this reading.
    seen: Vec<(bool, bool)>,
}

/// How long a group may only wait before it is taken not to fit. Others are done with their turn long before.
const PATIENCE: Duration = Duration::from_secs(3);

impl Starved {
    /// So many groups, none of which waits yet.
    pub(crate) fn new(groups: usize) -> Self {
        Self { since: vec![None; groups], seen: vec![(false, false); groups] }
    }

    /// What happened to a group at this reading, for one task on one processor.
    pub(crate) fn see(&mut self, group: usize, interval: Interval) {
        let Some((has_counted, has_waited)) = self.seen.get_mut(group) else { return };
        *has_counted |= matches!(interval, Interval::Counted(_));
        *has_waited |= interval == Interval::Waiting;
    }

    /// Ends a reading; a group that has only waited for too long.
    pub(crate) fn next(&mut self, now: Instant) -> Option<usize> {
        let mut starved = None;
        for (at, (since, seen)) in self.since.iter_mut().zip(&mut self.seen).enumerate() {
            match std::mem::take(seen) {
                (true, _) => *since = None,
                (false, true) => {
                    let begun = since.get_or_insert(now);
                    if now.duration_since(*begun) >= PATIENCE {
                        *since = None;
                        starved = Some(at);
                    }
                }
                (false, false) => {}
            }
        }
        starved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_that_only_waits_is_starved_after_a_while() {
        let start = Instant::now();
        let mut starved = Starved::new(2);
        let mut next = |seconds: u64, first: Interval| {
            starved.see(0, first);
            starved.see(0, Interval::Waiting);
            starved.see(1, Interval::Counted(2.0));
            starved.see(7, Interval::Waiting);
            starved.next(start + Duration::from_secs(seconds))
        };
        assert_eq!(next(0, Interval::Idle), None);
        assert_eq!(next(2, Interval::Waiting), None);
        assert_eq!(next(3, Interval::Counted(9.0)), None, "one task was counted");
        assert_eq!(next(4, Interval::Idle), None);
        assert_eq!(next(6, Interval::Idle), None);
        assert_eq!(next(7, Interval::Idle), Some(0));
        assert_eq!(next(8, Interval::Idle), None, "its halves have time again");
    }
}
