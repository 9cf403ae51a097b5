//! The operator's rails around what policies ask for.

use std::time::{Duration, Instant};

use wca_kernel::values::{Spot, Values};
use wca_model::request::Limit;
use wca_model::{Change, Fate, Platform, Request};
use wca_rules::{Bounded, ChangedTasks, OffRails, Rail, RailedTask, Rails, Rates, ranges, rounded_bandwidth, validate};

use crate::apply::Due;
use crate::pages::{bytes_elsewhere, moves_pages};
use crate::plan::Step;
use crate::settings::Settings;
use crate::tasks::{ControlledTask, Tasks};

/// Keeps what rails count.
#[derive(Debug)]
pub(crate) struct RailKeeper {
    rates: Rates,
    changed_tasks: ChangedTasks,
    /// The rails that were counted for: others begin anew.
    rails: Rails,
    begun: Instant,
}

impl Default for RailKeeper {
    fn default() -> Self {
        let (rates, rails) = (Rates::default(), Rails::default());
        Self { rates, changed_tasks: ChangedTasks::default(), rails, begun: Instant::now() }
    }
}

/// Requests within the rails.
pub(crate) struct Railed {
    /// One for each that was made, in their order.
    pub(crate) requests: Vec<Request>,
    /// For each, the rails that have made it another one.
    clamped: Vec<Option<String>>,
}

impl Railed {
    /// Writes into what is planned that more or less was asked for.
    pub(crate) fn say_what_was_asked(&self, asked: &[Request], planned: &mut [Due]) {
        for due in planned {
            if let Some(by) = &self.clamped[due.at] {
                due.owner.asked = format!("{}, {by}", asked[due.at].change);
            }
        }
    }

    /// What was clamped and is in force is in force with another value.
    pub(crate) fn adjust(&self, fates: &mut [Option<Fate>]) {
        for (at, fate) in fates.iter_mut().enumerate() {
            let Some(by) = &self.clamped[at] else { continue };
            match fate {
                Some(Fate::Applied | Fate::Unchanged) => {
                    *fate = Some(Fate::Adjusted(format!("{}, {by}", self.requests[at].change)));
                }
                Some(Fate::Adjusted(value)) => *value = format!("{value}, {by}"),
                _ => {}
            }
        }
    }
}

impl RailKeeper {
    /// The requests as far as the rails let them pass; the others have their fate then. What makes no sense to the machine is left to
    /// be refused for that.
    pub(crate) fn bound(
        &self,
        rails: &Rails,
        requests: &[Request],
        tasks: &Tasks,
        platform: &Platform,
        fates: &mut [Option<Fate>],
    ) -> Railed {
        let mut railed = Railed { requests: requests.to_vec(), clamped: vec![None; requests.len()] };
        for (at, request) in railed.requests.iter_mut().enumerate() {
            let Some(task) = tasks.get(request.task) else { continue };
            if validate(&request.change, platform).is_err() {
                continue;
            }
            match bound_as_written(rails, seen(task), &request.change, platform) {
                Ok(bounded) => {
                    request.change = bounded.change;
                    railed.clamped[at] = bounded.clamped;
                }
                Err(off) => fates[at] = Some(Fate::Failed(off.to_string())),
            }
        }
        railed
    }

    /// Counts what is about to be changed and moved.
    ///
    /// # Errors
    /// The rail that has no change, or not as many bytes, left; or that too many tasks were changed.
    pub(crate) fn count(
        &mut self,
        settings: &Settings,
        tasks: &Tasks,
        task: &ControlledTask,
        change: &Change,
        due: &Due,
        values: &Values,
    ) -> Result<(), String> {
        let rails = &settings.rails;
        if self.rails != *rails {
            self.rails = rails.clone();
            self.rates = Rates::default();
        }
        let (railed, now) = (seen(task), self.begun.elapsed());
        let bytes = self.bytes(rails, railed, change, due, values, now)?;
        let is_a_change =
            bytes.is_some_and(|bytes| bytes > 0) || due.planned.steps.iter().any(|step| is_new(step, values));
        if let (true, Some(share)) = (is_a_change, settings.changed_tasks_per_minute) {
            self.changed_tasks.count(&task.cgroup, share, tasks.iter().count(), now)?;
        }
        if is_a_change && rails.counts_changes(railed) {
            rails.count_change(&mut self.rates, railed, now).map_err(|off| off.to_string())?;
        }
        if let Some(bytes) = bytes {
            rails.count_moved(&mut self.rates, railed, now, bytes);
        }
        Ok(())
    }

    /// Bytes that a change moves, where a rail counts them.
    fn bytes(
        &self,
        rails: &Rails,
        task: RailedTask<'_>,
        change: &Change,
        due: &Due,
        values: &Values,
        now: Duration,
    ) -> Result<Option<u64>, String> {
        let to = match change {
            Change::MigratePages(node) => vec![*node],
            Change::CpusetMems(nodes) if moves_pages(&due.planned.steps, values) => nodes.clone(),
            _ => return Ok(None),
        };
        let Some((left, rail)) = rails.movable_bytes(&self.rates, task, now).map_err(|off| off.to_string())? else {
            return Ok(None);
        };
        let (kind, cgroup) = (change.kind().as_str(), task.cgroup);
        let off = |what: String| rail.off(format!("{kind} of {cgroup}: {what}")).to_string();
        match bytes_elsewhere(cgroup, &to, values).map_err(|error| format!("{kind} of {cgroup}: {error}"))? {
            Some(bytes) if bytes <= left => Ok(Some(bytes)),
            Some(bytes) => {
                let nodes = ranges(to.iter().copied());
                Err(off(format!("{bytes} bytes lie on other nodes than {nodes}, and {left} may move in this minute")))
            }
            None => Err(off("it bounds how much is moved, and the kernel does not say how much this is".into())),
        }
    }
}

/// Whether all groups of resctrl that are written for a task are within the rails: a request for ways can lead to one.
///
/// # Errors
/// The rail that does not let one pass.
pub(crate) fn check_groups(rails: &Rails, task: &ControlledTask, due: &Due, values: &Values) -> Result<(), String> {
    let group = |step: &Step| match &step.spot {
        Spot::Threads { .. } => Some(step.value.clone()),
        spot => spot.group().map(str::to_owned),
    };
    for name in due.planned.steps.iter().filter_map(group) {
        let named = (!values.is_own_group(&name)).then_some(name.as_str());
        rails.check_group(seen(task), named).map_err(|off| off.to_string())?;
    }
    Ok(())
}

/// A change as far as the rails let it pass. Bandwidth is judged by what is written: the hardware takes multiples of its step, and 55
/// percent are 60.
fn bound_as_written(
    rails: &Rails,
    task: RailedTask<'_>,
    change: &Change,
    platform: &Platform,
) -> Result<Bounded, OffRails> {
    let (Change::RdtMb(limit), Some(control)) = (change, &platform.bandwidth) else { return rails.bound(task, change) };
    let mb = |value| Change::RdtMb(Limit { value, ..*limit });
    let bounded = rails.bound(task, &mb(rounded_bandwidth(limit.value, control)))?;
    let Change::RdtMb(Limit { value: nearest, .. }) = bounded.change else { return Ok(bounded) };
    if bounded.clamped.is_none() {
        return Ok(Bounded { change: change.clone(), clamped: None });
    }
    let above = rounded_bandwidth(nearest, control);
    if above == nearest {
        return Ok(bounded);
    }
    // What a rail bounds need not be a multiple: one of the two beside it may be within all rails.
    let strict = Rails(rails.0.iter().map(|rail| Rail { clamp: false, ..rail.clone() }).collect());
    let below = mb(nearest - nearest % control.step.max(1));
    let within = strict.bound(task, &mb(above)).or_else(|_| strict.bound(task, &below))?;
    Ok(Bounded { clamped: bounded.clamped, ..within })
}

/// Whether a step changes anything.
fn is_new(step: &Step, values: &Values) -> bool {
    values.read(&step.spot).map_or(true, |now| now != step.value)
}

fn seen(task: &ControlledTask) -> RailedTask<'_> {
    RailedTask { labels: &task.labels, cgroup: &task.cgroup }
}

#[cfg(test)]
mod tests;
