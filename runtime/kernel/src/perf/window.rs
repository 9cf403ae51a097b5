//! Counting for a part of the time only, where counting always would cost too much.

use std::time::{Duration, Instant};

/// Whether counters count always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PerfWindow {
    /// They do, unless tasks times processors are more than 2,000: then 10 of every 60 seconds.
    #[default]
    Automatic,
    /// They do.
    Always,
    /// They count for so long, of every so long.
    Part {
        /// How long they count.
        counted: Duration,
        /// From the begin of one time to the begin of the next.
        every: Duration,
    },
}

/// Above how many counted tasks times processors counters have a window by themselves.
const MANY: usize = 2_000;

impl PerfWindow {
    /// The window for so many counted tasks on so many processors: how long of every how long; none: always.
    pub(crate) fn of(self, tasks: usize, cpus: usize) -> Option<(Duration, Duration)> {
        match self {
            Self::Automatic if tasks.saturating_mul(cpus) > MANY => {
                Some((Duration::from_secs(10), Duration::from_secs(60)))
            }
            Self::Automatic | Self::Always => None,
            Self::Part { counted, every } => Some((counted, every)),
        }
    }
}

/// What one reading does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Counters count: they are read.
    Read,
    /// Counters stood still: they count from now on, and what is read is where they begin.
    Begin,
    /// Counters are read, and stand still from then on.
    End,
    /// Counters stand still and are not read.
    Rest,
}

/// Where in its window a reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Window {
    /// Nothing was read yet.
    New,
    /// Counting since then.
    Counting(Instant),
    /// Standing still; the last window began then.
    Resting {
        began: Instant,
        /// Whether a reading has passed over since the window ended.
        has_rested: bool,
    },
}

impl Window {
    /// Whether counters count now.
    pub(crate) fn is_on(self) -> bool {
        !matches!(self, Self::Resting { .. })
    }

    /// What the reading of this moment does, where `part` is the window, or none.
    ///
    /// At least one reading is left out between two windows. Without it, the values at the end of one and the begin of the
    /// next would look as if nothing had happened between them.
    pub(crate) fn turn(&mut self, now: Instant, part: Option<(Duration, Duration)>) -> Turn {
        let (turn, next) = match (*self, part) {
            (Self::New, _) => (Turn::Read, Self::Counting(now)),
            (Self::Counting(began), Some((counted, _))) if now.duration_since(began) >= counted => {
                (Turn::End, Self::Resting { began, has_rested: false })
            }
            (Self::Counting(began), _) => (Turn::Read, Self::Counting(began)),
            (Self::Resting { began, has_rested: true }, Some((_, every))) if now.duration_since(began) >= every => {
                (Turn::Begin, Self::Counting(now))
            }
            (Self::Resting { has_rested: true, .. }, None) => (Turn::Begin, Self::Counting(now)),
            (Self::Resting { began, .. }, _) => (Turn::Rest, Self::Resting { began, has_rested: true }),
        };
        *self = next;
        turn
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// Turns of readings every so many seconds, a letter each.
    fn turns(seconds: u64, count: u32, part: Option<(u64, u64)>) -> String {
        let part = part.map(|(counted, every)| (Duration::from_secs(counted), Duration::from_secs(every)));
        let start = Instant::now();
        let mut window = Window::New;
        let turn = |at: u32| match window.turn(start + Duration::from_secs(seconds) * at, part) {
            Turn::Read => 'r',
            Turn::Begin => 'B',
            Turn::End => 'E',
            Turn::Rest => '.',
        };
        (0..count).map(turn).collect()
    }

    #[rstest]
    #[case::always(1, None, "rrrrrrrrrr")]
    #[case::a_part(1, Some((3, 6)), "rrrE..BrrE..BrrE")]
    #[case::longer_apart_than_the_window(10, Some((3, 20)), "rE.BE.BE")]
    #[case::hardly_any_pause(1, Some((2, 2)), "rrE.BrE.Br")]
    fn windows(#[case] seconds: u64, #[case] part: Option<(u64, u64)>, #[case] expected: &str) {
        assert_eq!(turns(seconds, u32::try_from(expected.len()).unwrap(), part), expected);
    }

    #[test]
    fn a_window_that_is_given_up_ends() {
        let start = Instant::now();
        let mut window = Window::Resting { began: start, has_rested: false };
        assert!(!window.is_on());
        assert_eq!(window.turn(start, None), Turn::Rest);
        assert_eq!(window.turn(start, None), Turn::Begin);
        assert!(window.is_on());
        assert_eq!(window.turn(start + Duration::from_secs(99), None), Turn::Read);
    }

    #[rstest]
    #[case(PerfWindow::Automatic, 500, 4, None)]
    #[case(PerfWindow::Automatic, 501, 4, Some((10, 60)))]
    #[case(PerfWindow::Always, 501, 4, None)]
    #[case(PerfWindow::Part { counted: Duration::from_secs(1), every: Duration::from_secs(2) }, 1, 1, Some((1, 2)))]
    fn many_tasks_have_a_window(
        #[case] window: PerfWindow,
        #[case] tasks: usize,
        #[case] cpus: usize,
        #[case] expected: Option<(u64, u64)>,
    ) {
        let expected = expected.map(|(counted, every)| (Duration::from_secs(counted), Duration::from_secs(every)));
        assert_eq!(window.of(tasks, cpus), expected);
    }
}
