//! When something is tried again that did not work.

/// What could not be opened is tried again, ever more rarely.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Retry {
    left: u32,
    pause: u32,
    is_pending: bool,
}

/// Longest pause in readings between two tries.
const LONGEST_PAUSE: u32 = 64;

impl Retry {
    /// Something is missing: it is tried again after a pause, twice as long as the last one.
    pub(crate) fn later(&mut self) {
        self.pause = (self.pause * 2).clamp(1, LONGEST_PAUSE);
        *self = Self { left: self.pause, pause: self.pause, is_pending: true };
    }

    /// Whether it was tried in vain more than once.
    pub(crate) fn is_again(self) -> bool {
        self.pause > 1
    }

    /// Something was never tried: it is at the next reading.
    pub(crate) fn at_once(&mut self) {
        *self = Self { left: 1, pause: 0, is_pending: true };
    }

    /// Nothing is missing.
    pub(crate) fn done(&mut self) {
        *self = Self::default();
    }

    /// Whether it is time; counts the reading.
    pub(crate) fn is_due(&mut self) -> bool {
        if !self.is_pending {
            return false;
        }
        self.left = self.left.saturating_sub(1);
        self.left == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_tried_ever_more_rarely() {
        let mut retry = Retry::default();
        assert!((0..10).all(|_| !retry.is_due()), "nothing is missing");
        let mut waits = Vec::new();
        for _ in 0..9 {
            retry.later();
            assert_eq!(retry.is_again(), !waits.is_empty());
            waits.push((1..).find(|_| retry.is_due()).unwrap());
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 64, 64]);
        retry.done();
        assert!(!retry.is_due());
    }
}
