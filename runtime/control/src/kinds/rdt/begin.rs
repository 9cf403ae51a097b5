//! What is done to resctrl at a start: groups that the operator wants to be gone, and what the root group shall have.

use std::collections::BTreeSet;

use wca_kernel::values::{Listed, Spot, Values, way_text};
use wca_model::{Change, Fate, Mode, Platform, Refusal};
use wca_rules::{bandwidth_row, cells, l3_row};

use crate::apply::{Due, apply_task};
use crate::held::Owner;
use crate::journal::Journal;
use crate::plan::{Planned, Step};
use crate::policy::Policy;
use crate::restore::put_back;
use crate::settings::{RdtSettings, Settings};

/// In whose name the root group has what the operator wants by `default_rdt_l3` and `default_rdt_mb`.
const OPERATOR: &str = "the operator's defaults";

/// Whether values of this policy are held for the operator.
pub(crate) fn is_operators(policy: &Policy) -> bool {
    policy.name == OPERATOR && policy.digest.is_empty()
}

/// Removes the groups that are to be removed, and sets the root group's defaults; an absent one leaves what was found. What is to
/// be said.
///
/// # Errors
/// What the operator has written is wrong, or the kernel refuses it.
pub(crate) fn begin(
    values: &Values,
    platform: &Platform,
    settings: &Settings,
    journal: &mut Journal,
) -> Result<Vec<String>, String> {
    let (wanted, mut told) = defaults(&settings.rdt, platform)?;
    if settings.mode == Mode::Shadow {
        return Ok(told);
    }
    if settings.rdt.remove_all_groups && platform.groups > 0 {
        told.extend(remove_all(values, journal, settings.rdt.force)?);
    }
    let spots: BTreeSet<Spot> =
        wanted.iter().flat_map(|due| &due.planned.steps).map(|step| step.spot.clone()).collect();
    let operators = journal.iter().map(|entry| &entry.held).filter(|held| is_operators(&held.owner.policy));
    let stale = operators.map(|held| held.spot.clone()).filter(|spot| !spots.contains(spot)).collect();
    told.extend(put_back(stale, values, journal).failed);
    let is_failed = |(_, fate)| if let Fate::Failed(why) = fate { Some(why) } else { None };
    match apply_task(wanted, values, journal).into_iter().find_map(is_failed) {
        Some(why) => Err(why),
        None => {
            // Nobody asks for them in each tick, and they are adopted for good.
            spots.iter().for_each(|spot| journal.asked_again(spot));
            Ok(told)
        }
    }
}

/// What the root group is to have, and what is to be said of defaults that this machine cannot have.
fn defaults(settings: &RdtSettings, platform: &Platform) -> Result<(Vec<Due>, Vec<String>), String> {
    let mut told = Vec::new();
    let mut changes = Vec::new();
    let mut take = |key: &str, found: Result<Vec<Change>, Refusal>| match found {
        Ok(found) => {
            changes.extend(found);
            Ok(())
        }
        Err(Refusal::Unsupported(why)) => {
            told.push(format!("`{key}` is left out: {why}"));
            Ok(())
        }
        Err(why) => Err(format!("`{key}`: {why}")),
    };
    if let Some(text) = &settings.default_l3 {
        let row = l3_row(text, platform);
        take("default_rdt_l3", row.map(|row| row.into_iter().map(Change::RdtL3).collect()))?;
    }
    if let Some(text) = &settings.default_mb {
        let row = bandwidth_row(text, platform);
        take("default_rdt_mb", row.map(|row| row.into_iter().map(Change::RdtMb).collect()))?;
    }
    let due = changes.into_iter().enumerate().map(|(at, change)| {
        let step = |(cell, value): (wca_rules::Cell, u64)| Step {
            spot: Spot::Schemata { group: String::new(), resource: cell.resource.to_owned(), domain: cell.domain },
            value: way_text(cell.resource, cell.domain, value),
        };
        let owner = Owner {
            policy: Policy { name: OPERATOR.into(), digest: String::new() },
            cgroup: String::new(),
            kind: change.kind(),
            domain: change.domain(),
            asked: change.to_string(),
        };
        let steps = cells(&change, platform).into_iter().map(step).collect();
        Due { at, owner, planned: Planned { steps, adjusted: None } }
    });
    Ok((due.collect(), told))
}

/// Groups to be removed, and groups that are spared for the tasks in them. Those of the journal are kept or put back with it, and
/// monitoring groups of ours by whoever measures.
fn removable(
    listed: &[Listed],
    is_known: impl Fn(&str) -> bool,
    is_measured: impl Fn(&str) -> bool,
    force: bool,
) -> (Vec<&Listed>, Vec<&Listed>) {
    let mut removed: Vec<&Listed> = Vec::new();
    let mut spared = Vec::new();
    let (controls, monitorings): (Vec<&Listed>, Vec<&Listed>) = listed.iter().partition(|group| group.is_control);
    for group in controls.into_iter().chain(monitorings) {
        let (control, monitoring) = group.path.split_once("mon_groups/").unwrap_or((&group.path, ""));
        let goes_along =
            removed.iter().any(|above| !monitoring.is_empty() && control.trim_end_matches('/') == above.path);
        if goes_along || (group.is_control && is_known(&group.path)) || is_measured(monitoring) {
            continue;
        }
        if group.threads.is_empty() || force { removed.push(group) } else { spared.push(group) }
    }
    (removed, spared)
}

fn remove_all(values: &Values, journal: &Journal, force: bool) -> Result<Vec<String>, String> {
    // Threads that somebody puts into a group meanwhile would be removed with it unseen.
    let locked = values.lock_groups().map_err(|error| error.to_string())?;
    let listed = values.listed_groups().map_err(|error| error.to_string())?;
    let is_known = |name: &str| journal.get(&Spot::Group { name: name.to_owned() }).is_some();
    let (removed, spared) = removable(&listed, is_known, |name| values.is_own_group(name), force);
    let mut told = Vec::new();
    for group in removed {
        let tasks = group.threads.len();
        match values.remove_group(group, &locked) {
            Ok(()) => told.push(format!("the resctrl group {} with {tasks} threads is removed", group.path)),
            Err(error) => told.push(error.to_string()),
        }
    }
    told.extend(spared.into_iter().map(|group| {
        let tasks = group.threads.len();
        format!(
            "the resctrl group {} is not removed: WCA does not know its {tasks} threads (`force` takes it too)",
            group.path
        )
    }));
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(path: &str, threads: &[u32]) -> Listed {
        Listed { path: path.into(), is_control: !path.contains("mon_groups"), threads: threads.into() }
    }

    fn paths(groups: Vec<&Listed>) -> Vec<&str> {
        groups.into_iter().map(|group| group.path.as_str()).collect()
    }

    /// Test vector 55, with a control group of two empty monitoring groups, which the Python agent emptied and kept.
    #[test]
    fn groups_without_tasks_are_removed_with_what_is_in_them() {
        let listed = [
            group("empty", &[]),
            group("half_empty", &[7]),
            group("two", &[]),
            group("mon_groups/c1", &[]),
            group("mon_groups/c2", &[1234]),
            group("empty/mon_groups/c3", &[]),
            group("half_empty/mon_groups/c5", &[7]),
            group("half_empty/mon_groups/c6", &[]),
            group("two/mon_groups/c7", &[]),
            group("two/mon_groups/c8", &[]),
        ];
        let (removed, spared) = removable(&listed, |_| false, |_| false, false);
        assert_eq!(paths(removed), ["empty", "two", "mon_groups/c1", "half_empty/mon_groups/c6"]);
        assert_eq!(paths(spared), ["half_empty", "mon_groups/c2", "half_empty/mon_groups/c5"]);
        let (removed, spared) = removable(&listed, |name| name == "two", |name| name == "c2", true);
        let expected = ["empty", "half_empty", "mon_groups/c1", "two/mon_groups/c7", "two/mon_groups/c8"];
        assert_eq!((paths(removed), paths(spared)), (expected.to_vec(), vec![]));
    }
}
