//! Batches that are in force and have not proved to be good yet.

use std::collections::VecDeque;
use std::time::Duration;

use wca_model::TaskKey;
use wca_rules::Baseline;

/// A protected task while a batch is on trial.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    /// Number of who protects it.
    pub(super) protect: usize,
    pub(super) task: TaskKey,
    /// What its signal was before the batch.
    pub(super) before: Baseline,
    pub(super) is_judged: bool,
}

/// A batch on trial. Those that come before the next sample are on trial with it.
#[derive(Clone, Debug)]
pub(super) struct Trial {
    /// Number of the first batch.
    pub(super) batch: u64,
    /// Time of the last sample before it.
    pub(super) began: Duration,
    pub(super) watched: Vec<Watched>,
}

/// All of them, the oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Trials {
    trials: VecDeque<Trial>,
    /// Number of the newest batch.
    newest: u64,
}

impl Trials {
    /// Number of the newest batch.
    pub(super) fn newest(&self) -> u64 {
        self.newest
    }

    /// Whether a batch that comes now, after the sample of this time, is on trial with the one before it.
    pub(super) fn is_joined(&self, began: Duration) -> bool {
        self.trials.back().is_some_and(|newest| newest.began == began)
    }

    /// A batch comes; without a trial it is on trial with the one before it.
    pub(super) fn begin(&mut self, batch: u64, trial: Option<Trial>) {
        self.newest = self.newest.max(batch);
        self.trials.extend(trial);
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Trial> {
        self.trials.iter_mut()
    }

    /// Ends the oldest ones of which all is judged: the number of the last batch that has proved to be good.
    pub(super) fn close(&mut self) -> Option<u64> {
        let mut good = None;
        while self.trials.pop_front_if(|oldest| oldest.watched.iter().all(|watched| watched.is_judged)).is_some() {
            good = Some(self.trials.front().map_or(self.newest, |next| next.batch - 1));
        }
        good
    }

    /// Batches from this number on are on trial no more.
    pub(super) fn end_since(&mut self, batch: u64) {
        self.trials.retain(|trial| trial.batch < batch);
    }

    /// None is on trial any more.
    pub(super) fn clear(&mut self) {
        self.trials.clear();
    }
}
