//! What storing costs of processor time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// What a storage has spent of processor time.
#[derive(Debug, Default)]
pub struct Work {
    rendering: AtomicU64,
    writing: AtomicU64,
}

/// A kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Making text of numbers.
    Rendering,
    /// Handing the text to the kernel.
    Writing,
}

impl Work {
    /// Does what `work` does, which neither waits nor changes threads, and counts what it took.
    pub fn count<T>(&self, part: Part, work: impl FnOnce() -> T) -> T {
        let begun = thread_time();
        let result = work();
        let took = thread_time().saturating_sub(begun);
        self.of(part).fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        result
    }

    /// What was spent so far.
    #[must_use]
    pub fn spent(&self, part: Part) -> Duration {
        Duration::from_nanos(self.of(part).load(Ordering::Relaxed))
    }

    fn of(&self, part: Part) -> &AtomicU64 {
        match part {
            Part::Rendering => &self.rendering,
            Part::Writing => &self.writing,
        }
    }
}

/// Processor time of this thread since it began (clock_gettime(2)).
#[must_use]
pub fn thread_time() -> Duration {
    time(ClockId::ThreadCPUTime)
}

/// Processor time of all threads of this process since it began.
#[must_use]
pub fn process_time() -> Duration {
    time(ClockId::ProcessCPUTime)
}

fn time(clock: ClockId) -> Duration {
    Duration::try_from(clock_gettime(clock)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_is_counted_under_its_kind() {
        let work = Work::default();
        let sum: u64 = work.count(Part::Rendering, || (0..1_000_000u64).map(std::hint::black_box).sum());
        assert_eq!(sum, 499_999_500_000);
        let spent = work.spent(Part::Rendering);
        assert!(spent > Duration::ZERO && spent <= thread_time(), "{spent:?}");
        assert_eq!(work.spent(Part::Writing), Duration::ZERO);
    }
}
