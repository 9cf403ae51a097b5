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

/// What a change of one task means for the kernel. Groups of resctrl are planned all together, in [`rdt`].
///
/// # Errors
/// Why it cannot be done, with the file, in words for an operator.
pub(crate) fn plan(change: &Change, task: &ControlledTask, context: &Context<'_>) -> Result<Planned, String> {
    match change {
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
        _ => Err(format!("{} is not applied yet", change.kind().as_str())),
    }
}

#[cfg(test)]
mod tests;
