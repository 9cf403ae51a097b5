//! One task: its samples, and how often it violated.

use std::collections::VecDeque;

use wca_guest::types::Key;

use crate::group::GroupId;
use crate::measure::Measure;

/// What was measured of a task at one time. NaN where it was not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// The same of all tasks that were measured at that time.
    pub(crate) number: u64,
    /// When it ended.
    pub(crate) at: f64,
    /// What it is judged by.
    pub(crate) value: f64,
    /// Cores used.
    pub(crate) usage: f64,
    /// Bytes of L3 cache held.
    pub(crate) occupancy: f64,
    /// Bytes per second from and to memory.
    pub(crate) bandwidth: f64,
}

/// A task.
pub(crate) struct Task {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) cgroup: String,
    pub(crate) group: Option<GroupId>,
    /// Number of the first sample that began after it came.
    pub(crate) first: u64,
    /// Whether a sample of it is in its group's history.
    pub(crate) known: Option<Measure>,
    samples: VecDeque<Sample>,
    violations: VecDeque<f64>,
    /// Who was found guilty while it suffers.
    pub(crate) culprits: Vec<Key>,
}

impl Task {
    pub(crate) fn new(task: wca_guest::now::Task, group: Option<GroupId>, first: u64) -> Self {
        Self {
            id: task.id,
            name: task.name,
            cgroup: task.cgroup,
            group,
            first,
            known: None,
            samples: VecDeque::new(),
            violations: VecDeque::new(),
            culprits: Vec::new(),
        }
    }

    /// Its labels have changed: what it did as another is no reproach to it.
    pub(crate) fn join(&mut self, group: Option<GroupId>) {
        if self.group != group {
            self.group = group;
            self.known = None;
            self.violations.clear();
            self.culprits.clear();
        }
    }

    /// It is judged by something else from now on.
    pub(crate) fn start_anew(&mut self) {
        self.known = None;
        self.samples.clear();
        self.violations.clear();
        self.culprits.clear();
    }

    /// Takes a sample, and drops those that ended at `since` or before.
    pub(crate) fn take(&mut self, sample: Sample, since: f64) {
        self.samples.push_back(sample);
        while self.samples.front().is_some_and(|sample| sample.at <= since) {
            self.samples.pop_front();
        }
    }

    pub(crate) fn violate(&mut self, at: f64) {
        self.violations.push_back(at);
    }

    /// Drops violations of `since` or before, and counts the others.
    pub(crate) fn violations_since(&mut self, since: f64) -> usize {
        while self.violations.front().is_some_and(|at| *at <= since) {
            self.violations.pop_front();
        }
        self.violations.len()
    }

    /// As of the last sample.
    pub(crate) fn violations(&self) -> usize {
        self.violations.len()
    }

    pub(crate) fn samples(&self) -> impl DoubleEndedIterator<Item = &Sample> {
        self.samples.iter()
    }

    /// Its samples with a value that ended after `since`, the last one first.
    pub(crate) fn judged_since(&self, since: f64) -> impl Iterator<Item = &Sample> {
        let recent = self.samples.iter().rev().take_while(move |sample| sample.at > since);
        recent.filter(|sample| sample.value.is_finite())
    }

    /// Its sample of this number.
    pub(crate) fn sample(&self, number: u64) -> Option<&Sample> {
        // A task has a sample at each time at which any has one, so that numbers follow each other.
        let at = number.checked_sub(self.samples.front()?.number)?;
        self.samples.get(usize::try_from(at).ok()?).filter(|sample| sample.number == number)
    }

    /// Whether one of the two is within the other, so that each would find itself in the other's usage.
    pub(crate) fn is_around(&self, other: &Self) -> bool {
        let within = |inner: &str, outer: &str| {
            let (inner, outer) = (inner.trim_matches('/'), outer.trim_matches('/'));
            let rest = inner.strip_prefix(outer);
            outer.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        within(&self.cgroup, &other.cgroup) || within(&other.cgroup, &self.cgroup)
    }
}
