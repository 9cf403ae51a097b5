//! Kinds of requests: what each means for the files of a task, on cgroup v1 and on v2.

mod controllers;
mod cpu_quota;
mod cpu_shares;
mod cpu_weight;
mod cpuset;
mod cpuset_memory_migrate;
pub(crate) mod in_force;
mod io_weight;
mod memory_max;
mod memory_protection;
mod place;
pub(crate) mod rdt;

use wca_model::Change;

use crate::context::Context;
use crate::plan::Planned;
use crate::tasks::ControlledTask;

/// What a change of one task means for the kernel; none where that is planned for all tasks together, in [`rdt`], and for what is given
/// back.
///
/// # Errors
/// Why it cannot be done, with the file, in words for an operator.
pub(crate) fn plan(change: &Change, task: &ControlledTask, context: &Context<'_>) -> Result<Option<Planned>, String> {
    let planned = match change {
        Change::CpuQuota(share) => cpu_quota::plan(*share, task, context),
        Change::CpuShares(shares) => cpu_shares::plan(*shares, task, context),
        Change::CpuWeight(weight) => cpu_weight::plan(*weight, task, context),
        Change::CpusetCpus(cpus) => cpuset::plan_cpus(cpus, task, context),
        Change::CpusetMems(nodes) => cpuset::plan_mems(nodes, task, context),
        Change::CpusetMemoryMigrate(follow) => cpuset_memory_migrate::plan(*follow, task, context),
        Change::MemoryHigh(bytes) => memory_protection::plan_high(*bytes, task, context),
        Change::MemoryLow(bytes) => memory_protection::plan_low(*bytes, task, context),
        Change::MemoryMax(bytes) => memory_max::plan(*bytes, task, context),
        Change::IoWeight(weight) => io_weight::plan(*weight, task, context),
        // Pages move without anything being written.
        Change::MigratePages(_) => Ok(Planned::default()),
        Change::RdtGroup(_)
        | Change::RdtL3(_)
        | Change::RdtL3Code(_)
        | Change::RdtL3Data(_)
        | Change::RdtL2(_)
        | Change::RdtMb(_)
        | Change::Release(_) => return Ok(None),
    };
    planned.map(Some)
}

#[cfg(test)]
mod tests;
