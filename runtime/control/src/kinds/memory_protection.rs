//! `memory_high` and `memory_low`: when a task is throttled and reclaimed, and what is not reclaimed from it.

use wca_kernel::Version;
use wca_rules::memory::whole_pages;

use super::place::{MEMORY, Place, nearest};
use crate::context::Context;
use crate::plan::Planned;
use crate::tasks::ControlledTask;

const HIGH: &str = "memory.high";
const LOW: &str = "memory.low";

pub(super) fn plan_high(bytes: Option<u64>, task: &ControlledTask, context: &Context<'_>) -> Result<Planned, String> {
    let place = Place::find(&MEMORY, task, context)?;
    if place.version == Version::V1 {
        return Err(on_v1("memory_high", "has no limit that throttles: ask for memory_max"));
    }
    match bytes {
        Some(bytes) => in_pages(place, HIGH, "max", bytes),
        None => {
            place.in_force(HIGH, "max")?;
            let step = place.step(HIGH, "max");
            Ok(place.planned(vec![step], None))
        }
    }
}

pub(super) fn plan_low(bytes: u64, task: &ControlledTask, context: &Context<'_>) -> Result<Planned, String> {
    let place = Place::find(&MEMORY, task, context)?;
    if place.version == Version::V1 {
        let why = "protects nothing: memory.soft_limit_in_bytes says what is reclaimed first, which is something else";
        return Err(on_v1("memory_low", why));
    }
    in_pages(place, LOW, "0", bytes)
}

fn on_v1(kind: &str, why: &str) -> String {
    format!("{kind} is of cgroup v2, and the controller memory of this machine is on v1, which {why}")
}

fn in_pages(place: Place<'_>, file: &str, first: &str, bytes: u64) -> Result<Planned, String> {
    let taken = whole_pages(bytes, page());
    let in_force = place.in_force(file, first)?;
    let value = nearest(&in_force, taken);
    let step = place.step(file, value.clone());
    Ok(place.planned(vec![step], (taken != bytes).then_some(value)))
}

/// Size of a page in bytes.
pub(super) fn page() -> u64 {
    rustix::param::page_size() as u64
}
