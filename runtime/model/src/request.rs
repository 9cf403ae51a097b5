//! Requests: what a policy asks for.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::task::TaskKey;

/// What a policy asks for, of one task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The task.
    pub task: TaskKey,
    /// What shall change.
    pub change: Change,
}

/// A change of one kind. Shapes and units are those of the interface `plan` in `wit/policy.wit`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Change {
    /// Part of the machine's processor time, 0 to 1; 1 lifts the limit.
    CpuQuota(f64),
    /// Relative share under contention; 1.0 is `cpu_shares_unit`.
    CpuShares(f64),
    /// cgroup v2 weight, 1 to 10000.
    CpuWeight(u32),
    /// Processors on which it may run.
    CpusetCpus(Vec<u32>),
    /// NUMA nodes from which it may take memory.
    CpusetMems(Vec<u32>),
    /// Whether its pages follow when `CpusetMems` changes.
    CpusetMemoryMigrate(bool),
    /// Move its pages to this NUMA node.
    MigratePages(u32),
    /// Its resctrl group; none: a group of its own.
    RdtGroup(Option<String>),
    /// L3 ways in one domain.
    RdtL3(Ways),
    /// L3 ways for code in one domain.
    RdtL3Code(Ways),
    /// L3 ways for data in one domain.
    RdtL3Data(Ways),
    /// L2 ways in one domain.
    RdtL2(Ways),
    /// Memory bandwidth in one domain.
    RdtMb(Limit),
    /// Bytes above which it is throttled and reclaimed; none: no limit.
    MemoryHigh(Option<u64>),
    /// Bytes above which it is killed; none: no limit.
    MemoryMax(Option<u64>),
    /// Bytes that are not reclaimed from it.
    MemoryLow(u64),
    /// I/O weight, 1 to 10000.
    IoWeight(u32),
    /// Give the values of a kind back to what they were before WCA touched them.
    Release(Kind),
}

/// Cache ways in one domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ways {
    /// The domain, as resctrl lists it.
    pub domain: u32,
    /// The ways, as a mask.
    pub mask: u64,
}

/// Memory bandwidth in one domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// The domain, as resctrl lists it.
    pub domain: u32,
    /// The limit, in the platform's unit.
    pub value: u32,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// What can be asked for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Kind {
            $($(#[$doc])* $variant,)*
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &[Kind] = &[$(Kind::$variant,)*];

            /// The name of each, in the same order.
            pub const NAMES: &[&str] = &[$($name,)*];

            /// Its name in configuration, metrics and `wit/policy.wit`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Kind::$variant => $name,)* }
            }
        }
    };
}

kinds! {
    /// `cpu_quota`
    CpuQuota = "cpu_quota",
    /// `cpu_shares`
    CpuShares = "cpu_shares",
    /// `cpu_weight`
    CpuWeight = "cpu_weight",
    /// `cpuset_cpus`
    CpusetCpus = "cpuset_cpus",
    /// `cpuset_mems`
    CpusetMems = "cpuset_mems",
    /// `cpuset_memory_migrate`
    CpusetMemoryMigrate = "cpuset_memory_migrate",
    /// `migrate_pages`
    MigratePages = "migrate_pages",
    /// `rdt_group`
    RdtGroup = "rdt_group",
    /// `rdt_l3`
    RdtL3 = "rdt_l3",
    /// `rdt_l3_code`
    RdtL3Code = "rdt_l3_code",
    /// `rdt_l3_data`
    RdtL3Data = "rdt_l3_data",
    /// `rdt_l2`
    RdtL2 = "rdt_l2",
    /// `rdt_mb`
    RdtMb = "rdt_mb",
    /// `memory_high`
    MemoryHigh = "memory_high",
    /// `memory_max`
    MemoryMax = "memory_max",
    /// `memory_low`
    MemoryLow = "memory_low",
    /// `io_weight`
    IoWeight = "io_weight",
}

/// No kind of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no kind of request; known: {known}", known = Kind::NAMES.join(", "))]
pub struct UnknownKind(pub String);

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(name: &str) -> Result<Self, UnknownKind> {
        Kind::ALL.iter().copied().find(|kind| kind.as_str() == name).ok_or_else(|| UnknownKind(name.to_owned()))
    }
}

impl Change {
    /// Its kind; of a release, the kind that is released.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::CpuQuota(_) => Kind::CpuQuota,
            Self::CpuShares(_) => Kind::CpuShares,
            Self::CpuWeight(_) => Kind::CpuWeight,
            Self::CpusetCpus(_) => Kind::CpusetCpus,
            Self::CpusetMems(_) => Kind::CpusetMems,
            Self::CpusetMemoryMigrate(_) => Kind::CpusetMemoryMigrate,
            Self::MigratePages(_) => Kind::MigratePages,
            Self::RdtGroup(_) => Kind::RdtGroup,
            Self::RdtL3(_) => Kind::RdtL3,
            Self::RdtL3Code(_) => Kind::RdtL3Code,
            Self::RdtL3Data(_) => Kind::RdtL3Data,
            Self::RdtL2(_) => Kind::RdtL2,
            Self::RdtMb(_) => Kind::RdtMb,
            Self::MemoryHigh(_) => Kind::MemoryHigh,
            Self::MemoryMax(_) => Kind::MemoryMax,
            Self::MemoryLow(_) => Kind::MemoryLow,
            Self::IoWeight(_) => Kind::IoWeight,
            Self::Release(kind) => *kind,
        }
    }

    /// Its cache or bandwidth domain, where the kind has one.
    #[must_use]
    pub fn domain(&self) -> Option<u32> {
        match self {
            Self::RdtL3(ways) | Self::RdtL3Code(ways) | Self::RdtL3Data(ways) | Self::RdtL2(ways) => Some(ways.domain),
            Self::RdtMb(limit) => Some(limit.domain),
            _ => None,
        }
    }
}

impl std::fmt::Display for Change {
    /// The value as text: what `wca explain`, the log and the printed requests of shadow mode show.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        fn bytes_or_none(f: &mut std::fmt::Formatter<'_>, bytes: Option<u64>) -> std::fmt::Result {
            match bytes {
                Some(bytes) => write!(f, "{bytes}"),
                None => f.write_str("max"),
            }
        }
        fn list(f: &mut std::fmt::Formatter<'_>, ids: &[u32]) -> std::fmt::Result {
            f.write_str(&ids.iter().map(u32::to_string).collect::<Vec<_>>().join(","))
        }
        match self {
            Self::CpuQuota(value) | Self::CpuShares(value) => write!(f, "{value}"),
            Self::CpuWeight(value) | Self::IoWeight(value) | Self::MigratePages(value) => write!(f, "{value}"),
            Self::CpusetCpus(ids) | Self::CpusetMems(ids) => list(f, ids),
            Self::CpusetMemoryMigrate(follow) => write!(f, "{}", u8::from(*follow)),
            Self::RdtGroup(group) => f.write_str(group.as_deref().unwrap_or("a group of its own")),
            Self::RdtL3(ways) | Self::RdtL3Code(ways) | Self::RdtL3Data(ways) | Self::RdtL2(ways) => {
                write!(f, "{}={:x}", ways.domain, ways.mask)
            }
            Self::RdtMb(limit) => write!(f, "{}={}", limit.domain, limit.value),
            Self::MemoryHigh(bytes) | Self::MemoryMax(bytes) => bytes_or_none(f, *bytes),
            Self::MemoryLow(bytes) => write!(f, "{bytes}"),
            Self::Release(_) => f.write_str("release"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_name() {
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse::<Kind>().unwrap(), *kind);
        }
        let unknown = "cpu_qouta".parse::<Kind>().unwrap_err().to_string();
        assert!(unknown.starts_with("`cpu_qouta` is no kind of request; known: cpu_quota, cpu_shares"), "{unknown}");
    }

    #[test]
    fn values_print_as_the_kernel_writes_them() {
        assert_eq!(Change::RdtL3(Ways { domain: 16, mask: 0xff0 }).to_string(), "16=ff0");
        assert_eq!(Change::CpusetCpus(vec![0, 2, 3]).to_string(), "0,2,3");
        assert_eq!(Change::MemoryHigh(None).to_string(), "max");
    }
}
