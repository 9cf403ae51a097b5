//! What the operator decides about changes: words that the configuration has and that the code which makes them knows.

use serde::{Deserialize, Serialize};

use crate::request::Kind;

/// Whether anything is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// `shadow`: requests are judged and planned, and nothing is written.
    #[default]
    Shadow,
    /// `apply`: changes are made.
    Apply,
}

/// How CPU shares become weights of cgroup v2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SharesConversion {
    /// `auto`: the formula by which the weights of the task's siblings were made, as far as these tell (see docs/control.md); where
    /// they do not, the kernel's.
    #[default]
    Auto,
    /// `runc-linear`: `1 + (shares - 2) * 9999 / 262142`, of runc before 1.3.2 and of the kubelet before 1.35: 1024 shares are 39.
    RuncLinear,
    /// `kernel`: `shares * 100 / 1024`, by which the kernel shows its shares as weights: 1024 shares are its default weight.
    Kernel,
    /// `runc-2025`: `10^(l^2/612 + 125*l/612 - 7/34)` with `l = log2(shares)`, rounded up, of runc since 1.3.2 (2025): 1024 shares
    /// are 100.
    Runc2025,
}

/// What becomes of the values when WCA ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnExit {
    /// `restore`: they are put back.
    #[default]
    Restore,
    /// `keep`: they stay, for the next start to adopt.
    Keep,
}

/// What becomes of a policy's values when it is left alone after failures, and of all values when the agent has died or fallen
/// silent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// `restore`: they are put back.
    #[default]
    Restore,
    /// `keep`: they stay.
    Keep,
}

/// What is done about a value that somebody else has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnForeignWrite {
    /// `reapply`: it is written again.
    Reapply,
    /// `yield`: it is theirs from now on.
    Yield,
    /// `report`: it is said, and stays as it is until another value is asked for; at the end too it is left to those who wrote it.
    Report,
}

impl OnForeignWrite {
    /// Of a kind that the operator has not named: runtimes reset quotas and shares by themselves, everything else was somebody's wish.
    #[must_use]
    pub fn default_of(kind: Kind) -> Self {
        match kind {
            Kind::CpuQuota | Kind::CpuShares => Self::Reapply,
            _ => Self::Yield,
        }
    }
}

/// What is watched of a protected task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Signal {
    /// `psi_cpu`: part of the time in which some process of the task waited for a processor, 0 to 1.
    PsiCpu,
    /// `psi_memory`: part of the time in which some process of the task waited for memory, 0 to 1.
    PsiMemory,
    /// `cpi`: clock cycles per instruction.
    Cpi,
    /// `throttling`: part of the periods of CPU bandwidth control in which the task had used up its quota, 0 to 1.
    Throttling,
    /// `metric: NAME`: a metric of tasks; of a counter its rate per second, and the sum where it is divided by labels.
    Metric(String),
}

impl Signal {
    /// The names that the configuration has for those that are no metric's.
    pub const NAMES: &[&str] = &["psi_cpu", "psi_memory", "cpi", "throttling"];

    /// By its name in the configuration.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "psi_cpu" => Some(Self::PsiCpu),
            "psi_memory" => Some(Self::PsiMemory),
            "cpi" => Some(Self::Cpi),
            "throttling" => Some(Self::Throttling),
            _ => None,
        }
    }

    /// Its name, in the configuration, in messages and in metrics.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::PsiCpu => "psi_cpu",
            Self::PsiMemory => "psi_memory",
            Self::Cpi => "cpi",
            Self::Throttling => "throttling",
            Self::Metric(name) => name,
        }
    }

    /// Least difference that counts where the operator names none, in the signal's own unit. A metric has any scale, so that it has
    /// none.
    #[must_use]
    pub fn floor(&self) -> f64 {
        match self {
            Self::PsiCpu | Self::PsiMemory | Self::Throttling => 0.05,
            Self::Cpi => 0.1,
            Self::Metric(_) => 0.0,
        }
    }
}

/// Which way a signal goes when its task gets worse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Worse {
    /// `higher`
    #[default]
    Higher,
    /// `lower`
    Lower,
}

/// What a protected task is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CompareWith {
    /// `baseline`: itself, before the changes.
    #[default]
    Baseline,
    /// `peers`: itself before the changes, as far as other protected tasks that nothing was changed of have not changed as well.
    Peers,
}

/// Implements the names of an enum as the configuration has them.
macro_rules! named {
    ($($of:ty: $($variant:ident = $name:literal),+;)+) => {
        $(impl $of {
            /// The names that the configuration has for it.
            pub const NAMES: &[&str] = &[$($name),+];

            /// By its name in the configuration.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)+
                    _ => None,
                }
            }
        })+
    };
}

named! {
    Mode: Shadow = "shadow", Apply = "apply";
    SharesConversion: Auto = "auto", Kernel = "kernel", RuncLinear = "runc-linear", Runc2025 = "runc-2025";
    OnExit: Restore = "restore", Keep = "keep";
    OnFailure: Restore = "restore", Keep = "keep";
    OnForeignWrite: Reapply = "reapply", Yield = "yield", Report = "report";
    Worse: Higher = "higher", Lower = "lower";
    CompareWith: Baseline = "baseline", Peers = "peers";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found() {
        assert_eq!(Mode::NAMES.iter().filter_map(|name| Mode::named(name)).count(), 2);
        assert_eq!(SharesConversion::NAMES.iter().filter_map(|name| SharesConversion::named(name)).count(), 4);
        assert_eq!((OnExit::named("keep"), OnFailure::named("keep")), (Some(OnExit::Keep), Some(OnFailure::Keep)));
        assert_eq!(
            (OnForeignWrite::named("yield"), OnForeignWrite::named("Yield")),
            (Some(OnForeignWrite::Yield), None)
        );
        for name in Signal::NAMES {
            assert_eq!(Signal::named(name).unwrap().as_str(), *name);
        }
    }
}
