//! `cpuset_cpus` and `cpuset_mems`: processors on which a task may run, and NUMA nodes from which it may take memory.

use std::collections::BTreeSet;

use wca_kernel::Version;
use wca_kernel::values::numbers;
use wca_model::Kind;
use wca_rules::ranges;

use super::place::{CPUSET, Place};
use crate::context::Context;
use crate::plan::Planned;
use crate::tasks::ControlledTask;

type Ids = BTreeSet<u32>;

/// Which of the two, by its files and words.
struct Which {
    kind: Kind,
    file: &'static str,
    effective: &'static str,
    what: &'static str,
}

const CPUS: Which =
    Which { kind: Kind::CpusetCpus, file: "cpuset.cpus", effective: "cpuset.cpus.effective", what: "processors" };
const MEMS: Which =
    Which { kind: Kind::CpusetMems, file: "cpuset.mems", effective: "cpuset.mems.effective", what: "NUMA nodes" };
const PARTITION: &str = "cpuset.cpus.partition";

pub(super) fn plan_cpus(cpus: &[u32], task: &ControlledTask, context: &Context<'_>) -> Result<Planned, String> {
    // Who manages all of them is the better reason.
    is_free(CPUS.kind, task)?;
    let wanted: Ids = cpus.iter().copied().collect();
    let taken: Ids = wanted.intersection(&context.tasks.exclusive_cpus).copied().collect();
    if !taken.is_empty() {
        return Err(format!(
            "cpuset_cpus names processors that the kubelet has given to one container or pod alone: {}",
            list(&taken)
        ));
    }
    plan(&CPUS, &wanted, task, context)
}

pub(super) fn plan_mems(nodes: &[u32], task: &ControlledTask, context: &Context<'_>) -> Result<Planned, String> {
    plan(&MEMS, &nodes.iter().copied().collect(), task, context)
}

/// All cgroups of the task get the same: from the top down what is new is added to what they have, and from the bottom up what is
/// not wanted is taken away, so that each is always within the one above it.
fn plan(which: &Which, wanted: &Ids, task: &ControlledTask, context: &Context<'_>) -> Result<Planned, String> {
    is_free(which.kind, task)?;
    let place = Place::find(&CPUSET, task, context)?;
    let subtree = place.subtree()?;
    if which.kind == Kind::CpusetCpus {
        subtree.iter().try_for_each(|cgroup| is_no_partition(&place, cgroup))?;
    }
    let effective = match place.version {
        Version::V1 => within_the_one_above(which, wanted, &place)?,
        Version::V2 => effective(which, wanted, &place)?,
    };
    let mut found: Vec<(String, Ids)> = Vec::new();
    for cgroup in subtree {
        let is_task = cgroup == place.cgroup();
        let text = match place.read_of(&cgroup, which.file)? {
            None if is_task => place.in_force(which.file, "")?,
            None => continue,
            // On v2 it has what the one above it has.
            Some(text) if text.is_empty() && !is_task && place.version == Version::V2 => continue,
            Some(text) => text,
        };
        let ids = numbers(&text).ok_or_else(|| format!("{} says {text:?}", place.spot_of(&cgroup, which.file)))?;
        if place.is_of_another(&cgroup) {
            is_within(which, &ids, wanted, &place, &cgroup)?;
            continue;
        }
        found.push((cgroup, ids));
    }
    let widen = found.iter().filter(|(_, ids)| !ids.is_empty() || place.version == Version::V1);
    let widen = widen.filter_map(|(cgroup, ids)| {
        let both: Ids = ids.union(wanted).copied().collect();
        (both != *ids).then(|| place.step_of(cgroup, which.file, list(&both)))
    });
    let narrow = found.iter().rev().map(|(cgroup, _)| place.step_of(cgroup, which.file, list(wanted)));
    let steps = widen.chain(narrow).collect();
    let adjusted = (effective != *wanted).then(|| list(&effective));
    Ok(place.planned(steps, adjusted))
}

/// Whether processors and memory nodes of a task are WCA's business.
pub(super) fn is_free(kind: Kind, task: &ControlledTask) -> Result<(), String> {
    match &task.cpuset_is_managed_by {
        Some(who) => Err(format!("{} of this task is managed by {who}, to which it is left", kind.as_str())),
        None => Ok(()),
    }
}

/// A task inside of this one has a list of its own, which stays. Cgroup v1 keeps it within that of the task around it.
fn is_within(which: &Which, ids: &Ids, wanted: &Ids, place: &Place<'_>, cgroup: &str) -> Result<(), String> {
    if place.version == Version::V2 || ids.is_subset(wanted) {
        return Ok(());
    }
    let spot = place.spot_of(cgroup, which.file);
    Err(format!(
        "another task inside of this one has {} in {spot}, and cgroup v1 keeps that within {}",
        list(ids),
        which.kind.as_str()
    ))
}

/// Cgroup v1 takes only what the one above has.
fn within_the_one_above(which: &Which, wanted: &Ids, place: &Place<'_>) -> Result<Ids, String> {
    let above = place.above().into_iter().next().unwrap_or_else(|| "/".into());
    let spot = place.spot_of(&above, which.file);
    let text = place.read_of(&above, which.file)?.ok_or_else(|| format!("{spot} is not there"))?;
    let has = numbers(&text).ok_or_else(|| format!("{spot} says {text:?}"))?;
    let missing: Ids = wanted.difference(&has).copied().collect();
    if missing.is_empty() {
        return Ok(wanted.clone());
    }
    Err(format!("{} {} are not in {spot}, which has {}", which.what, list(&missing), list(&has)))
}

/// What of it is in force on v2: no more than what the one above has in force. A partition of somebody else takes its processors
/// out of that.
fn effective(which: &Which, wanted: &Ids, place: &Place<'_>) -> Result<Ids, String> {
    for above in place.above() {
        let Some(text) = place.read_of(&above, which.effective)? else { continue };
        let spot = place.spot_of(&above, which.effective);
        let has = numbers(&text).ok_or_else(|| format!("{spot} says {text:?}"))?;
        let both: Ids = has.intersection(wanted).copied().collect();
        if both.is_empty() {
            return Err(format!("none of the {} {} is in {spot}, which has {}", which.what, list(wanted), list(&has)));
        }
        return Ok(both);
    }
    Ok(wanted.clone())
}

/// A partition has its processors for itself, and its scheduling domains with them: who made it decides of it.
fn is_no_partition(place: &Place<'_>, cgroup: &str) -> Result<(), String> {
    match place.read_of(cgroup, PARTITION)? {
        Some(state) if !state.starts_with("member") => Err(format!(
            "{} is {state}: the processors of a partition are not changed",
            place.spot_of(cgroup, PARTITION)
        )),
        _ => Ok(()),
    }
}

fn list(ids: &Ids) -> String {
    ranges(ids.iter().copied())
}
