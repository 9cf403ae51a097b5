//! What a victim and a culprit contend for, as far as it can be seen.

use std::collections::{BTreeMap, VecDeque};

use wca_guest::types::{Contended, Key};

use crate::measure::Measure;
use crate::suspects::Suffering;
use crate::task::{Sample, Task};

/// A victim that holds less than this part of the cache it has otherwise has lost it.
const LOST: f64 = 0.8;
/// A culprit that moves more than this times what it moves otherwise moves more.
const MORE: f64 = 1.5;
/// Part of what all tasks move from and to memory from which one is to be reckoned with.
const NOTABLE: f64 = 0.1;

/// What all tasks together moved from and to memory, sample by sample.
#[derive(Default)]
pub(crate) struct Traffic {
    /// Number and time of a sample, and bytes per second.
    samples: VecDeque<(u64, f64, f64)>,
}

impl Traffic {
    /// Takes a sample that ended at `at`, and drops those that ended at `since` or before.
    pub(crate) fn take(&mut self, number: u64, at: f64, bandwidth: f64, since: f64) {
        self.samples.push_back((number, at, bandwidth));
        while self.samples.front().is_some_and(|(_, at, _)| *at <= since) {
            self.samples.pop_front();
        }
    }

    fn of(&self, number: u64) -> Option<f64> {
        let at = self.samples.binary_search_by_key(&number, |(number, ..)| *number).ok()?;
        self.samples.get(at).map(|(_, _, bandwidth)| *bandwidth)
    }
}

/// By the victim's signal, and where that is cycles per instruction, by cache and bandwidth of both where they are measured:
/// cache, where the victim has less of it while it suffers and the culprit more; memory bandwidth, where the culprit moves more
/// then, and a notable part of all; unknown otherwise. All samples that are remembered count, so that there is something to compare
/// with when the victim suffers for long.
pub(crate) fn contended(
    measure: Measure,
    suffering: &Suffering,
    culprit: Option<Key>,
    tasks: &BTreeMap<Key, Task>,
    traffic: &Traffic,
) -> Contended {
    match measure {
        Measure::PsiCpu | Measure::Throttling => return Contended::Cpus,
        Measure::PsiMemory => return Contended::Unknown,
        Measure::Cpi => {}
    }
    let (Some(victim), Some(culprit)) = (tasks.get(&suffering.victim), culprit.and_then(|key| tasks.get(&key))) else {
        return Contended::Unknown;
    };
    let times = Times { victim, threshold: suffering.threshold };
    let means = |task: &Task, of: fn(&Sample) -> f64| [true, false].map(|above| times.mean(task, of, above));
    let [victim_holds, victim_held] = means(victim, |sample| sample.occupancy);
    let [culprit_holds, culprit_held] = means(culprit, |sample| sample.occupancy);
    if victim_holds < LOST * victim_held && culprit_holds > culprit_held {
        return Contended::Cache;
    }
    let [moves, moved] = means(culprit, |sample| sample.bandwidth);
    let all = mean(times.of(true).filter_map(|number| traffic.of(number)));
    if moves > MORE * moved && moves >= NOTABLE * all { Contended::MemoryBandwidth } else { Contended::Unknown }
}

/// The times at which a victim suffers, and at which it does not.
struct Times<'a> {
    victim: &'a Task,
    threshold: f64,
}

impl Times<'_> {
    /// Numbers of the samples in which the victim's value was above the threshold, or was not.
    fn of(&self, above: bool) -> impl Iterator<Item = u64> {
        let judged = self.victim.judged_since(f64::NEG_INFINITY);
        judged.filter(move |sample| (sample.value > self.threshold) == above).map(|sample| sample.number)
    }

    /// Mean of a task's samples at these times.
    fn mean(&self, task: &Task, of: fn(&Sample) -> f64, above: bool) -> f64 {
        mean(self.of(above).filter_map(|number| task.sample(number)).map(of).filter(|value| value.is_finite()))
    }
}

/// NaN of nothing.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / count
}
