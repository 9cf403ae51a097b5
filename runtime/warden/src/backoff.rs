//! When an agent that died is started again.

use std::time::Duration;

use crate::config::Restart;

/// Deaths in a row.
#[derive(Debug)]
pub(crate) struct Backoff {
    restart: Restart,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(restart: Restart) -> Self {
        Self { restart, next: Duration::ZERO }
    }

    /// The wait before the next start, after an agent that lived so long.
    pub(crate) fn after(&mut self, lived: Duration) -> Duration {
        if lived >= self.restart.healthy {
            self.next = Duration::ZERO;
        }
        let wait = self.next;
        self.next = (wait * 2).clamp(self.restart.first, self.restart.most);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_begin_anew_after_health() {
        let mut backoff = Backoff::new(Restart::default());
        let short = Duration::from_secs(1);
        let waits: Vec<u128> = (0..11).map(|_| backoff.after(short).as_millis()).collect();
        assert_eq!(waits, [0, 100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000]);
        assert_eq!(backoff.after(Duration::from_secs(60)), Duration::ZERO);
        assert_eq!(backoff.after(short), Duration::from_millis(100));
    }
}
