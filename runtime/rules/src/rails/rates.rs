//! How much was changed and moved within the last minute.

use std::collections::VecDeque;
use std::time::Duration;

use super::{OffRails, Rail, RailedTask, Rails};

const MINUTE: Duration = Duration::from_secs(60);

/// What was counted of each rail, by its place among them. Times are any clock's that never goes back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    rails: Vec<Counted>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Counted {
    changes: Window,
    bytes: Window,
}

/// Amounts of the last minute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Window {
    amounts: VecDeque<(Duration, u64)>,
}

impl Window {
    /// The sum of what lies less than a minute back.
    fn sum(&self, now: Duration) -> u64 {
        let recent = self.amounts.iter().filter(|(at, _)| now.saturating_sub(*at) < MINUTE);
        recent.fold(0, |sum, (_, amount)| sum.saturating_add(*amount))
    }

    fn add(&mut self, now: Duration, amount: u64) {
        self.amounts.retain(|(at, _)| now.saturating_sub(*at) < MINUTE);
        match self.amounts.back_mut() {
            Some((at, last)) if *at == now => *last = last.saturating_add(amount),
            _ => self.amounts.push_back((now, amount)),
        }
    }
}

impl Rates {
    fn of(&self, rail: usize) -> Option<&Counted> {
        self.rails.get(rail)
    }

    fn of_mut(&mut self, rail: usize) -> Option<&mut Counted> {
        if self.rails.len() <= rail {
            self.rails.resize(rail + 1, Counted::default());
        }
        self.rails.get_mut(rail)
    }
}

impl Rails {
    fn numbered<'a>(&'a self, task: RailedTask<'a>) -> impl Iterator<Item = (usize, &'a Rail)> {
        self.0.iter().enumerate().filter(move |(_, rail)| rail.holds_for(task))
    }

    /// Counts one change of a task, if all its rails have one left.
    ///
    /// # Errors
    /// [`OffRails`], with the first rail that has none left; nothing is counted then.
    pub fn count_change(&self, rates: &mut Rates, task: RailedTask<'_>, now: Duration) -> Result<(), OffRails> {
        for (at, rail) in self.numbered(task) {
            let used = rates.of(at).map_or(0, |counted| counted.changes.sum(now));
            match rail.changes_per_minute {
                Some(most) if used >= u64::from(most) => {
                    return Err(rail.off(format!("{used} changes within a minute, at most {most} are allowed")));
                }
                _ => {}
            }
        }
        for (at, _) in self.numbered(task).filter(|(_, rail)| rail.changes_per_minute.is_some()) {
            if let Some(counted) = rates.of_mut(at) {
                counted.changes.add(now, 1);
            }
        }
        Ok(())
    }

    /// Bytes of a task that may still be moved now, with the rail that says so; none: any number.
    ///
    /// # Errors
    /// [`OffRails`] where none may.
    pub fn movable_bytes(
        &self,
        rates: &Rates,
        task: RailedTask<'_>,
        now: Duration,
    ) -> Result<Option<(u64, &Rail)>, OffRails> {
        let mut least: Option<(u64, usize)> = None;
        for (at, rail) in self.numbered(task) {
            let Some(most) = rail.migrated_bytes_per_minute else { continue };
            let used = rates.of(at).map_or(0, |counted| counted.bytes.sum(now));
            let left = most.saturating_sub(used);
            if left == 0 {
                return Err(rail.off(format!("{used} bytes moved within a minute, at most {most} are allowed")));
            }
            if least.is_none_or(|(least, _)| left < least) {
                least = Some((left, at));
            }
        }
        Ok(least.and_then(|(left, at)| Some((left, self.0.get(at)?))))
    }

    /// Counts bytes of a task that were moved.
    pub fn count_moved(&self, rates: &mut Rates, task: RailedTask<'_>, now: Duration, bytes: u64) {
        for (at, _) in self.numbered(task).filter(|(_, rail)| rail.migrated_bytes_per_minute.is_some()) {
            if let Some(counted) = rates.of_mut(at) {
                counted.bytes.add(now, bytes);
            }
        }
    }

    /// Whether anything is counted of this task's changes.
    #[must_use]
    pub fn counts_changes(&self, task: RailedTask<'_>) -> bool {
        self.numbered(task).any(|(_, rail)| rail.changes_per_minute.is_some())
    }
}
