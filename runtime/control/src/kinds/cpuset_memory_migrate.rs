//! `cpuset_memory_migrate`: whether pages follow when `cpuset_mems` changes.

use wca_kernel::Version;
use wca_model::Kind;

use super::cpuset::is_free;
use super::place::{CPUSET, Place};
use crate::context::Context;
use crate::plan::Planned;
use crate::tasks::ControlledTask;

const FILE: &str = "cpuset.memory_migrate";

/// In all cgroups of the task, since it is asked for the task's pages.
pub(super) fn plan(follow: bool, task: &ControlledTask, context: &Context<'_>) -> Result<Planned, String> {
    is_free(Kind::CpusetMemoryMigrate, task)?;
    let place = Place::find(&CPUSET, task, context)?;
    if place.version == Version::V2 {
        let why = "the controller cpuset of this machine is on v2, where pages always follow";
        return Err(format!("cpuset_memory_migrate is of cgroup v1, and {why}"));
    }
    place.in_force(FILE, "0")?;
    let value = u8::from(follow).to_string();
    let own = place.subtree()?.into_iter().filter(|cgroup| !place.is_of_another(cgroup));
    let steps = own.map(|cgroup| place.step_of(&cgroup, FILE, value.clone())).collect();
    Ok(place.planned(steps, None))
}
