//! What keeps a value from being put back, and how it is got out of the way.

use wca_kernel::values::{Spot, Values, numbers};
use wca_rules::ranges;

use crate::below::is_below;
use crate::held::Held;
use crate::journal::{Journal, JournalError};

/// These, and the controllers that WCA has enabled for them: who gives back the last value that needs one gives it back too.
pub(crate) fn with_controllers(mut spots: Vec<Spot>, journal: &Journal) -> Vec<Spot> {
    let held = journal.iter().map(|entry| &entry.held.spot);
    let controllers: Vec<Spot> = held.filter(|held| spots.iter().any(|spot| needs(spot, held))).cloned().collect();
    let more: Vec<Spot> = controllers.into_iter().filter(|spot| !spots.contains(spot)).collect();
    spots.extend(more);
    spots
}

/// Whether WCA still holds a value that would go with the controller: it stays enabled until that one is put back.
pub(crate) fn is_needed_by_us(spot: &Spot, journal: &Journal) -> bool {
    journal.iter().any(|entry| needs(&entry.held.spot, spot))
}

/// Whether a value is there only as long as a controller is enabled for the children of a cgroup above.
fn needs(value: &Spot, enabled: &Spot) -> bool {
    let Spot::Controller { mount, cgroup, controller } = enabled else { return false };
    let is_reached = |other: &str, below: &str| other == mount && is_below(below, cgroup);
    match value {
        Spot::Cgroup { mount, cgroup, file } => {
            let is_its_file = file.strip_prefix(controller.as_str()).is_some_and(|rest| rest.starts_with('.'));
            is_its_file && is_reached(mount, cgroup)
        }
        Spot::Controller { mount, cgroup, controller: same } => same == controller && is_reached(mount, cgroup),
        Spot::Group { .. } | Spot::Schemata { .. } | Spot::Threads { .. } => false,
    }
}

/// Cgroup v1 keeps each cpuset within the one above it, so that neither of two can be put back first where they were on other
/// processors than now: each gets those of before beside those of now, from the top down. Whether anything was written.
pub(crate) fn loosen(stuck: &[(u64, Spot)], values: &Values, journal: &mut Journal) -> bool {
    let mut stuck: Vec<&Spot> = stuck.iter().map(|(_, spot)| spot).filter(|spot| is_cpuset(spot)).collect();
    stuck.sort_unstable();
    let mut has_written = false;
    for spot in stuck {
        let Some(held) = journal.get(spot).map(|entry| entry.held.clone()) else { continue };
        let Ok(now) = values.read(spot) else { continue };
        let both = both(&now, &held.before);
        if held.now.as_ref().is_some_and(|ours| *ours != now) || both.is_none() {
            continue;
        }
        has_written |= widen(held, &both.unwrap_or_default(), values, journal).is_ok_and(|written| written);
    }
    has_written
}

fn widen(held: Held, both: &str, values: &Values, journal: &mut Journal) -> Result<bool, JournalError> {
    let spot = held.spot.clone();
    journal.writing(Held { written: both.to_owned(), now: None, ..held })?;
    let is_written = values.write(&spot, both).is_ok();
    if let Ok(now) = values.read(&spot) {
        journal.written(&spot, &now)?;
    }
    Ok(is_written)
}

fn is_cpuset(spot: &Spot) -> bool {
    matches!(spot, Spot::Cgroup { file, .. } if file == "cpuset.cpus" || file == "cpuset.mems")
}

/// Two lists in one; none where that is what stands there, or one is no list.
fn both(now: &str, before: &str) -> Option<String> {
    let (now, before) = (numbers(now)?, numbers(before)?);
    (!before.is_subset(&now)).then(|| ranges(now.union(&before).copied()))
}
