//! From a tick to a storage: a queue and a worker before each, so that a slow one keeps nobody waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use wca_model::{Batch, DeliveryTerms, OnStorageFailure};

use crate::queue::Queue;
use crate::store::{Parts, Store, StoreError};
use crate::work::{Part, Work};

/// How long it is waited before a batch is tried again: the first time, doubling from there, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

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

#[derive(Debug, Default)]
struct Counts {
    stored: AtomicU64,
    dropped: AtomicU64,
    uncertain: AtomicU64,
    errors: AtomicU64,
    nanoseconds: AtomicU64,
    work: Arc<Work>,
}

/// What a way and its worker share.
struct Way {
    name: Arc<str>,
    terms: DeliveryTerms,
    queue: Queue,
    counts: Arc<Counts>,
    /// Somebody waits for the end: what failed is tried again at once.
    hurry: Notify,
    has_given_up: AtomicBool,
}

/// The way to one storage.
pub struct Delivery {
    way: Arc<Way>,
}

impl Delivery {
    /// A way to this storage, with a worker of its own that ends with it. `name` is for messages and metrics.
    #[must_use]
    pub fn new(name: &str, terms: DeliveryTerms, store: impl Store) -> Self {
        Self::counting(name, terms, Arc::default(), store)
    }

    /// Like [`Delivery::new`], where another way led to the same place before: what was counted of it goes on.
    #[must_use]
    pub fn after(before: &Self, terms: DeliveryTerms, store: impl Store) -> Self {
        Self::counting(&before.way.name, terms, Arc::clone(&before.way.counts), store)
    }

    fn counting(name: &str, terms: DeliveryTerms, counts: Arc<Counts>, store: impl Store) -> Self {
        let way = Arc::new(Way {
            name: name.into(),
            terms,
            queue: Queue::new(terms.queue),
            counts,
            hurry: Notify::new(),
            has_given_up: AtomicBool::new(false),
        });
        tokio::spawn(work(Arc::clone(&way), store));
        Self { way }
    }

    /// Name of the storage.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.way.name
    }

    /// Hands over a batch.
    pub async fn send(&self, batch: Batch) {
        match self.way.terms.on_failure {
            OnStorageFailure::Drop => {
                if let Some(lost) = self.way.queue.push_out(batch) {
                    add(&self.way.counts.dropped, lost.size());
                }
            }
            OnStorageFailure::Block | OnStorageFailure::Exit => self.way.queue.push_in(batch).await,
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
        self.way.has_given_up.load(Ordering::Relaxed)
    }

    /// Waits until everything that was handed over has been stored or lost, or until then; whether it has.
    pub async fn flush(&self, until: Instant) -> bool {
        self.way.hurry.notify_one();
        tokio::time::timeout_at(until, self.way.queue.emptied()).await.is_ok()
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.way.queue.close();
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
        let stored = store.store(batch, &way.counts.work).await;
        let took = u64::try_from(called.elapsed().as_nanos()).unwrap_or(u64::MAX);
        way.counts.nanoseconds.fetch_add(took, Ordering::Relaxed);
        let Err(error) = stored else {
            let Parts { uncertain, .. } = store.over();
            add(&way.counts.stored, batch.size().saturating_sub(uncertain));
            add(&way.counts.uncertain, uncertain);
            said.works(&way.name);
            return;
        };
        way.counts.errors.fetch_add(1, Ordering::Relaxed);
        let is_late = way.terms.on_failure != OnStorageFailure::Block && begun.elapsed() + pause > way.terms.retry;
        if is_late || !error.may_pass() {
            let Parts { stored, uncertain } = store.over();
            add(&way.counts.stored, stored);
            add(&way.counts.uncertain, uncertain);
            add(&way.counts.dropped, batch.size().saturating_sub(stored + uncertain));
            give_up(way, &error, said);
            return;
        }
        said.fails(&way.name, &error);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = way.hurry.notified() => {}
        }
        pause = (pause * 2).min(PAUSES.1);
    }
}

fn give_up(way: &Way, error: &StoreError, said: &mut Said) {
    if way.terms.on_failure != OnStorageFailure::Exit {
        said.fails(&way.name, error);
    } else if !way.has_given_up.swap(true, Ordering::Relaxed) {
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
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testing::{Gate, batch};

    const PATIENT: Duration = Duration::from_secs(10);
    const SHORT: Duration = Duration::from_millis(50);
    const QUEUE: u32 = 6;

    fn terms(on_failure: OnStorageFailure) -> DeliveryTerms {
        DeliveryTerms { on_failure, queue: QUEUE as usize, retry: Duration::from_millis(350) }
    }

    async fn flushed(delivery: &Delivery, within: Duration) -> bool {
        delivery.flush(Instant::now() + within).await
    }

    /// Hands over batches of these times.
    async fn send(delivery: &Delivery, times: impl IntoIterator<Item = u32>) {
        for time in times {
            delivery.send(batch(time.into(), vec![])).await;
        }
    }

    /// Samples that were stored and lost, and errors.
    fn counted(delivery: &Delivery) -> (u64, u64, u64) {
        let Delivered { stored, dropped, errors, .. } = delivery.delivered();
        (stored, dropped, errors)
    }

    /// The worker has the first, so that the queue is empty.
    async fn taken(delivery: &Delivery) {
        while delivery.delivered().waiting > 0 {
            tokio::task::yield_now().await;
        }
    }

    fn times(range: impl Iterator<Item = u32>) -> Vec<f64> {
        range.map(f64::from).collect()
    }

    #[tokio::test]
    async fn batches_are_stored_in_their_order_and_counted() {
        let gate = Gate::new(usize::from(u8::MAX));
        let delivery = Delivery::new("log", terms(OnStorageFailure::Block), gate.clone());
        send(&delivery, 0..50).await;
        assert!(flushed(&delivery, PATIENT).await);
        assert_eq!(gate.stored(), times(0..50));
        assert_eq!(counted(&delivery), (100, 0, 0));
        assert!(delivery.delivered().seconds > 0.0);
    }

    #[tokio::test]
    async fn where_the_queue_is_full_the_oldest_is_dropped_and_counted() {
        let gate = Gate::new(0);
        let delivery = Delivery::new("slow", terms(OnStorageFailure::Drop), gate.clone());
        send(&delivery, [0]).await;
        taken(&delivery).await;
        send(&delivery, 1..=QUEUE + 3).await;
        assert_eq!((counted(&delivery), delivery.delivered().waiting), ((0, 6, 0), 6));
        gate.permits.add_permits(100);
        assert!(flushed(&delivery, PATIENT).await);
        assert_eq!(gate.stored(), times(std::iter::once(0).chain(4..=QUEUE + 3)));
        assert_eq!((counted(&delivery), delivery.delivered().waiting), ((14, 6, 0), 0));
    }

    #[tokio::test]
    async fn a_full_queue_that_blocks_loses_nothing() {
        for on_failure in [OnStorageFailure::Block, OnStorageFailure::Exit] {
            let gate = Gate::new(0);
            let delivery = Arc::new(Delivery::new("log", terms(on_failure), gate.clone()));
            let sending = tokio::spawn({
                let delivery = Arc::clone(&delivery);
                async move { send(&delivery, 0..=QUEUE + 1).await }
            });
            tokio::time::sleep(SHORT).await;
            assert!(!sending.is_finished());
            gate.permits.add_permits(1);
            tokio::time::timeout(PATIENT, sending).await.unwrap().unwrap();
            gate.permits.add_permits(100);
            assert!(flushed(&delivery, PATIENT).await);
            assert_eq!(gate.stored(), times(0..=QUEUE + 1));
            assert_eq!(counted(&delivery).1, 0);
        }
    }

    #[tokio::test]
    async fn flushing_gives_up_in_time() {
        let gate = Gate::new(0);
        let delivery = Delivery::new("stuck", terms(OnStorageFailure::Block), gate.clone());
        assert!(flushed(&delivery, PATIENT).await);
        send(&delivery, [0]).await;
        assert!(!flushed(&delivery, SHORT).await);
        gate.permits.add_permits(1);
        assert!(flushed(&delivery, PATIENT).await);
        assert_eq!(gate.stored(), [0.0]);
    }

    #[tokio::test]
    async fn what_may_pass_is_tried_again_and_stored_once() {
        for on_failure in [OnStorageFailure::Drop, OnStorageFailure::Block, OnStorageFailure::Exit] {
            let gate = Gate::new(99).refusing(2, || StoreError::Unavailable("not now".into()));
            let delivery = Delivery::new("weak", terms(on_failure), gate.clone());
            send(&delivery, 0..3).await;
            assert!(flushed(&delivery, PATIENT).await);
            assert_eq!((gate.stored(), counted(&delivery)), (times(0..3), (6, 0, 2)));
            assert!(!delivery.has_given_up());
        }
    }

    #[tokio::test]
    async fn what_stays_away_too_long_costs_the_oldest_or_the_agent_or_ticks() {
        // The first batch is tried at 0, 100 and 300 ms, and given up.
        let refusing = || Gate::new(99).refusing(3, || StoreError::Unavailable("not now".into()));
        for (on_failure, stored, expected, has_given_up) in [
            (OnStorageFailure::Drop, times(1..3), (4, 2, 3), false),
            (OnStorageFailure::Exit, times(1..3), (4, 2, 3), true),
            (OnStorageFailure::Block, times(0..3), (6, 0, 3), false),
        ] {
            let gate = refusing();
            let delivery = Delivery::new("down", terms(on_failure), gate.clone());
            send(&delivery, 0..3).await;
            // Without hurry, so that it is as slow as it is.
            tokio::time::timeout(PATIENT, delivery.way.queue.emptied()).await.unwrap();
            assert_eq!((gate.stored(), counted(&delivery)), (stored, expected), "{on_failure:?}");
            assert_eq!(delivery.has_given_up(), has_given_up, "{on_failure:?}");
        }
    }

    #[tokio::test]
    async fn what_a_storage_rejects_is_lost_at_once_and_the_next_is_tried() {
        for (on_failure, has_given_up) in
            [(OnStorageFailure::Drop, false), (OnStorageFailure::Block, false), (OnStorageFailure::Exit, true)]
        {
            let gate = Gate::new(9).refusing(2, || StoreError::Rejected("never".into()));
            let delivery = Delivery::new("bad", terms(on_failure), gate.clone());
            send(&delivery, 0..3).await;
            assert!(flushed(&delivery, PATIENT).await);
            assert_eq!((gate.stored(), counted(&delivery)), (vec![2.0], (2, 4, 2)), "{on_failure:?}");
            assert_eq!(delivery.has_given_up(), has_given_up, "{on_failure:?}");
        }
    }

    #[tokio::test]
    async fn who_waits_for_the_end_has_what_failed_tried_again_at_once() {
        let gate = Gate::new(99).refusing(1, || StoreError::Told { may_pass: true });
        let long = DeliveryTerms { retry: Duration::from_secs(3600), ..terms(OnStorageFailure::Drop) };
        let delivery = Delivery::new("weak", long, gate.clone());
        send(&delivery, [0]).await;
        while counted(&delivery).2 == 0 {
            tokio::task::yield_now().await;
        }
        assert!(flushed(&delivery, PATIENT).await);
        assert_eq!(gate.stored(), [0.0]);
    }

    #[tokio::test]
    async fn what_was_counted_of_the_way_before_goes_on() {
        let before = Delivery::new("log", terms(OnStorageFailure::Block), Gate::new(9));
        send(&before, [0]).await;
        let after = Delivery::after(&before, terms(OnStorageFailure::Drop), Gate::new(9));
        send(&after, [1]).await;
        assert!(flushed(&before, PATIENT).await && flushed(&after, PATIENT).await);
        assert_eq!((after.name(), after.delivered().stored), ("log", 4));
    }

    #[tokio::test]
    async fn what_was_handed_over_is_stored_although_the_way_has_gone() {
        let gate = Gate::new(0);
        let delivery = Delivery::new("log", terms(OnStorageFailure::Drop), gate.clone());
        send(&delivery, 0..2).await;
        drop(delivery);
        gate.permits.add_permits(2);
        tokio::time::timeout(PATIENT, async {
            while gate.stored().len() < 2 {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
    }

    /// A storage that answers so, and of whose batches this is said when they are over.
    struct InParts {
        answers: Vec<Result<(), StoreError>>,
        over: Vec<Parts>,
    }

    #[async_trait::async_trait]
    impl Store for InParts {
        async fn store(&mut self, _: &Batch, _: &Arc<Work>) -> Result<(), StoreError> {
            self.answers.pop().unwrap()
        }

        fn over(&mut self) -> Parts {
            self.over.pop().unwrap()
        }
    }

    #[tokio::test]
    async fn what_a_storage_takes_in_parts_is_counted_by_them() {
        // From the last to the first.
        let answers =
            vec![Err(StoreError::Rejected("never".into())), Ok(()), Err(StoreError::Unavailable("not now".into()))];
        let parts = |stored, uncertain| Parts { stored, uncertain };
        // Of two samples each, the first batch is tried twice and stored but for what is uncertain, and the second is given up.
        let store = InParts { answers, over: vec![parts(1, 0), parts(1, 1)] };
        let delivery = Delivery::new("parts", terms(OnStorageFailure::Drop), store);
        for (stored, dropped, uncertain) in [(1, 0, 1), (2, 1, 1)] {
            send(&delivery, [0]).await;
            tokio::time::timeout(PATIENT, delivery.way.queue.emptied()).await.unwrap();
            let delivered = delivery.delivered();
            assert_eq!((delivered.stored, delivered.dropped, delivered.uncertain), (stored, dropped, uncertain));
        }
    }
}
