//! By what tasks are judged.

use crate::cpi_detector::{Config, Signal};

/// What a sample measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Measure {
    /// Cycles per instruction.
    Cpi,
    /// Part of the time in which processes of the task waited for a processor.
    PsiCpu,
    /// Part of the time in which processes of the task waited for memory.
    PsiMemory,
    /// Seconds per second that the task was kept from processors by its quota, over all processors.
    Throttling,
}

impl Measure {
    /// As in the configuration.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cpi => "cpi",
            Self::PsiCpu => "psi_cpu",
            Self::PsiMemory => "psi_memory",
            Self::Throttling => "throttling",
        }
    }

    /// Metrics that it takes, for people.
    pub(crate) fn takes(self) -> &'static str {
        match self {
            Self::Cpi => "task_cycles and task_instructions",
            Self::PsiCpu => "task_pressure_seconds of cpu",
            Self::PsiMemory => "task_pressure_seconds of memory",
            Self::Throttling => "task_cpu_throttled_seconds",
        }
    }

    /// What `signal` allows, the best first.
    pub(crate) fn allowed(signal: Signal) -> &'static [Self] {
        match signal {
            Signal::Auto => &[Self::Cpi, Self::PsiCpu, Self::Throttling],
            Signal::Cpi => &[Self::Cpi],
            Signal::PsiCpu => &[Self::PsiCpu],
            Signal::PsiMemory => &[Self::PsiMemory],
            Signal::Throttling => &[Self::Throttling],
        }
    }

    /// Below how many cores a sample says nothing. CPI of a task that hardly runs rises for reasons of its own (the
    /// paper), while one that waits or is throttled uses little for that very reason.
    pub(crate) fn minimum_usage(self, config: &Config) -> f64 {
        if self == Self::Cpi { config.minimum_usage } else { 0.0 }
    }

    /// At or below which no sample violates, whatever its group had.
    pub(crate) fn floor(self, config: &Config) -> f64 {
        if self == Self::Cpi { 0.0 } else { config.minimum_pressure }
    }
}
