//! Groups that nobody is in any more, and threads that came into a task after it had got its group.

use std::collections::BTreeSet;

use wca_kernel::KernelError;
use wca_kernel::values::{ABSENT, Spot, Values};

use crate::held::Held;
use crate::journal::{Dropped, Journal};
use crate::restore::said;

/// Values that are put back before others: threads leave a group before it is removed.
pub(crate) fn rank(spot: &Spot) -> u8 {
    match spot {
        Spot::Threads { .. } => 0,
        Spot::Group { .. } => 2,
        _ => 1,
    }
}

/// Leaves out what other tasks still need: groups that we made and what is set in them, as long as a task is in one that is not
/// among those that are put back.
pub(crate) fn without_used(mut spots: Vec<Spot>, journal: &Journal) -> Vec<Spot> {
    let leaving: BTreeSet<&Spot> = spots.iter().filter(|spot| matches!(spot, Spot::Threads { .. })).collect();
    let stays = |held: &&Held| matches!(held.spot, Spot::Threads { .. }) && !leaving.contains(&held.spot);
    let used: BTreeSet<String> =
        journal.iter().map(|entry| &entry.held).filter(stays).map(|held| held.written.clone()).collect();
    let is_ours = |group: &str| journal.get(&Spot::Group { name: group.to_owned() }).is_some();
    spots.retain(|spot| !spot.group().is_some_and(|group| used.contains(group) && is_ours(group)));
    spots
}

/// What goes with the groups of ours that no task is in: the groups come last.
pub(crate) fn unused(journal: &Journal) -> Vec<Spot> {
    let held = || journal.iter().map(|entry| &entry.held);
    let used: BTreeSet<&str> =
        held().filter(|held| matches!(held.spot, Spot::Threads { .. })).map(|held| held.written.as_str()).collect();
    let is_ours = |group: &str| journal.get(&Spot::Group { name: group.to_owned() }).is_some();
    let is_unused = |spot: &&Spot| spot.group().is_some_and(|group| !used.contains(group) && is_ours(group));
    let mut spots: Vec<Spot> = held().map(|held| &held.spot).filter(is_unused).cloned().collect();
    spots.sort_by_key(rank);
    spots
}

/// Removes groups of ours that no task is in. What could not be removed stays in the journal.
pub(crate) fn remove_unused(values: &Values, journal: &mut Journal) -> Vec<String> {
    let held = |journal: &Journal| journal.iter().map(|entry| entry.held.clone()).collect::<Vec<_>>();
    let all = held(journal);
    let used: BTreeSet<&str> =
        all.iter().filter(|held| matches!(held.spot, Spot::Threads { .. })).map(|held| held.written.as_str()).collect();
    let mut told = Vec::new();
    for group in &all {
        let Spot::Group { name } = &group.spot else { continue };
        if used.contains(name.as_str()) {
            continue;
        }
        if let Err(error) = remove(values, group) {
            told.push(error.to_string());
            continue;
        }
        let of_it = all.iter().filter(|held| held.spot.group() == Some(name));
        for held in of_it {
            said(journal.dropped(&held.spot, if held.spot == group.spot { Dropped::PutBack } else { Dropped::Gone }));
        }
    }
    told
}

/// Removes it, if it is still the one that we made.
fn remove(values: &Values, group: &Held) -> Result<(), KernelError> {
    let _locked = match values.lock(&group.spot) {
        Err(error) if error.is_absent() => return Ok(()),
        locked => locked?,
    };
    let found = values.read(&group.spot)?;
    match &group.now {
        Some(now) if *now != found => Ok(()),
        _ if found == ABSENT => Ok(()),
        _ => values.write(&group.spot, ABSENT),
    }
}

/// Whether nothing but threads that came, or that went, makes a task's group another one than it was. Threads that came are put
/// where the others are.
pub(crate) fn follow(held: &Held, found: &str, values: &Values, journal: &mut Journal, is_frozen: bool) -> bool {
    let Some(ours) = &held.now else { return false };
    if values.is_nobody(&held.spot, found) {
        said(journal.written(&held.spot, found));
        return true;
    }
    // Threads came into a cgroup that had none, or those that had come were put where the others are.
    if matches!(held.spot, Spot::Threads { .. }) && found == held.written {
        said(journal.written(&held.spot, found));
        return true;
    }
    if !values.has_newcomers(&held.spot, &held.written, ours, found) {
        return false;
    }
    if !is_frozen
        && let Ok(_locked) = values.lock(&held.spot)
        && values.write(&held.spot, &held.written).is_ok()
        && let Ok(now) = values.read(&held.spot)
        && (now == held.written || values.is_nobody(&held.spot, &now))
    {
        said(journal.written(&held.spot, &now));
    }
    true
}

/// Puts threads back into the group in which they were found, or into the root group where that is gone.
pub(crate) fn put_back_threads(held: &Held, values: &Values) -> Result<(), KernelError> {
    match values.write(&held.spot, &held.before) {
        Err(error) if error.is_absent() && !held.before.is_empty() => values.write(&held.spot, ""),
        written => written,
    }
}
