//! Who makes a task suffer.

use std::collections::BTreeMap;

use wca_guest::types::Key;

use crate::correlation::{Pair, antagonist_correlation, usages};
use crate::cpi_detector::Config;
use crate::history::Expected;
use crate::task::Task;

/// What a task suffers.
pub(crate) struct Suffering {
    pub(crate) victim: Key,
    /// What it is judged by.
    pub(crate) value: f64,
    /// What its group had before.
    pub(crate) expected: Expected,
    /// Above which value it violates.
    pub(crate) threshold: f64,
    /// How often it did within the window.
    pub(crate) violations: usize,
}

impl Suffering {
    /// Its value, in thresholds.
    pub(crate) fn excess(&self) -> f64 {
        self.value / self.threshold
    }
}

/// Over the memory, a culprit needs this part of the correlation that it needs over the window: then it has done other things
/// too, and the victim may have been idle, or better off, when it was busy.
const IN_MEMORY: f64 = 0.5;
/// A culprit uses this many times what it uses otherwise while the victim suffers, at least.
const RISE: f64 = 1.5;

/// A task whose usage goes with what another suffers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Suspect {
    pub(crate) key: Key,
    /// -1 to 1.
    pub(crate) correlation: f64,
}

/// Those who can be told to make a task suffer, by samples that ended after `since`, the most likely first. Empty where none is
/// likely enough, or where two look alike.
///
/// Left out are, besides the victim's group: cgroups around or within its own, tasks that use less than `minimum_usage` while it
/// suffers, those that use hardly more then than otherwise, which the correlation alone does not show when the victim suffers all the
/// time, those that were as busy in the memory and did no harm, and those that were not there for long enough to be judged.
pub(crate) fn culprits(
    suffering: &Suffering,
    tasks: &BTreeMap<Key, Task>,
    since: f64,
    config: &Config,
) -> Vec<Suspect> {
    let mut suspects = suspects(suffering, tasks, since, config);
    suspects.sort_by(|one, other| other.correlation.total_cmp(&one.correlation));
    let correlation_of = |at: usize| suspects.get(at).map_or(-1.0, |suspect| suspect.correlation);
    let likely = suspects.iter().take_while(|suspect| suspect.correlation >= config.correlation).count();
    let most = usize::try_from(config.most_culprits).unwrap_or(usize::MAX).min(likely);
    let count =
        (1..=most).rev().find(|count| correlation_of(count - 1) - correlation_of(*count) >= config.correlation_margin);
    suspects.truncate(count.unwrap_or(0));
    suspects
}

fn suspects(suffering: &Suffering, tasks: &BTreeMap<Key, Task>, since: f64, config: &Config) -> Vec<Suspect> {
    let Suffering { victim, threshold, .. } = *suffering;
    let Some(sufferer) = tasks.get(&victim) else { return Vec::new() };
    let mut found = Vec::new();
    for (key, task) in tasks {
        let own_group = !config.suspect_own_group && task.group.is_some() && task.group == sufferer.group;
        if *key == victim || own_group || task.is_around(sufferer) {
            continue;
        }
        let (pairs, measured) = pairs(sufferer, task, since);
        let (while_it_suffers, otherwise) = usages(&pairs, threshold);
        let uses_enough = while_it_suffers >= config.minimum_usage && while_it_suffers >= RISE * otherwise;
        if !uses_enough || measured < config.violations as usize {
            continue;
        }
        let correlation = antagonist_correlation(&pairs, threshold);
        // Below that it is neither named nor in the way of another.
        if correlation < config.correlation - config.correlation_margin {
            continue;
        }
        let (memory, _) = self::pairs(sufferer, task, f64::NEG_INFINITY);
        if antagonist_correlation(&memory, threshold) >= IN_MEMORY * config.correlation {
            found.push(Suspect { key: *key, correlation });
        }
    }
    found
}

/// The moments after `since` at which both were measured, and how many of these the suspect was there for: before it came it
/// used nothing.
fn pairs(victim: &Task, suspect: &Task, since: f64) -> (Vec<Pair>, usize) {
    let mut measured = 0;
    let mut pairs = Vec::new();
    for sample in victim.judged_since(since) {
        let usage = match suspect.sample(sample.number) {
            Some(own) if own.usage.is_finite() => {
                measured += 1;
                own.usage
            }
            None if sample.number < suspect.first => 0.0,
            _ => continue,
        };
        pairs.push(Pair { value: sample.value, usage });
    }
    (pairs, measured)
}
