//! What WCA uses where a machine has it: whether it has, by which file, and what would bring it.
//!
//! A probe reads one file, or one table; none writes anything, and none needs more rights than measuring does. What a probe
//! cannot read is not available, with the errno that says why. Counters are tried too, where files say that there are some, by
//! opening one that never counts.

mod cgroups;
mod family;
mod files;
mod limits;
mod look;
mod perf;
mod resctrl;
mod user_namespaces;

use crate::Roots;

pub(crate) use family::{Features, described};

/// Something that a machine can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Its name, by which configurations ask for it and metrics tell of it; one of [`FEATURES`].
    pub name: &'static str,
    /// How it stands with it.
    pub reason: Reason,
    /// The file or the errno that says so, and what it says.
    pub found: String,
    /// What would bring it; empty where it is there.
    pub remedy: String,
}

/// How it stands with a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// It is there.
    Available,
    /// The kernel or the hardware does not have it.
    Missing,
    /// This user may not use it.
    Denied,
    /// It is there and switched off.
    Off,
    /// A limit is too low for a large machine.
    Low,
    /// A file says what this program does not understand.
    Malformed,
    /// A file could not be read for another reason.
    Unreadable,
}

impl Reason {
    /// The value of the label `reason`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Missing => "missing",
            Self::Denied => "denied",
            Self::Off => "off",
            Self::Low => "low",
            Self::Malformed => "malformed",
            Self::Unreadable => "unreadable",
        }
    }
}

impl Feature {
    /// Whether it is there.
    #[must_use]
    pub fn is_available(&self) -> bool {
        self.reason == Reason::Available
    }
}

/// Names of all features, in the order in which they are told.
pub const FEATURES: [&str; 24] = [
    "cgroup_cpu",
    "cgroup_cpuacct",
    "cgroup_cpuset",
    "cgroup_io",
    "cgroup_memory",
    "cgroup_perf_event",
    "cgroup_pids",
    "perf_core",
    "perf_uncore",
    "perf_event_paranoid",
    "resctrl",
    "resctrl_monitoring",
    "resctrl_l3_cat",
    "resctrl_l2_cat",
    "resctrl_mba",
    "psi",
    "numa",
    "numa_balancing",
    "dmi",
    "user_namespaces",
    "seccomp",
    "inotify_watches",
    "inotify_instances",
    "open_files",
];

/// Looks at the machine: each of [`FEATURES`] once, in that order.
#[must_use]
pub fn features(roots: &Roots) -> Vec<Feature> {
    let mut features = cgroups::features(roots);
    features.extend(perf::features(roots));
    features.extend(resctrl::features(roots));
    features.extend(files::features(roots));
    features.push(limits::open_files(roots));
    features
}
