//! Tasks that have left the roster while their cgroups live on: nobody speaks for their values any more.

use std::collections::{BTreeMap, BTreeSet};

use crate::journal::Journal;
use crate::tasks::Tasks;

/// Counts the ticks since tasks of which values are held were last in the roster.
#[derive(Debug, Default)]
pub(crate) struct Absent {
    ticks: BTreeMap<String, u32>,
}

impl Absent {
    /// A tick has passed: the cgroups of tasks that have been away for longer than `most` ticks, and whether one of them is so for the
    /// first time.
    pub(crate) fn tick(&mut self, most: u32, tasks: &Tasks, journal: &Journal) -> (BTreeSet<String>, bool) {
        // Values of the operator himself are of no cgroup.
        let held = journal.iter().map(|entry| entry.held.owner.cgroup.as_str()).filter(|cgroup| !cgroup.is_empty());
        let held: BTreeSet<&str> = held.collect();
        let away: BTreeSet<&str> = held.into_iter().filter(|cgroup| !tasks.has_cgroup(cgroup)).collect();
        self.ticks.retain(|cgroup, _| away.contains(cgroup.as_str()));
        for cgroup in away {
            let ticks = self.ticks.entry(cgroup.to_owned()).or_default();
            *ticks = ticks.saturating_add(1);
        }
        let is_new = self.ticks.values().any(|ticks| *ticks == most.saturating_add(1));
        let expired = self.ticks.iter().filter(|(_, ticks)| **ticks > most).map(|(cgroup, _)| cgroup.clone());
        (expired.collect(), is_new)
    }
}
