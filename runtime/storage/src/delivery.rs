//! From a tick to a storage: a queue and a worker before each, so that a slow one keeps nobody waiting.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use wca_model::{Batch, DeliveryTerms, OnStorageFailure};

use crate::queue::Queue;
use crate::seldom::Seldom;
use crate::store::{Parts, PartsSoFar, Store, StoreError};
use crate::work::{Part, Work};

/// How long it is waited before a batch is tried again: the first time, doubling from there, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// How long one call may take before a storage is given up by which the agent is to end, also where batches are not tried again
/// for as long: a disk may be slow for a moment.
const LEAST_PATIENCE: Duration = Duration::from_secs(1);

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

#[derive(Debug, Default)]
struct Counts {
    stored: AtomicU64,
    dropped: AtomicU64,
    uncertain: AtomicU64,
    errors: AtomicU64,
    nanoseconds: AtomicU64,
    work: Arc<Work>,
}

impl Counts {
    /// A batch is not tried again: it was lost but for these parts.
    fn over(&self, Parts { stored, uncertain }: Parts, batch: &Batch) {
        add(&self.stored, stored);
        add(&self.uncertain, uncertain);
        add(&self.dropped, batch.size().saturating_sub(stored + uncertain));
    }
}

/// What a way and its worker share.
struct Way {
    name: Arc<str>,
    terms: DeliveryTerms,
    queue: Queue,
    counts: Arc<Counts>,
    /// Of the batch that is being stored.
    so_far: Arc<PartsSoFar>,
    /// How many wait for the end: meanwhile what failed is tried again at once, and then after the shortest pause.
    hurried: watch::Sender<usize>,
    has_given_up: watch::Sender<bool>,
    /// What is said of a full queue.
    full: Mutex<Seldom>,
}

impl Way {
    /// How often the queue was full since that was said last, where it is to be said now.
    fn is_full(&self) -> Option<u64> {
        self.full.lock().unwrap_or_else(PoisonError::into_inner).count(Instant::now().into_std())
    }
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
        let worker = Arc::clone(&way);
        tokio::spawn(async move {
            first.await;
            work(worker, store).await;
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
                self.way.counts.over(parts, &batch);
                lost.batches += usize::from(parts.stored < batch.size());
                lost.samples += batch.size().saturating_sub(parts.stored + parts.uncertain);
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

async fn work(way: Arc<Way>, mut store: impl Store) {
    let mut said = Said::default();
    while let Some(batch) = way.queue.take().await {
        deliver(&way, &batch, &mut store, &mut said).await;
    }
}

/// Stores one batch, or loses it.
async fn deliver(way: &Way, batch: &Batch, store: &mut impl Store, said: &mut Said) {
    let (begun, mut pause) = (Instant::now(), PAUSES.0);
    loop {
        let called = Instant::now();
        let stored = watched(way, begun, store.store(batch, &way.counts.work)).await;
        let took = u64::try_from(called.elapsed().as_nanos()).unwrap_or(u64::MAX);
        way.counts.nanoseconds.fetch_add(took, Ordering::Relaxed);
        let Err(error) = stored else {
            said.works(&way.name);
            way.queue.settle(|| {
                let Parts { uncertain, .. } = store.over();
                let parts = Parts { stored: batch.size().saturating_sub(uncertain), uncertain };
                way.counts.over(parts, batch);
            });
            return;
        };
        way.counts.errors.fetch_add(1, Ordering::Relaxed);
        let left = time_left(way, begun);
        if left.is_zero() || !error.may_pass() {
            give_up(way, &error, said);
            way.queue.settle(|| way.counts.over(store.over(), batch));
            return;
        }
        said.fails(&way.name, &error);
        rest(way, pause.min(left)).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

/// Waits before a batch is tried again: no longer than until somebody waits for the end, and the shortest pause while one does.
async fn rest(way: &Way, pause: Duration) {
    let mut hurried = way.hurried.subscribe();
    if *hurried.borrow_and_update() > 0 {
        return tokio::time::sleep(pause.min(PAUSES.0)).await;
    }
    tokio::select! {
        () = tokio::time::sleep(pause) => {}
        // The sender is in the way.
        _ = hurried.wait_for(|waiting| *waiting > 0) => {}
    }
}

/// How much longer a batch is tried that was begun then. What blocks does so for those who hand over; where nobody does any
/// more, as after a reload, it is tried for as long as others are.
fn time_left(way: &Way, begun: Instant) -> Duration {
    if way.terms.on_failure == OnStorageFailure::Block && !way.queue.is_closed() {
        return Duration::MAX;
    }
    way.terms.retry.saturating_sub(begun.elapsed())
}

/// Waits for a call. One that does not come back cannot be given up, but where the agent is to end by that, it does.
async fn watched<T>(way: &Way, begun: Instant, call: impl Future<Output = T>) -> T {
    if way.terms.on_failure != OnStorageFailure::Exit {
        return call.await;
    }
    let patience = way.terms.retry.max(LEAST_PATIENCE);
    tokio::pin!(call);
    tokio::select! {
        result = &mut call => return result,
        () = tokio::time::sleep_until(begun + patience) => {}
    }
    if !way.has_given_up.send_replace(true) {
        tracing::error!("{}: a batch is not stored after {patience:?}, and on_failure is exit", way.name);
    }
    call.await
}

fn give_up(way: &Way, error: &StoreError, said: &mut Said) {
    if way.terms.on_failure != OnStorageFailure::Exit {
        said.fails(&way.name, error);
    } else if !way.has_given_up.send_replace(true) {
        tracing::error!("{}: not stored, and on_failure is exit: {error}", way.name);
    }
}

fn add(count: &AtomicU64, samples: usize) {
    count.fetch_add(samples as u64, Ordering::Relaxed);
}

/// Failures in a row: the first is said, and each time that their number has doubled.
#[derive(Default)]
struct Said {
    failures: u64,
}

impl Said {
    fn fails(&mut self, name: &str, error: &StoreError) {
        self.failures += 1;
        if self.failures.is_power_of_two() && error.is_news() {
            let times = match self.failures {
                1 => String::new(),
                times => format!(" ({times} times in a row)"),
            };
            tracing::error!("{name}: not stored: {error}{times}");
        }
    }

    fn works(&mut self, name: &str) {
        if std::mem::take(&mut self.failures) > 0 {
            tracing::info!("{name}: stored again");
        }
    }
}

#[cfg(test)]
mod tests;
