//! `memory_max`: the memory above which a task is killed.

use wca_kernel::Version;
use wca_rules::is_close;
use wca_rules::memory::{least_limit, whole_pages, with_swap};

use super::memory_protection::page;
use super::place::{MEMORY, Place, bytes};
use crate::context::Context;
use crate::plan::Planned;
use crate::tasks::ControlledTask;

const MAX: &str = "memory.max";
const LIMIT: &str = "memory.limit_in_bytes";
/// Memory and swap together; only where the kernel counts swap.
const BOTH: &str = "memory.memsw.limit_in_bytes";
/// No limit, on v1 and on v2.
const NONE_V1: &str = "-1";
const NONE_V2: &str = "max";

pub(super) fn plan(asked: Option<u64>, task: &ControlledTask, context: &Context<'_>) -> Result<Planned, String> {
    let place = Place::find(&MEMORY, task, context)?;
    let (file, none) = match place.version {
        Version::V1 => (LIMIT, NONE_V1),
        Version::V2 => (MAX, NONE_V2),
    };
    let found = bytes(&place.in_force(file, none)?, none, &place.spot(file))?;
    let taken = asked.map(|bytes| whole_pages(bytes, page()));
    let wanted = match (found, taken) {
        (Some(found), Some(taken)) if is_close(found as f64, taken as f64) => Some(found),
        _ => taken,
    };
    leaves_room(wanted, found, &place)?;
    let text = |bytes: Option<u64>| bytes.map_or_else(|| none.to_owned(), |bytes| bytes.to_string());
    let adjusted = (taken != asked).then(|| text(wanted));
    let limit = place.step(file, text(wanted));
    let steps = match both(wanted, found, &place)? {
        // Memory alone is never above memory and swap together: that is widened first, and narrowed last.
        Some(both) if is_wider(both.wanted, both.found) => vec![place.step(BOTH, text(both.wanted)), limit],
        Some(both) => vec![limit, place.step(BOTH, text(both.wanted))],
        None => vec![limit],
    };
    Ok(place.planned(steps, adjusted))
}

/// A limit on memory and swap together.
struct Both {
    found: Option<u64>,
    wanted: Option<u64>,
}

/// None where nobody has limited it.
fn both(wanted: Option<u64>, found: Option<u64>, place: &Place<'_>) -> Result<Option<Both>, String> {
    if place.version == Version::V2 {
        return Ok(None);
    }
    let Some(text) = place.read(BOTH)? else { return Ok(None) };
    let read = |text: &str, file: &str| bytes(text, NONE_V1, &place.spot(file));
    let both_found = read(&text, BOTH)?;
    // What was left of swap before WCA's first change is left still.
    let limit_before = place.before(place.cgroup(), LIMIT).map_or(Ok(found), |text| read(text, LIMIT))?;
    let both_before = place.before(place.cgroup(), BOTH).map_or(Ok(both_found), |text| read(text, BOTH))?;
    let both = Both { found: both_found, wanted: with_swap(wanted, limit_before, both_before) };
    Ok(both_before.is_some().then_some(both))
}

fn is_wider(one: Option<u64>, than: Option<u64>) -> bool {
    match (one, than) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(one), Some(than)) => one > than,
    }
}

/// A limit that is lowered leaves more than is in use, unless the operator allows the out-of-memory killer.
fn leaves_room(wanted: Option<u64>, found: Option<u64>, place: &Place<'_>) -> Result<(), String> {
    let Some(limit) = wanted.filter(|_| wanted != found && !place.context.settings.allow_oom) else { return Ok(()) };
    let file = match place.version {
        Version::V1 => "memory.usage_in_bytes",
        Version::V2 => "memory.current",
    };
    let used: u64 = place.read(file)?.and_then(|text| text.parse().ok()).unwrap_or(0);
    let least = least_limit(used);
    if limit >= least {
        return Ok(());
    }
    Err(format!(
        "memory_max {limit} leaves the task no room: {} says {used}, and a tenth more, {least}, is the least; \
         `allow_oom: true` allows less",
        place.spot(file)
    ))
}
