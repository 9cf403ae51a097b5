//! Tasks with the same labels, and what is known of them together. Outlives its tasks.

use std::collections::{BTreeMap, HashMap};

use wca_guest::types::Label;

use crate::cpi_detector::Config;
use crate::history::{Expected, History};
use crate::measure::Measure;

/// Groups that are kept; beyond, the one goes that was not seen for longest.
const MOST: usize = 1_000;

/// Number of a group.
pub(crate) type GroupId = u64;

/// Tasks that have the same labels.
pub(crate) struct Group {
    /// The labels, those that its tasks lack left out.
    pub(crate) labels: Vec<Label>,
    known: BTreeMap<Measure, Known>,
    seen: f64,
}

#[derive(Default)]
struct Known {
    history: History,
    /// Tasks that have a sample in it.
    tasks: u64,
    /// After the last sample.
    expected: Option<Expected>,
}

impl Group {
    /// What is expected of its tasks, where enough is known.
    pub(crate) fn expected(&self, measure: Measure, config: &Config) -> Option<Expected> {
        let known = self.known.get(&measure)?;
        let enough = known.history.samples() >= u64::from(config.minimum_samples)
            && known.tasks >= u64::from(config.minimum_tasks);
        known.expected.filter(|_| enough)
    }

    /// What its samples have in the middle, how far they are from there, and how many they are.
    pub(crate) fn state(&self, measure: Measure) -> Option<(Expected, u64)> {
        let known = self.known.get(&measure)?;
        Some((known.expected?, known.history.samples()))
    }

    /// Above which value a sample violates.
    pub(crate) fn threshold(&self, measure: Measure, config: &Config) -> Option<f64> {
        let Expected { median, deviation } = self.expected(measure, config)?;
        let deviation = deviation.max(config.minimum_deviation * median);
        Some((median + config.deviations * deviation).max(measure.floor(config)))
    }

    /// Takes the samples of its tasks at the time `now`, each with whether it is the first of its task.
    pub(crate) fn learn(&mut self, measure: Measure, values: &[(f64, bool)], now: f64, config: &Config) {
        let known = self.known.entry(measure).or_default();
        for (value, first) in values {
            known.history.add(*value, now, config.age_weight);
            known.tasks += u64::from(*first);
        }
        known.expected = known.history.expected();
        self.seen = now;
    }
}

/// All groups.
#[derive(Default)]
pub(crate) struct Groups {
    by_labels: HashMap<Vec<Label>, GroupId>,
    all: BTreeMap<GroupId, Group>,
    next: GroupId,
}

impl Groups {
    /// The group of a task with these labels; none where it has none of those that count.
    pub(crate) fn of(&mut self, labels: &[Label], config: &Config, now: f64) -> Option<GroupId> {
        let of_task = |name: &String| labels.iter().find(|(known, _)| known == name).cloned();
        let labels: Vec<Label> = config.labels.iter().filter_map(of_task).collect();
        if labels.is_empty() {
            return None;
        }
        if let Some(id) = self.by_labels.get(&labels) {
            return Some(*id);
        }
        if self.all.len() >= MOST {
            self.forget_oldest();
        }
        let id = self.next;
        self.next += 1;
        self.by_labels.insert(labels.clone(), id);
        self.all.insert(id, Group { labels, known: BTreeMap::new(), seen: now });
        Some(id)
    }

    fn forget_oldest(&mut self) {
        let oldest = self.all.iter().min_by(|one, other| one.1.seen.total_cmp(&other.1.seen)).map(|(id, _)| *id);
        if let Some(group) = oldest.and_then(|id| self.all.remove(&id)) {
            self.by_labels.remove(&group.labels);
        }
    }

    pub(crate) fn get(&self, id: GroupId) -> Option<&Group> {
        self.all.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: GroupId) -> Option<&mut Group> {
        self.all.get_mut(&id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Group> {
        self.all.values()
    }
}
