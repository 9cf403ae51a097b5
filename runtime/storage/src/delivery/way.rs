//! What a way to a storage and its worker share: the queue, and what became of the batches.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio::time::Instant;
use wca_model::DeliveryTerms;

use crate::queue::Queue;
use crate::seldom::Seldom;
use crate::store::{Parts, PartsSoFar};
use crate::work::Work;

#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) stored: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) uncertain: AtomicU64,
    pub(super) errors: AtomicU64,
    pub(super) nanoseconds: AtomicU64,
    pub(super) work: Arc<Work>,
}

impl Counts {
    /// A batch of so many samples is not tried again: it was lost but for these parts.
    pub(super) fn over(&self, Parts { stored, uncertain }: Parts, size: usize) {
        add(&self.stored, stored);
        add(&self.uncertain, uncertain);
        add(&self.dropped, size.saturating_sub(stored + uncertain));
    }
}

/// What a way and its worker share.
pub(super) struct Way {
    pub(super) name: Arc<str>,
    pub(super) terms: DeliveryTerms,
    pub(super) queue: Queue,
    pub(super) counts: Arc<Counts>,
    /// Of the batch that is being stored.
    pub(super) so_far: Arc<PartsSoFar>,
    /// How many wait for the end: meanwhile what failed is tried again at once, and then after the shortest pause.
    pub(super) hurried: watch::Sender<usize>,
    pub(super) has_given_up: watch::Sender<bool>,
    /// What is said of a full queue.
    pub(super) full: Mutex<Seldom>,
}

impl Way {
    /// How often the queue was full since that was said last, where it is to be said now.
    pub(super) fn is_full(&self) -> Option<u64> {
        self.full.lock().unwrap_or_else(PoisonError::into_inner).count(Instant::now().into_std())
    }
}

pub(super) fn add(count: &AtomicU64, samples: usize) {
    count.fetch_add(samples as u64, Ordering::Relaxed);
}
