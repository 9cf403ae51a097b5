//! What is in force: the values that can be asked for, as they stand.

use serde::{Deserialize, Serialize};

use crate::request::Kind;

/// What is in force of one task, in the units of requests. None: the kernel does not say, or the machine does not have it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct InForce {
    /// Part of the machine's processor time; 1 where there is no limit.
    pub cpu_quota: Option<f64>,
    /// In units of `cpu_shares_unit`.
    pub cpu_shares: Option<f64>,
    /// Weight of cgroup v2.
    pub cpu_weight: Option<f64>,
    /// Processors on which it may run.
    pub cpuset_cpus: Option<Vec<u32>>,
    /// NUMA nodes from which it may take memory.
    pub cpuset_mems: Option<Vec<u32>>,
    /// Whether its pages follow.
    pub cpuset_memory_migrate: Option<bool>,
    /// Bytes; infinite where there is no limit.
    pub memory_high: Option<f64>,
    /// Bytes; infinite where there is no limit.
    pub memory_max: Option<f64>,
    /// Bytes.
    pub memory_low: Option<f64>,
    /// I/O weight.
    pub io_weight: Option<f64>,
    /// Its resctrl group, with what that has.
    pub rdt: Option<RdtInForce>,
}

/// What is in force of a resctrl group: pairs of domain and value, in the order of `schemata`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RdtInForce {
    /// Name of the group; empty: the root group.
    pub group: String,
    /// L3 ways, where code and data are not apart.
    pub l3: Vec<(u32, u64)>,
    /// L3 ways for code.
    pub l3_code: Vec<(u32, u64)>,
    /// L3 ways for data.
    pub l3_data: Vec<(u32, u64)>,
    /// L2 ways.
    pub l2: Vec<(u32, u64)>,
    /// Memory bandwidth, in the platform's unit.
    pub mb: Vec<(u32, u32)>,
}

impl InForce {
    /// The value of a kind that is a number; none for other kinds too.
    #[must_use]
    pub fn number(&self, kind: Kind) -> Option<f64> {
        match kind {
            Kind::CpuQuota => self.cpu_quota,
            Kind::CpuShares => self.cpu_shares,
            Kind::CpuWeight => self.cpu_weight,
            Kind::CpusetMemoryMigrate => self.cpuset_memory_migrate.map(|follows| f64::from(u8::from(follows))),
            Kind::MemoryHigh => self.memory_high,
            Kind::MemoryMax => self.memory_max,
            Kind::MemoryLow => self.memory_low,
            Kind::IoWeight => self.io_weight,
            _ => None,
        }
    }
}

/// The value of one domain.
#[must_use]
pub fn of_domain<T: Copy>(values: &[(u32, T)], domain: u32) -> Option<T> {
    values.iter().find(|(id, _)| *id == domain).map(|(_, value)| *value)
}
