//! Whether the kernel lets this process count at all.

use perf_event_open_sys::bindings::{
    PERF_COUNT_HW_CPU_CYCLES, PERF_COUNT_SW_CPU_CLOCK, PERF_TYPE_HARDWARE, PERF_TYPE_SOFTWARE,
};
use rustix::io::Errno;

use crate::perf::event::Encoding;
use crate::perf::sys::{Place, open};
use crate::perf::trouble::meaning;

/// An event of which a machine that counts its kind has this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trial {
    /// Of the kernel itself: the clock of a processor.
    Software,
    /// Of the processor: its cycles.
    Hardware,
}

/// Why a trial failed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// What perf_event_open(2) failed with.
    pub errno: Errno,
    /// What the kernel meant by it.
    pub reason: String,
    /// What can be done about it.
    pub remedy: &'static str,
}

impl From<Errno> for Refused {
    fn from(errno: Errno) -> Self {
        let (reason, remedy) = meaning(errno);
        Self { errno, reason, remedy }
    }
}

impl Trial {
    /// Opens a counter of everything that a processor does, which never counts, and closes it. Cores of a hybrid processor
    /// differ, so one of these that takes it is enough.
    ///
    /// # Errors
    /// [`Refused`] with what the last of them said.
    pub(crate) fn attempt(self, cpus: &[u32]) -> Result<(), Refused> {
        let (kind, config) = match self {
            Self::Software => (PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK),
            Self::Hardware => (PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES),
        };
        let encoding = Encoding { kind, config: config.into(), ..Encoding::default() };
        let mut last = Errno::NODEV;
        for cpu in cpus {
            match open(encoding, Place { cgroup: None, cpu: *cpu }, None) {
                Ok(_) => return Ok(()),
                Err(errno) => last = errno,
            }
        }
        Err(Refused::from(last))
    }

    /// What is opened, in words.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Software => "perf_event_open of a software event",
            Self::Hardware => "perf_event_open of a hardware event",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_that_is_not_there_has_no_counter() {
        for trial in [Trial::Software, Trial::Hardware] {
            assert!(trial.attempt(&[u32::MAX]).is_err() && trial.attempt(&[]).is_err(), "{trial:?}");
        }
    }
}
