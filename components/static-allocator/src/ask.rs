//! One request of each kind, ready to be made of any task.

use wca_guest::plan;
use wca_guest::types::{Key, Refusal};

/// A request, without its task. Shapes and units are those of the interface `plan`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ask {
    CpuQuota(f64),
    CpuShares(f64),
    CpuWeight(u32),
    CpusetCpus(Vec<u32>),
    CpusetMems(Vec<u32>),
    CpusetMemoryMigrate(bool),
    MigratePages(u32),
    RdtGroup(Option<String>),
    RdtL3(u32, u64),
    RdtL3Code(u32, u64),
    RdtL3Data(u32, u64),
    RdtL2(u32, u64),
    RdtMb(u32, u32),
    MemoryHigh(Option<u64>),
    MemoryMax(Option<u64>),
    MemoryLow(u64),
    IoWeight(u32),
}

/// The kind that is done once, and has nothing to give back.
pub(crate) const MIGRATE_PAGES: &str = "migrate_pages";

impl Ask {
    /// Makes the request of a task.
    pub(crate) fn of(&self, task: Key) -> Result<(), Refusal> {
        match self {
            Self::CpuQuota(share) => plan::cpu_quota(task, *share),
            Self::CpuShares(shares) => plan::cpu_shares(task, *shares),
            Self::CpuWeight(weight) => plan::cpu_weight(task, *weight),
            Self::CpusetCpus(cpus) => plan::cpuset_cpus(task, cpus),
            Self::CpusetMems(nodes) => plan::cpuset_mems(task, nodes),
            Self::CpusetMemoryMigrate(follow) => plan::cpuset_memory_migrate(task, *follow),
            Self::MigratePages(node) => plan::migrate_pages(task, *node),
            Self::RdtGroup(group) => plan::rdt_group(task, group.as_deref()),
            Self::RdtL3(domain, ways) => plan::rdt_l3(task, *domain, *ways),
            Self::RdtL3Code(domain, ways) => plan::rdt_l3_code(task, *domain, *ways),
            Self::RdtL3Data(domain, ways) => plan::rdt_l3_data(task, *domain, *ways),
            Self::RdtL2(domain, ways) => plan::rdt_l2(task, *domain, *ways),
            Self::RdtMb(domain, limit) => plan::rdt_mb(task, *domain, *limit),
            Self::MemoryHigh(bytes) => plan::memory_high(task, *bytes),
            Self::MemoryMax(bytes) => plan::memory_max(task, *bytes),
            Self::MemoryLow(bytes) => plan::memory_low(task, *bytes),
            Self::IoWeight(weight) => plan::io_weight(task, *weight),
        }
    }

    /// Name of its kind in the contract.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::CpuQuota(_) => "cpu_quota",
            Self::CpuShares(_) => "cpu_shares",
            Self::CpuWeight(_) => "cpu_weight",
            Self::CpusetCpus(_) => "cpuset_cpus",
            Self::CpusetMems(_) => "cpuset_mems",
            Self::CpusetMemoryMigrate(_) => "cpuset_memory_migrate",
            Self::MigratePages(_) => MIGRATE_PAGES,
            Self::RdtGroup(_) => "rdt_group",
            Self::RdtL3(..) => "rdt_l3",
            Self::RdtL3Code(..) => "rdt_l3_code",
            Self::RdtL3Data(..) => "rdt_l3_data",
            Self::RdtL2(..) => "rdt_l2",
            Self::RdtMb(..) => "rdt_mb",
            Self::MemoryHigh(_) => "memory_high",
            Self::MemoryMax(_) => "memory_max",
            Self::MemoryLow(_) => "memory_low",
            Self::IoWeight(_) => "io_weight",
        }
    }
}
