//! How long protected tasks wait, beside how long they may.

use std::collections::{BTreeMap, VecDeque};

use wca_guest::now;
use wca_guest::types::Key;

use crate::roster::{RESOURCES, Roster};

/// The counter of the time in which a task waited, in seconds.
const METRIC: &str = "task_pressure_seconds";

/// Ticks of which the middle one counts, so that one alone, high or low, changes nothing.
const RECENT: usize = 3;
/// Ticks that are kept.
const WINDOW: usize = 8;
/// Ticks that make a mean.
const FOR_MEAN: usize = 6;

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
    /// last three ticks, the lower one of two.
    pub(crate) worst: f64,
    /// The greatest mean of more ticks without the least and the greatest of them, which is surer and later; none where there are too few since the last change.
    pub(crate) mean: Option<f64>,
    /// How many ticks there were since then, up to [`WINDOW`].
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

impl Reading {
    /// That of two tasks together: the greater decides, each by its own number.
    fn beside(self, other: Self) -> Self {
        let greater = if other.worst > self.worst { other } else { self };
        Self { mean: self.mean.into_iter().chain(other.mean).reduce(f64::max), ..greater }
    }
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
            let mut recent: Vec<f64> = window.iter().rev().take(RECENT).copied().collect();
            recent.sort_by(f64::total_cmp);
            let median = recent[(recent.len() - 1) / 2];
            let ticks = window.len();
            let mean = (ticks >= FOR_MEAN).then(|| inner_mean(window));
            let reading = Reading { worst: median, mean, ticks, is_full: median * target > FULL };
            worst = Some(worst.map_or(reading, |worst| worst.beside(reading)));
        }
        worst
    }
}

/// The mean without the least and the greatest, so that one tick alone changes nothing here either.
#[expect(clippy::cast_precision_loss, reason = "a few ticks")]
fn inner_mean(window: &VecDeque<f64>) -> f64 {
    let (least, greatest) =
        window.iter().fold((f64::MAX, f64::MIN), |(least, most), one| (least.min(*one), most.max(*one)));
    (window.iter().sum::<f64>() - least - greatest) / (window.len() as f64 - 2.0)
}
