//! Values that somebody else has changed.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use wca_kernel::values::{Spot, Values};
use wca_model::Kind;

use crate::held::Owner;
use crate::journal::{Dropped, Journal};
use crate::kinds::rdt::follow;
use crate::restore::said;
use crate::settings::{OnForeignWrite, Settings};

const MINUTE: Duration = Duration::from_secs(60);

/// What others have changed.
#[derive(Debug, Default)]
pub struct ForeignWrites {
    counts: BTreeMap<Kind, u64>,
    /// Values that were left to those who changed them, with their lives.
    yielded: HashMap<Spot, (u64, Owner)>,
    /// Changes that were counted and stand there still.
    standing: HashMap<Spot, String>,
    /// When values were written again, within the last minute.
    reapplied: Vec<Instant>,
}

impl ForeignWrites {
    /// How often somebody else has changed a value of each kind.
    pub fn counts(&self) -> impl Iterator<Item = (Kind, u64)> {
        self.counts.iter().map(|(kind, count)| (*kind, *count))
    }

    /// Whether the value was left to somebody else.
    pub(crate) fn is_yielded(&self, spot: &Spot, life: u64) -> bool {
        self.yielded.get(spot).is_some_and(|(then, _)| *then == life)
    }

    /// Values of this kind may be asked for again for the task with this cgroup.
    pub(crate) fn forget(&mut self, cgroup: &str, kind: Kind) {
        self.yielded.retain(|_, (_, owner)| owner.cgroup != cgroup || owner.kind != kind);
    }

    /// These may be asked for again.
    pub(crate) fn forget_spots(&mut self, spots: &[Spot]) {
        self.yielded.retain(|spot, _| !spots.contains(spot));
    }

    /// Compares what stands there with what was read back, and does what the operator wants; what is to be said.
    pub(crate) fn look(
        &mut self,
        values: &Values,
        journal: &mut Journal,
        settings: &Settings,
        is_frozen: bool,
    ) -> Vec<String> {
        let mut told = Vec::new();
        let held: Vec<_> = journal.iter().map(|entry| entry.held.clone()).collect();
        self.yielded.retain(|spot, (life, _)| values.life(spot) == Some(*life));
        for held in held {
            let (spot, kind) = (&held.spot, held.owner.kind);
            if values.life(spot) != Some(held.life) {
                said(journal.dropped(spot, Dropped::Gone));
                self.standing.remove(spot);
                continue;
            }
            let Some(ours) = &held.now else { continue };
            let Ok(is_ours) = values.is_now(spot, ours) else { continue };
            if is_ours {
                self.standing.remove(spot);
                continue;
            }
            let Ok(found) = values.read(spot) else { continue };
            if found == *ours || follow(&held, &found, values, journal, is_frozen) {
                self.standing.remove(spot);
                continue;
            }
            if matches!(spot, Spot::Group { .. }) {
                // Ours is gone; that is counted and left or not left to others for each task that was in it.
                said(journal.dropped(spot, Dropped::Gone));
                continue;
            }
            let is_new = self.standing.get(spot) != Some(&found);
            if is_new {
                *self.counts.entry(kind).or_default() += 1;
                self.standing.insert(spot.clone(), found.clone());
            }
            let does = settings.on_foreign_write.get(&kind).copied();
            match does.unwrap_or_else(|| OnForeignWrite::default_of(kind)) {
                OnForeignWrite::Report => {
                    if is_new {
                        told.push(format!(
                            "{spot}: {found:?} stands there, WCA had written {:?}; it stays",
                            held.written
                        ));
                    }
                }
                OnForeignWrite::Yield => {
                    said(journal.dropped(spot, Dropped::Foreign));
                    self.standing.remove(spot);
                    self.yielded.insert(spot.clone(), (held.life, held.owner.clone()));
                    told.push(format!(
                        "{spot}: {found:?} stands there, WCA had written {:?}; it is left to others",
                        held.written
                    ));
                }
                OnForeignWrite::Reapply if is_frozen => {}
                OnForeignWrite::Reapply => {
                    if !self.may_reapply(settings.reapply_per_minute) {
                        if is_new {
                            let most = settings.reapply_per_minute;
                            told.push(format!("{spot}: {found:?} stands there; {most} values were written again in this minute, and no more are"));
                        }
                        continue;
                    }
                    let locked = values.lock(spot);
                    let written =
                        locked.and_then(|_locked| values.write(spot, &held.written).and_then(|()| values.read(spot)));
                    match written {
                        Ok(now) => {
                            self.standing.remove(spot);
                            said(journal.written(spot, &now));
                        }
                        Err(error) if is_new => told.push(error.to_string()),
                        Err(_) => {}
                    }
                }
            }
        }
        told
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

#[cfg(test)]
mod tests;
