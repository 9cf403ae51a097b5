//! When files that rest are read all the same.

use std::time::Duration;

/// When files that rest are read all the same: each once in every so often, and not all of them at one tick.
#[derive(Debug)]
pub(crate) struct Turns {
    every: Duration,
    /// When this tick began, since 1970.
    pub now: Duration,
}

impl Turns {
    /// Every so often; zero is at each tick.
    pub(crate) fn new(every: Duration) -> Self {
        Self { every, now: Duration::ZERO }
    }

    pub(crate) fn set(&mut self, every: Duration) {
        self.every = every;
    }

    /// A tick begins, so many seconds after 1970.
    pub(crate) fn tick(&mut self, time: f64) {
        self.now = Duration::try_from_secs_f64(time).unwrap_or_default();
    }

    /// How long ago that was. The clock may have been put back since: then it was just now.
    pub(crate) fn since(&self, then: Duration) -> Duration {
        self.now.saturating_sub(then)
    }

    /// In which turn it is for cgroups of this lot, a part of 2^32 of the time between two; none where each tick is one.
    pub(crate) fn turn(&self, lot: u32) -> Option<u64> {
        let every = u64::try_from(self.every.as_nanos()).ok().filter(|every| *every > 0)?;
        let ahead = (u128::from(every) * u128::from(lot)) >> u32::BITS;
        u64::try_from((self.now.as_nanos() + ahead) / u128::from(every)).ok()
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::from_the_first(0, &[0.0, 9.9, 10.0, 19.9, 20.0], &[0, 0, 1, 1, 2])]
    #[case::half_a_turn_ahead(1 << 31, &[0.0, 4.9, 5.0, 14.9, 15.0], &[0, 0, 1, 1, 2])]
    fn each_lot_has_turns_of_its_own(#[case] lot: u32, #[case] times: &[f64], #[case] expected: &[u64]) {
        let mut turns = Turns::new(Duration::from_secs(10));
        let found = times.iter().map(|time| {
            turns.tick(*time);
            turns.turn(lot).unwrap()
        });
        assert_eq!(found.collect::<Vec<_>>(), expected);
        turns.set(Duration::ZERO);
        assert_eq!(turns.turn(lot), None);
    }

    #[rstest]
    #[case(f64::NAN)]
    #[case(-1.0)]
    #[case(f64::INFINITY)]
    fn what_is_no_time_is_1970(#[case] time: f64) {
        let mut turns = Turns::new(Duration::from_secs(10));
        turns.tick(time);
        assert_eq!((turns.now, turns.since(Duration::from_secs(7))), (Duration::ZERO, Duration::ZERO));
    }
}
