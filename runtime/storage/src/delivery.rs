//! From a tick to a storage: a queue and a worker before each, so that a slow one keeps nobody waiting.

mod way;
mod worker;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use wca_model::{Batch, DeliveryTerms, OnStorageFailure};

use self::way::{Way, add};
use crate::queue::Queue;
use crate::store::{Parts, Store};
use crate::work::Part;

/// What became of the batches so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Delivered {
    /// Samples that were stored.
    pub stored: u64,
    /// Samples that were lost.
    pub dropped: u64,
    /// Samples of which the storage has not said whether it took them.
    pub uncertain: u64,
    /// How often the storage did not take a batch.
    pub errors: u64,
    /// Seconds that its calls have taken.
    pub seconds: f64,
    /// Batches that wait.
    pub waiting: usize,
}

/// What was lost at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Abandoned {
    /// Batches that were not stored as a whole, the one that was being stored included.
    pub batches: usize,
    /// Their samples, but for those that were stored and those of which it is uncertain.
    pub samples: usize,
    /// Samples of which the storage has not said whether it took them.
    pub uncertain: usize,
}

/// The way to one storage.
pub struct Delivery {
    way: Arc<Way>,
}

impl Delivery {
    /// A way to this storage, with a worker of its own that ends with it. `name` is for messages and metrics.
    #[must_use]
    pub fn new(name: &str, terms: DeliveryTerms, store: impl Store) -> Self {
        Self::starting_after(std::future::ready(()), name, None, terms, store)
    }

    /// Like [`Delivery::new`], where another way led to the same place before: what was counted of it goes on.
    #[must_use]
    pub fn after(before: &Self, terms: DeliveryTerms, store: impl Store) -> Self {
        Self::starting_after(std::future::ready(()), before.name(), Some(before), terms, store)
    }

    /// Like [`Delivery::new`], or like [`Delivery::after`] where there was another way `before`; nothing is stored until `first`
    /// is over.
    #[must_use]
    pub fn starting_after(
        first: impl Future<Output = ()> + Send + 'static,
        name: &str,
        before: Option<&Self>,
        terms: DeliveryTerms,
        store: impl Store,
    ) -> Self {
        let way = Arc::new(Way {
            name: name.into(),
            terms,
            queue: Queue::new(terms.queue),
            counts: before.map(|before| Arc::clone(&before.way.counts)).unwrap_or_default(),
            so_far: store.so_far(),
            hurried: watch::Sender::new(0),
            has_given_up: watch::Sender::new(false),
            full: Mutex::default(),
        });
        let shared = Arc::clone(&way);
        tokio::spawn(async move {
            first.await;
            worker::work(shared, store).await;
        });
        Self { way }
    }

    /// Name of the storage.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.way.name
    }

    /// Hands over a batch. Where the storage may not lose any it is taken although there is no room; who makes batches waits
    /// for [`Delivery::room`] before the next ones.
    pub fn send(&self, batch: Batch) {
        if self.may_lose() {
            if let Some(lost) = self.way.queue.push_out(batch) {
                add(&self.way.counts.dropped, lost.size());
                self.say_dropped();
            }
        } else {
            self.way.queue.push(batch);
        }
    }

    /// Counts samples as dropped that a filter before it has left out without knowing whether they are to be passed on.
    pub(crate) fn count_left_out(&self, samples: usize) {
        add(&self.way.counts.dropped, samples);
    }

    fn may_lose(&self) -> bool {
        self.way.terms.on_failure == OnStorageFailure::Drop
    }

    fn say_dropped(&self) {
        if let Some(times) = self.way.is_full() {
            let (name, most) = (self.name(), self.way.queue.most());
            let batches = if times == 1 { "the oldest batch was".into() } else { format!("{times} batches were") };
            tracing::warn!("{name}: {most} batches wait, and no more may: {batches} dropped");
        }
    }

    /// Whether further batches may come; always where the oldest makes room for them.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.may_lose() || self.way.queue.has_room()
    }

    /// Says, once in a while, that somebody begins to wait for [`Delivery::room`], where there is none.
    pub fn say_awaited(&self) {
        if self.has_room() {
            return;
        }
        if let Some(times) = self.way.is_full() {
            let times = if times == 1 { String::new() } else { format!(" ({times} times)") };
            let (name, waiting) = (self.name(), self.way.queue.len());
            tracing::warn!("{name}: {waiting} batches wait: iterations wait until it has taken some{times}");
        }
    }

    /// Waits until further batches may come. Can be given up and begun again.
    pub async fn room(&self) {
        if !self.has_room() {
            self.way.queue.room().await;
        }
    }

    /// What became of the batches so far.
    #[must_use]
    pub fn delivered(&self) -> Delivered {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counts = &self.way.counts;
        Delivered {
            stored: read(&counts.stored),
            dropped: read(&counts.dropped),
            uncertain: read(&counts.uncertain),
            errors: read(&counts.errors),
            seconds: Duration::from_nanos(read(&counts.nanoseconds)).as_secs_f64(),
            waiting: self.way.queue.len(),
        }
    }

    /// What storing has cost of processor time so far.
    #[must_use]
    pub fn spent(&self, part: Part) -> Duration {
        self.way.counts.work.spent(part)
    }

    /// Whether the storage has failed for good and the agent is to end ([`OnStorageFailure::Exit`]).
    #[must_use]
    pub fn has_given_up(&self) -> bool {
        *self.way.has_given_up.borrow()
    }

    /// Waits until that is so, perhaps for ever.
    pub async fn given_up(&self) {
        // The sender is in this.
        let _ = self.way.has_given_up.subscribe().wait_for(|has_given_up| *has_given_up).await;
    }

    /// Has what failed tried again at once, and then after the shortest pause, as long as the answer lives: somebody waits for
    /// the end.
    pub fn hurry(&self) -> Hurry<'_> {
        self.way.hurried.send_modify(|waiting| *waiting += 1);
        Hurry { way: &self.way }
    }

    /// Waits until everything that was handed over has been stored or lost, or until then; whether it has.
    pub async fn flush(&self, until: Instant) -> bool {
        let _hurry = self.hurry();
        tokio::time::timeout_at(until, self.way.queue.emptied()).await.is_ok()
    }

    /// Nothing is handed over any more: the worker ends when it has done what waits. What blocks is from now on tried for as long
    /// as what does not.
    pub fn close(&self) {
        self.way.queue.close();
    }

    /// Whether all that came so far was stored or lost.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.way.queue.is_done()
    }

    /// Whether nothing comes any more, and all that came was stored or lost.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.way.queue.is_closed() && self.is_idle()
    }

    /// Loses all that is neither stored nor lost yet, and counts it: the process is about to end. What became of parts of the
    /// batch under way counts as that. Where the storage may not lose any it is given up.
    pub fn abandon(&self) -> Abandoned {
        let lost = self.way.queue.abandon(|under_way, waiting| {
            let mut lost = Abandoned::default();
            let under_way = under_way.map(|batch| (batch, self.way.so_far.get()));
            let waiting = waiting.into_iter().map(|batch| (batch, Parts::default()));
            for (batch, parts) in under_way.into_iter().chain(waiting) {
                let size = batch.size();
                self.way.counts.over(parts, size);
                lost.batches += usize::from(parts.stored < size);
                lost.samples += size.saturating_sub(parts.stored + parts.uncertain);
                lost.uncertain += parts.uncertain;
            }
            lost
        });
        if lost.batches > 0 && self.way.terms.on_failure == OnStorageFailure::Exit {
            self.way.has_given_up.send_replace(true);
        }
        lost
    }
}

/// Somebody waits for the end.
#[must_use]
pub struct Hurry<'a> {
    way: &'a Way,
}

impl Drop for Hurry<'_> {
    fn drop(&mut self) {
        self.way.hurried.send_modify(|waiting| *waiting -= 1);
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.close();
    }
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery").field("name", &self.way.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
