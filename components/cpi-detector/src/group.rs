//! Tasks with the same labels, and what is known of them together. Outlives its tasks.

use std::collections::{BTreeMap, HashMap};

use wca_guest::types::Label;

use crate::cpi_detector::Config;
use crate::history::{Expected, History};
use crate::measure::Measure;

/// Groups that are kept; beyond, the one goes that was not seen for longest, of those without a task that lives if there is one.
pub(crate) const MOST: usize = 1_000;

/// Number of a group.
pub(crate) type GroupId = u64;

/// Tasks that have the same labels.
pub(crate) struct Group {
    /// The labels, those that its tasks lack left out.
    pub(crate) labels: Vec<Label>,
    known: BTreeMap<Measure, Known>,
    seen: f64,
    /// Tasks of it that live.
    living: usize,
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

/// What came of a task that was taken in.
#[derive(Clone, Copy, Default)]
pub(crate) struct Joined {
    /// Its group.
    pub(crate) group: Option<GroupId>,
    /// One that had tasks that live, and had to make room.
    pub(crate) dropped: Option<GroupId>,
}

/// All groups.
#[derive(Default)]
pub(crate) struct Groups {
    by_labels: HashMap<Vec<Label>, GroupId>,
    all: BTreeMap<GroupId, Group>,
    next: GroupId,
}

impl Groups {
    /// Takes a task in: the group of tasks with these labels, none where it has none of those that count.
    pub(crate) fn join(&mut self, labels: &[Label], config: &Config, now: f64) -> Joined {
        let of_task = |name: &String| labels.iter().find(|(known, _)| known == name).cloned();
        let labels: Vec<Label> = config.labels.iter().filter_map(of_task).collect();
        if labels.is_empty() {
            return Joined::default();
        }
        let known = self.by_labels.get(&labels).copied();
        let dropped = if known.is_none() && self.all.len() >= MOST { self.forget_oldest() } else { None };
        let group = known.unwrap_or_else(|| {
            let id = self.next;
            self.next += 1;
            self.by_labels.insert(labels.clone(), id);
            self.all.insert(id, Group { labels, known: BTreeMap::new(), seen: now, living: 0 });
            id
        });
        if let Some(group) = self.all.get_mut(&group) {
            group.living += 1;
        }
        Joined { group: Some(group), dropped }
    }

    /// A task of it has ended, or has other labels. It lives on without tasks.
    pub(crate) fn leave(&mut self, id: Option<GroupId>) {
        if let Some(group) = id.and_then(|id| self.all.get_mut(&id)) {
            group.living = group.living.saturating_sub(1);
        }
    }

    /// The number of the group that has gone, where it had tasks that live.
    fn forget_oldest(&mut self) -> Option<GroupId> {
        let order = |one: &Group, other: &Group| {
            (one.living > 0).cmp(&(other.living > 0)).then(one.seen.total_cmp(&other.seen))
        };
        let (oldest, _) = self.all.iter().min_by(|one, other| order(one.1, other.1))?;
        let oldest = *oldest;
        let group = self.all.remove(&oldest)?;
        self.by_labels.remove(&group.labels);
        (group.living > 0).then_some(oldest)
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
