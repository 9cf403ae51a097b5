//! Putting back what was found.

use wca_kernel::values::{Spot, Values};

use crate::held::Held;
use crate::journal::{Dropped, Journal, JournalError};
use crate::kinds::rdt::{put_back_threads, rank, without_used};
use crate::loosen::{is_needed_by_us, loosen, with_controllers};

/// What became of values that were put back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// How many stand there as they were found.
    pub put_back: usize,
    /// How many had gone with their cgroup or group.
    pub gone: usize,
    /// Those that somebody else has changed, and which stay so; each with what stands there.
    pub foreign: Vec<String>,
    /// Those that could not be put back, and stay in the journal; each with the reason.
    pub failed: Vec<String>,
}

impl std::fmt::Display for Restored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { put_back, gone, foreign, failed } = self;
        write!(f, "{put_back} put back, {gone} gone, {} changed by others, {} failed", foreign.len(), failed.len())
    }
}

enum Attempt {
    PutBack,
    Gone,
    Foreign(String),
    Failed(String),
}

/// Puts these back as [`put_back_exactly`] does, without what other tasks still need.
pub(crate) fn put_back(spots: Vec<Spot>, values: &Values, journal: &mut Journal) -> Restored {
    put_back_exactly(without_used(spots, journal), values, journal)
}

/// Puts these back, the last that was written first. What the kernel refuses is tried again as long as another one succeeds, since one
/// value may have to go before another.
pub(crate) fn put_back_exactly(spots: Vec<Spot>, values: &Values, journal: &mut Journal) -> Restored {
    let mut restored = Restored::default();
    let spots = with_controllers(spots, journal);
    let mut left: Vec<(u64, Spot)> =
        spots.into_iter().filter_map(|spot| journal.get(&spot).map(|entry| (entry.number, spot.clone()))).collect();
    left.sort_unstable_by(|one, other| rank(&one.1).cmp(&rank(&other.1)).then_with(|| other.cmp(one)));
    let mut is_loosened = false;
    loop {
        let before = left.len();
        let mut failed = Vec::new();
        left.retain(|(_, spot)| {
            let Some(held) = journal.get(spot).map(|entry| entry.held.clone()) else { return false };
            if is_needed_by_us(spot, journal) {
                return true;
            }
            let (why, told) = match attempt(&held, values, journal) {
                Attempt::PutBack => (Dropped::PutBack, None),
                Attempt::Gone => (Dropped::Gone, None),
                Attempt::Foreign(now) => {
                    (Dropped::Foreign, Some(format!("{spot}: {now:?}, WCA had written {:?}", held.written)))
                }
                Attempt::Failed(error) => {
                    failed.push(error);
                    return true;
                }
            };
            match journal.dropped(spot, why) {
                Ok(()) => restored.count(why, told),
                Err(error) => failed.push(error.to_string()),
            }
            false
        });
        if left.len() == before && !is_loosened && loosen(&left, values, journal) {
            is_loosened = true;
            continue;
        }
        if left.is_empty() || left.len() == before {
            restored.failed = failed;
            return restored;
        }
    }
}

impl Restored {
    fn count(&mut self, why: Dropped, told: Option<String>) {
        match why {
            Dropped::PutBack | Dropped::NotWritten => self.put_back += 1,
            Dropped::Gone => self.gone += 1,
            Dropped::Foreign => {}
        }
        self.foreign.extend(told);
    }

    /// Both together.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.put_back += other.put_back;
        self.gone += other.gone;
        self.foreign.extend(other.foreign);
        self.failed.extend(other.failed);
        self
    }
}

fn attempt(held: &Held, values: &Values, journal: &mut Journal) -> Attempt {
    let _locked = match values.lock(&held.spot) {
        Ok(locked) => locked,
        Err(error) if error.is_absent() => return Attempt::Gone,
        Err(error) => return Attempt::Failed(error.to_string()),
    };
    if values.life(&held.spot) != Some(held.life) {
        return Attempt::Gone;
    }
    let found = match values.read(&held.spot) {
        Ok(found) => found,
        Err(error) if error.is_absent() => return Attempt::Gone,
        Err(error) => return Attempt::Failed(error.to_string()),
    };
    if found == held.before || values.is_nobody(&held.spot, &found) {
        return Attempt::PutBack;
    }
    let is_ours = |now: &String| {
        *now == found
            || values.has_newcomers(&held.spot, &held.written, now, &found)
            || (matches!(held.spot, Spot::Threads { .. }) && found == held.written)
    };
    if !held.now.as_ref().is_none_or(is_ours) {
        return Attempt::Foreign(found);
    }
    if let Spot::Controller { mount, cgroup, controller } = &held.spot
        && let Some(user) = values.user_of_controller(mount, cgroup, controller)
    {
        return Attempt::Foreign(format!("{found}, and {user} needs it"));
    }
    // What this process leaves half done is ours all the same.
    if let Err(error) = journal.putting_back(&held.spot) {
        return Attempt::Failed(error.to_string());
    }
    let written = match &held.spot {
        Spot::Threads { .. } => put_back_threads(held, values),
        spot => values.write(spot, &held.before),
    };
    match written {
        Ok(()) => Attempt::PutBack,
        Err(error) if error.is_absent() => Attempt::Gone,
        Err(error) => Attempt::Failed(error.to_string()),
    }
}

/// Everything that is held.
pub(crate) fn all(journal: &Journal) -> Vec<Spot> {
    journal.iter().map(|entry| entry.held.spot.clone()).collect()
}

/// What could not be told to the journal is said, and nothing else can be done.
pub(crate) fn said(result: Result<(), JournalError>) {
    if let Err(error) = result {
        tracing::error!("{error}");
    }
}

#[cfg(test)]
mod tests;
