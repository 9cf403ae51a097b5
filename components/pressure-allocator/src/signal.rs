//! How long protected tasks wait, beside how long they may.

use std::collections::{BTreeMap, VecDeque};

use wca_guest::now;
use wca_guest::types::Key;

use crate::roster::{RESOURCES, Roster};

/// The counter of the time in which a task waited, in seconds.
const METRIC: &str = "task_pressure_seconds";

/// Ticks of which the middle one counts, so that one alone, high or low, changes nothing.
const WINDOW: usize = 3;

/// Share of time from which on a task waits as good as always.
const FULL: f64 = 0.9;

/// The pressure of one task for one resource.
pub(crate) struct Pressure {
    /// The task.
    pub(crate) key: Key,
    /// Index into [`RESOURCES`].
    pub(crate) resource: usize,
    /// Share of the last interval in which some of its processes waited.
    pub(crate) share: f64,
    /// The same, at most.
    pub(crate) target: f64,
}

/// What a tick says of all protected tasks together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Reading {
    /// The greatest pressure since the last change, as multiple of its target: of each task and resource the median of the
    /// last [`WINDOW`] ticks, the lower one of two.
    pub(crate) worst: f64,
    /// Of how many ticks it is.
    pub(crate) ticks: usize,
    /// Whether it is as high as it can be, so that a relief would not show: what has piled up must be worked off first.
    pub(crate) is_full: bool,
}

/// The last pressures since the last change, as multiples of their targets.
#[derive(Default)]
pub(crate) struct Signal {
    windows: BTreeMap<(Key, usize), VecDeque<f64>>,
}

/// Where the series of a resource stands among the columns; none where nobody measures it.
pub(crate) fn columns() -> [Option<usize>; 3] {
    let series = now::series(METRIC);
    RESOURCES.map(|resource| {
        series.iter().position(|labels| {
            let has = |name: &str, wanted: &str| labels.iter().any(|(own, value)| own == name && value == wanted);
            has("resource", resource) && has("kind", "some")
        })
    })
}

/// The pressures of this tick; a task without a value has none.
pub(crate) fn pressures(roster: &Roster, keys: &[Key], columns: [Option<usize>; 3]) -> Vec<Pressure> {
    let rates = now::rates(METRIC);
    let mut pressures = Vec::new();
    for (row, key) in keys.iter().enumerate() {
        let Some(protected) = roster.protected.get(key) else { continue };
        for (resource, target) in protected.targets.into_iter().enumerate() {
            let (Some(target), Some(column)) = (target, columns[resource]) else { continue };
            let share = rates.get(column).and_then(|column| column.get(row)).copied().unwrap_or(f64::NAN);
            if share.is_finite() {
                pressures.push(Pressure { key: *key, resource, share, target });
            }
        }
    }
    pressures
}

impl Signal {
    /// Forgets what was seen before a change, which says nothing about what comes after it.
    pub(crate) fn clear(&mut self) {
        self.windows.clear();
    }

    /// Takes a tick's pressures over; none where there are none. A task without a value in this tick is left out.
    pub(crate) fn read(&mut self, pressures: &[Pressure]) -> Option<Reading> {
        self.windows.retain(|window, _| pressures.iter().any(|one| (one.key, one.resource) == *window));
        let mut worst: Option<Reading> = None;
        for Pressure { key, resource, share, target } in pressures {
            let window = self.windows.entry((*key, *resource)).or_default();
            window.push_back(share / target);
            if window.len() > WINDOW {
                window.pop_front();
            }
            let mut sorted: Vec<f64> = window.iter().copied().collect();
            sorted.sort_by(f64::total_cmp);
            let worst_of_task = sorted[(sorted.len() - 1) / 2];
            let is_full = worst_of_task * target > FULL;
            let reading = Reading { worst: worst_of_task, ticks: sorted.len(), is_full };
            if worst.is_none_or(|worst| reading.worst > worst.worst) {
                worst = Some(reading);
            }
        }
        worst
    }
}
