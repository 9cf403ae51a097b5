//! What a counter says that shared the processor's counters with others.

/// How long a group was meant to count and how long it did, in nanoseconds since it was opened.
///
/// Only what lies between two readings means something: for a cgroup either can start anywhere, and neither begins at 0
/// on every kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Times {
    /// While it was on and its task ran on that processor.
    pub enabled: u64,
    /// While it had a counter besides.
    pub running: u64,
}

/// What happened between two readings of a group on a processor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Interval {
    /// The task did not run there.
    Idle,
    /// The group counted; each count stands for so many.
    Counted(f64),
    /// The task ran, but others had the counters all the time.
    Waiting,
    /// The times make no sense: nothing is known of what lies between.
    Unknown,
}

impl Interval {
    /// Between two readings.
    pub(crate) fn between(before: Times, now: Times) -> Self {
        let enabled = now.enabled.checked_sub(before.enabled);
        let running = now.running.checked_sub(before.running);
        match (enabled, running) {
            (Some(0), Some(0)) => Self::Idle,
            (Some(_), Some(0)) => Self::Waiting,
            (Some(enabled @ 1..), Some(running)) => Self::Counted((enabled as f64 / running as f64).max(1.0)),
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::v56(200, 100, Interval::Counted(2.0))]
    #[case::v56(0, 0, Interval::Idle)]
    #[case::v56(0, 100, Interval::Unknown)]
    #[case::v56(100, 0, Interval::Waiting)]
    #[case::v56(200, 200, Interval::Counted(1.0))]
    #[case::counts_do_not_shrink(99, 100, Interval::Counted(1.0))]
    fn between_two_readings(#[case] enabled: u64, #[case] running: u64, #[case] expected: Interval) {
        // Where both began does not matter.
        for start in [0, 7_868_038_749] {
            let before = Times { enabled: start, running: start / 2 };
            let now = Times { enabled: start + enabled, running: start / 2 + running };
            assert_eq!(Interval::between(before, now), expected);
        }
    }

    #[rstest]
    #[case(50, 150)]
    #[case(150, 50)]
    fn times_that_go_back_say_nothing(#[case] enabled: u64, #[case] running: u64) {
        let before = Times { enabled: 100, running: 100 };
        assert_eq!(Interval::between(before, Times { enabled, running }), Interval::Unknown);
    }
}
