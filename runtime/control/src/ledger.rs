//! The last batches, so that they can be undone in order.

use std::collections::VecDeque;

use wca_kernel::values::Spot;
use wca_model::Outcome;

use crate::apply::{Done, Made};
use crate::policy::Policy;

/// Most steps that are kept, over all batches: what is older can be undone no more.
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
    /// Cgroups of the tasks that were changed, as rosters name them.
    pub(crate) cgroups: Vec<String>,
}

/// The batches that may still be undone, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    batches: VecDeque<Batch>,
    last: u64,
    steps: usize,
}

impl Ledger {
    /// Adds a batch; one that has changed nothing is none.
    pub(crate) fn add(&mut self, policy: Policy, made: Made, outcomes: Vec<Outcome>, cgroups: Vec<String>) {
        if made.is_empty() {
            return;
        }
        self.last += 1;
        let steps = made.into_steps();
        self.steps += steps.len();
        self.batches.push_back(Batch { number: self.last, policy, steps, outcomes, cgroups });
        while self.steps > MOST && self.batches.len() > 1 {
            self.forget_oldest();
        }
    }

    /// The newest one.
    pub(crate) fn newest(&self) -> Option<&Batch> {
        self.batches.back()
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
