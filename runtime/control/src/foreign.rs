//! Values that somebody else has changed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use wca_kernel::values::{Spot, Values};
use wca_model::{Kind, OnForeignWrite};
use wca_rules::is_close;

use crate::held::Held;
use crate::journal::{Dropped, Journal};
use crate::kinds::rdt::follow;
use crate::plan::Step;
use crate::restore::said;
use crate::settings::Settings;

const MINUTE: Duration = Duration::from_secs(60);

/// What others have changed.
#[derive(Debug, Default)]
pub struct ForeignWrites {
    counts: BTreeMap<Kind, u64>,
    /// Changes that were counted and stand there still, with the moment of the write of ours that they have undone.
    standing: HashMap<Spot, (String, f64)>,
    /// The tasks and kinds that were counted since the last look: who resets a task writes several files.
    counted: HashSet<(String, Kind)>,
    /// What was seen between two looks and is still to be said.
    told: Vec<String>,
    /// When values were written again, within the last minute.
    reapplied: Vec<Instant>,
}

impl ForeignWrites {
    /// How often somebody else has changed a value of each kind.
    pub fn counts(&self) -> impl Iterator<Item = (Kind, u64)> {
        self.counts.iter().map(|(kind, count)| (*kind, *count))
    }

    /// Compares what stands there with what was read back, and does what the operator wants; what is to be said.
    pub(crate) fn look(
        &mut self,
        values: &Values,
        journal: &mut Journal,
        settings: &Settings,
        is_frozen: bool,
    ) -> Vec<String> {
        said(journal.regain(|spot, left| values.life(spot) != Some(left.life)));
        self.standing.retain(|spot, _| journal.get(spot).is_some());
        self.look_at(|_| true, values, journal, settings, is_frozen);
        std::mem::take(&mut self.told)
    }

    /// The same for these alone, before requests for them are judged. What is to be said, the next look says.
    pub(crate) fn look_at(
        &mut self,
        is_meant: impl Fn(&Held) -> bool,
        values: &Values,
        journal: &mut Journal,
        settings: &Settings,
        is_frozen: bool,
    ) {
        self.counted.clear();
        let held: Vec<Held> = journal.iter().map(|entry| &entry.held).filter(|held| is_meant(held)).cloned().collect();
        for held in held {
            self.look_at_one(&held, values, journal, settings, is_frozen);
        }
    }

    fn look_at_one(
        &mut self,
        held: &Held,
        values: &Values,
        journal: &mut Journal,
        settings: &Settings,
        is_frozen: bool,
    ) {
        let spot = &held.spot;
        if values.life(spot) != Some(held.life) {
            said(journal.dropped(spot, Dropped::Gone));
            self.standing.remove(spot);
            return;
        }
        let Some(ours) = &held.now else { return };
        let Ok(is_ours) = values.is_now(spot, ours) else { return };
        if is_ours {
            self.standing.remove(spot);
            return;
        }
        let Ok(found) = values.read(spot) else { return };
        if found == *ours || follow(held, &found, values, journal, is_frozen) {
            self.standing.remove(spot);
            return;
        }
        if matches!(spot, Spot::Group { .. }) {
            // Ours is gone; that is counted and left or not left to others for each task that was in it.
            said(journal.dropped(spot, Dropped::Gone));
            return;
        }
        let is_new = self.note(held, &found);
        match settings.does(held.owner.kind) {
            OnForeignWrite::Report => {
                if is_new {
                    self.told
                        .push(format!("{spot}: {found:?} stands there, WCA had written {:?}; it stays", held.written));
                }
            }
            OnForeignWrite::Yield => {
                said(journal.leave(held));
                self.standing.remove(spot);
                self.told.push(format!(
                    "{spot}: {found:?} stands there, WCA had written {:?}; it is left to others",
                    held.written
                ));
            }
            OnForeignWrite::Reapply if is_frozen => {}
            OnForeignWrite::Reapply => {
                if !self.may_reapply(settings.reapply_per_minute) {
                    if is_new {
                        let most = settings.reapply_per_minute;
                        self.told.push(format!("{spot}: {found:?} stands there; {most} values were written again in this minute, and no more are"));
                    }
                    return;
                }
                let locked = values.lock(spot);
                let written =
                    locked.and_then(|_locked| values.write(spot, &held.written).and_then(|()| values.read(spot)));
                match written {
                    Ok(now) => {
                        self.standing.remove(spot);
                        said(journal.written(spot, &now));
                    }
                    Err(error) if is_new => self.told.push(error.to_string()),
                    Err(_) => {}
                }
            }
        }
    }

    /// Why none of these steps is made: they ask again for what somebody else has changed, and that stays. Another value than before
    /// is written.
    pub(crate) fn stays(&self, steps: &[Step], journal: &Journal, settings: &Settings) -> Option<String> {
        // A value can be reached by way of others: the last one is asked for.
        let last: BTreeMap<&Spot, &str> = steps.iter().map(|step| (&step.spot, step.value.as_str())).collect();
        let held = last.into_iter().filter_map(|(spot, value)| Some((&journal.get(spot)?.held, value)));
        let held: Vec<(&Held, &str)> = held.collect();
        if !held.iter().all(|(held, value)| is_same(held, value)) {
            return None;
        }
        let stands = |held: &Held| self.standing.get(&held.spot).is_some_and(|(_, since)| *since == held.since);
        held.iter().find(|(held, _)| stands(held)).map(|(held, _)| why_it_stays(held, settings))
    }

    /// A value of ours that was changed by somebody else is about to be written, so that another one stands there in the end.
    ///
    /// # Errors
    /// Why it is not to be written.
    pub(crate) fn meet(&mut self, held: &Held, found: &str, asked: &str, settings: &Settings) -> Result<(), String> {
        let is_new = self.note(held, found);
        match settings.does(held.owner.kind) {
            OnForeignWrite::Yield => Err(why_it_is_left(&held.spot, held.owner.kind)),
            // What was known when the request was judged is no reason any more.
            _ if !is_new || !is_same(held, asked) => Ok(()),
            OnForeignWrite::Reapply if self.may_reapply(settings.reapply_per_minute) => Ok(()),
            OnForeignWrite::Reapply | OnForeignWrite::Report => Err(why_it_stays(held, settings)),
        }
    }

    /// Counts a change that was not seen before; whether it is one.
    fn note(&mut self, held: &Held, found: &str) -> bool {
        let change = (found.to_owned(), held.since);
        let is_new = self.standing.get(&held.spot) != Some(&change);
        if is_new {
            self.standing.insert(held.spot.clone(), change);
            if self.counted.insert((held.owner.cgroup.clone(), held.owner.kind)) {
                *self.counts.entry(held.owner.kind).or_default() += 1;
            }
        }
        is_new
    }

    fn may_reapply(&mut self, most: u32) -> bool {
        self.reapplied.retain(|at| at.elapsed() < MINUTE);
        let may = self.reapplied.len() < most as usize;
        if may {
            self.reapplied.push(Instant::now());
        }
        may
    }
}

/// Why a value that was left to somebody else is not written.
pub(crate) fn why_it_is_left(spot: &Spot, kind: Kind) -> String {
    format!("{spot} was changed by somebody else and is left to them, until {} is released", kind.as_str())
}

fn why_it_stays(held: &Held, settings: &Settings) -> String {
    let (spot, kind) = (&held.spot, held.owner.kind);
    let until = format!("until another value is asked for or {} is released", kind.as_str());
    match settings.does(kind) {
        OnForeignWrite::Yield => why_it_is_left(spot, kind),
        OnForeignWrite::Report => format!("{spot} was changed by somebody else and stays so, {until}"),
        OnForeignWrite::Reapply => format!(
            "{spot} was changed by somebody else, and {} values were written again in this minute: it stays so for now, or {until}",
            settings.reapply_per_minute
        ),
    }
}

/// Whether what is asked for is what was written last: of numbers, within the tolerance.
fn is_same(held: &Held, asked: &str) -> bool {
    let has_amounts = matches!(&held.spot, Spot::Cgroup { file, .. } if !file.starts_with("cpuset."));
    let is_near = |(one, other): (&str, &str)| match (one.parse::<f64>(), other.parse::<f64>()) {
        (Ok(one), Ok(other)) => is_close(one, other),
        _ => one == other,
    };
    let words = |text: &str| text.split(' ').count();
    held.written == asked
        || has_amounts
            && words(&held.written) == words(asked)
            && held.written.split(' ').zip(asked.split(' ')).all(is_near)
}

#[cfg(test)]
mod tests;
