//! `cpu_weight`: the weight of cgroup v2, as it is.

use wca_kernel::Version;

use super::cpu_shares::{FIRST_WEIGHT, WEIGHT, is_not_idle};
use super::place::{CPU, Place};
use crate::context::Context;
use crate::plan::Planned;
use crate::tasks::ControlledTask;

pub(super) fn plan(weight: u32, task: &ControlledTask, context: &Context<'_>) -> Result<Planned, String> {
    let place = Place::find(&CPU, task, context)?;
    match place.version {
        Version::V1 => {
            Err("cpu_weight is of cgroup v2, and the controller cpu of this machine is on v1: ask for cpu_shares"
                .into())
        }
        Version::V2 => {
            is_not_idle(&place)?;
            place.planned_number(WEIGHT, FIRST_WEIGHT, u64::from(weight), false)
        }
    }
}
