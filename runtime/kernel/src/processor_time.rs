//! Processor time of the caller (clock_gettime(2)).

use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};

/// Processor time of this thread since it began.
#[must_use]
pub fn thread_time() -> Duration {
    duration(clock_gettime(ClockId::ThreadCPUTime))
}

/// Processor time of all threads of this process since it began.
#[must_use]
pub fn process_time() -> Duration {
    duration(clock_gettime(ClockId::ProcessCPUTime))
}

fn duration(time: Timespec) -> Duration {
    Duration::try_from(time).unwrap_or_default()
}
