//! Time that only goes on.

/// Seconds that this policy has lived, by the times of snapshots. A clock that is set back stands still for a tick.
#[derive(Default)]
pub(crate) struct Clock {
    last: Option<f64>,
    seconds: f64,
}

impl Clock {
    /// Goes on to a snapshot's time, in seconds since 1970.
    pub(crate) fn advance(&mut self, timestamp: f64) -> f64 {
        if let Some(last) = self.last {
            self.seconds += (timestamp - last).max(0.0);
        }
        self.last = Some(timestamp);
        self.seconds
    }
}
