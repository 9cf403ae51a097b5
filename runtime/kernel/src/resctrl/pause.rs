//! Trying again, ever more rarely.

/// Longest pause between two tries, in ticks.
const LONGEST: u32 = 64;

/// Counts the ticks until something is tried again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pause {
    left: u32,
    last: u32,
}

impl Pause {
    /// Whether it is time; counts the tick.
    pub(super) fn is_over(&mut self) -> bool {
        if self.left == 0 {
            return true;
        }
        self.left -= 1;
        false
    }

    /// It was tried in vain: the next pause is twice as long as the last.
    pub(super) fn lengthen(&mut self) {
        self.last = (self.last * 2).clamp(1, LONGEST);
        self.left = self.last;
    }

    /// It was tried with success, or there is hope again.
    pub(super) fn end(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit() {
        let mut pause = Pause::default();
        let mut pauses = Vec::new();
        for _ in 0..9 {
            pauses.push((0..).take_while(|_| !pause.is_over()).count());
            pause.lengthen();
        }
        assert_eq!(pauses, [0, 1, 2, 4, 8, 16, 32, 64, 64]);
        pause.end();
        assert!(pause.is_over());
    }
}
