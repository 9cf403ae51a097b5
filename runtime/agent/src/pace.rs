//! The pace of ticks: without drift, and without a burst after one that took too long.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// When the next tick is due.
pub(crate) struct Pace {
    interval: Duration,
    due: Instant,
    overrun: u64,
    left: Option<u64>,
    stop: watch::Receiver<bool>,
}

impl Pace {
    pub(crate) fn new(interval: Duration, ticks: Option<u64>, stop: watch::Receiver<bool>) -> Self {
        Self { interval, due: Instant::now(), overrun: 0, left: ticks, stop }
    }

    /// The interval by which policies' time is reckoned; where ticks follow each other without a wait, a second.
    pub(crate) fn interval(&self) -> Duration {
        if self.interval.is_zero() { Duration::from_secs(1) } else { self.interval }
    }

    /// Ticks that were left out because an earlier one took too long.
    pub(crate) fn overrun(&self) -> u64 {
        self.overrun
    }

    /// Whether no tick is left after this one.
    pub(crate) fn is_last(&self) -> bool {
        self.left.is_some_and(|left| left <= 1)
    }

    /// Sets the next tick; false where none is left.
    pub(crate) fn next(&mut self) -> bool {
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                return false;
            }
        }
        self.overrun += self.advance(Instant::now());
        true
    }

    /// Waits until the next tick is due; false where the agent is to end. Can be given up and begun again.
    pub(crate) async fn due(&mut self) -> bool {
        tokio::time::timeout_at(self.due, self.stop.wait_for(|stop| *stop)).await.is_err()
    }

    /// Waits until the agent is to end.
    pub(crate) async fn stopped(&mut self) {
        // Where the sender has gone, the connection has, and the agent ends too.
        let _ = self.stop.wait_for(|stop| *stop).await;
    }

    /// Another interval from now on; a tick that is far off comes sooner where the new one is shorter.
    pub(crate) fn set_interval(&mut self, interval: Duration) {
        self.set_interval_at(interval, Instant::now());
    }

    fn set_interval_at(&mut self, interval: Duration, now: Instant) {
        if interval != self.interval {
            // Without an interval there was no grid, and the last tick was due whenever it came.
            self.due = if self.interval.is_zero() { now + interval } else { self.due.min(now + interval) };
            self.interval = interval;
        }
    }

    /// Sets the next tick on the grid of the interval after `now`; how many ticks of the grid have passed unused.
    fn advance(&mut self, now: Instant) -> u64 {
        self.due += self.interval;
        if self.due > now || self.interval.is_zero() {
            return 0;
        }
        let late = now - self.due;
        let missed = late.as_nanos() / self.interval.as_nanos() + 1;
        let missed = u32::try_from(missed).unwrap_or(u32::MAX);
        self.due += self.interval * missed;
        u64::from(missed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace() -> (Pace, Instant) {
        let (_sender, stop) = watch::channel(false);
        let pace = Pace::new(Duration::from_secs(1), None, stop);
        let start = pace.due;
        (pace, start)
    }

    #[test]
    fn ticks_stay_on_their_grid() {
        let (mut pace, start) = pace();
        assert_eq!(pace.advance(start + Duration::from_millis(300)), 0);
        assert_eq!(pace.due, start + Duration::from_secs(1));
        assert_eq!(pace.advance(start + Duration::from_millis(1900)), 0);
        assert_eq!(pace.due, start + Duration::from_secs(2));
    }

    /// Vector 109: 1 s, 0.7 s where 0.3 s have passed, 0 after an overrun.
    #[test]
    fn v109_waits_are_what_is_left_of_the_interval() {
        let (mut pace, start) = pace();
        let mut now = start;
        for (took, expected) in [(0, 1000), (300, 700), (1200, 800)] {
            now += Duration::from_millis(took);
            pace.advance(now);
            // After an overrun the next tick is one of the grid, not one at once.
            assert_eq!(pace.due - now, Duration::from_millis(expected));
            now = pace.due;
        }
    }

    #[test]
    fn another_interval_counts_from_the_next_tick_and_a_shorter_one_brings_it_near() {
        for (interval, passed, expected) in [
            (Duration::from_secs(1), 300, 1000),
            (Duration::from_secs(5), 300, 1000),
            (Duration::from_millis(100), 300, 400),
            (Duration::from_millis(100), 950, 1000),
        ] {
            let (mut pace, start) = pace();
            pace.advance(start);
            pace.set_interval_at(interval, start + Duration::from_millis(passed));
            assert_eq!(pace.due, start + Duration::from_millis(expected), "{interval:?} after {passed} ms");
            pace.advance(pace.due);
            assert_eq!(pace.due, start + Duration::from_millis(expected) + interval, "{interval:?} after {passed} ms");
        }
    }

    #[tokio::test]
    async fn ticks_end_with_their_number_or_when_the_agent_is_to_end() {
        let (sender, stop) = watch::channel(false);
        let mut pace = Pace::new(Duration::from_millis(1), Some(2), stop.clone());
        assert!(!pace.is_last() && pace.next() && pace.due().await);
        assert!(pace.is_last() && !pace.next());
        let mut pace = Pace::new(Duration::from_secs(3600), None, stop);
        assert!(pace.next());
        sender.send_replace(true);
        assert!(!pace.due().await);
        pace.stopped().await;
    }

    #[test]
    fn without_an_interval_nothing_is_overrun() {
        let (_sender, stop) = watch::channel(false);
        let mut pace = Pace::new(Duration::ZERO, None, stop);
        let start = pace.due;
        assert_eq!((pace.advance(start + Duration::from_secs(9)), pace.due), (0, start));
        assert_eq!(pace.interval(), Duration::from_secs(1));
        let later = start + Duration::from_secs(3600);
        pace.set_interval_at(Duration::from_secs(2), later);
        assert_eq!((pace.due, pace.advance(later)), (later + Duration::from_secs(2), 0));
    }

    #[test]
    fn a_tick_that_takes_too_long_costs_the_ticks_that_passed_and_no_burst_follows() {
        let (mut pace, start) = pace();
        assert_eq!(pace.advance(start + Duration::from_millis(3500)), 3);
        assert_eq!(pace.due, start + Duration::from_secs(4));
        assert_eq!(pace.advance(start + Duration::from_millis(4100)), 0);
        assert_eq!(pace.due, start + Duration::from_secs(5));
    }
}
