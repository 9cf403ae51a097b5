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

    /// Another interval from now on; a tick that is far off comes sooner where the new one is shorter.
    pub(crate) fn set_interval(&mut self, interval: Duration) {
        if interval != self.interval {
            self.interval = interval;
            self.due = self.due.min(Instant::now() + interval);
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

    #[test]
    fn a_tick_that_takes_too_long_costs_the_ticks_that_passed_and_no_burst_follows() {
        let (mut pace, start) = pace();
        assert_eq!(pace.advance(start + Duration::from_millis(3500)), 3);
        assert_eq!(pace.due, start + Duration::from_secs(4));
        assert_eq!(pace.advance(start + Duration::from_millis(4100)), 0);
        assert_eq!(pace.due, start + Duration::from_secs(5));
    }
}
