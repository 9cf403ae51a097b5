//! The last batches, so that they can be undone in order.

use std::collections::VecDeque;

use wca_kernel::values::Spot;
use wca_model::Outcome;

use crate::apply::{Done, Made};
use crate::policy::Policy;

/// With so many steps over all batches nothing more is changed: what cannot be undone is not made.
const MOST: usize = 100_000;

/// What was changed for one call of a policy.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Counts the batches.
    pub(crate) number: u64,
    /// Who asked for it.
    pub(crate) policy: Policy,
    /// What was written and given back, in order.
    pub(crate) steps: Vec<Done>,
    /// What became of those of its requests that have changed something.
    pub(crate) outcomes: Vec<Outcome>,
    /// Cgroups of the tasks that were touched, as rosters name them.
    pub(crate) cgroups: Vec<String>,
}

/// The batches that may still be undone, the oldest first.
#[derive(Debug)]
pub(crate) struct Ledger {
    batches: VecDeque<Batch>,
    last: u64,
    steps: usize,
    most: usize,
    /// Whether it was said that it is full.
    is_told: bool,
}

impl Default for Ledger {
    fn default() -> Self {
        Self::of(MOST)
    }
}

impl Ledger {
    /// Full with so many steps.
    pub(crate) fn of(most: usize) -> Self {
        Self { batches: VecDeque::new(), last: 0, steps: 0, most, is_told: false }
    }

    /// Why nothing more can be changed, where as much as can be kept is on trial.
    pub(crate) fn why_full(&self) -> Option<String> {
        let Self { most, .. } = self;
        let why = || {
            format!(
                "{most} values that were written are on trial, as many as can be undone: more may be changed when they have proved to be good"
            )
        };
        (self.steps >= self.most).then(why)
    }

    /// The same, once each time that it begins.
    pub(crate) fn say_full(&mut self) -> Option<String> {
        let why = self.why_full();
        let was_told = std::mem::replace(&mut self.is_told, why.is_some());
        why.filter(|_| !was_told)
    }

    /// Adds a batch; one that has changed nothing is none.
    pub(crate) fn add(&mut self, policy: Policy, made: Made, outcomes: Vec<Outcome>, cgroups: Vec<String>) {
        if made.is_empty() {
            return;
        }
        self.last += 1;
        let steps = made.into_steps();
        self.steps += steps.len();
        self.batches.push_back(Batch { number: self.last, policy, steps, outcomes, cgroups });
    }

    /// Those after this number, the oldest first.
    pub(crate) fn after(&self, number: u64) -> impl Iterator<Item = &Batch> {
        let first = self.batches.partition_point(|batch| batch.number <= number);
        self.batches.range(first..)
    }

    /// Whether one of them has a step there.
    pub(crate) fn has(&self, spot: &Spot) -> bool {
        self.batches.iter().flat_map(|batch| &batch.steps).any(|step| step.spot == *spot)
    }

    /// The newest one from this number on, which is taken out.
    pub(crate) fn take_newest(&mut self, from: u64) -> Option<Batch> {
        let batch = self.batches.pop_back_if(|newest| newest.number >= from)?;
        self.steps -= batch.steps.len();
        Some(batch)
    }

    /// Those up to this number are never undone.
    pub(crate) fn forget_until(&mut self, number: u64) {
        while self.batches.front().is_some_and(|oldest| oldest.number <= number) {
            self.forget_oldest();
        }
    }

    /// None is ever undone.
    pub(crate) fn clear(&mut self) {
        self.batches.clear();
        self.steps = 0;
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.batches.pop_front() {
            self.steps -= oldest.steps.len();
        }
    }
}
