//! From a tick to a storage: a queue and a worker before each, so that a slow one keeps nobody waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::sync::oneshot;
use tokio::time::Instant;
use wca_model::Batch;

use crate::store::{Store, StoreError};
use crate::work::{Part, Work};

/// Batches that wait. A tick sends at most three to one storage.
const QUEUE: usize = 6;

/// What happens to a batch that the queue has no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// The tick waits, and so overruns, which is counted.
    Wait,
    /// It is dropped, which is counted.
    Drop,
}

/// What became of the batches so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Samples that were stored.
    pub stored: u64,
    /// Samples that were lost.
    pub dropped: u64,
    /// Batches that the storage did not take.
    pub errors: u64,
}

#[derive(Debug, Default)]
struct Counts {
    stored: AtomicU64,
    dropped: AtomicU64,
    errors: AtomicU64,
    work: Arc<Work>,
}

/// The way to one storage.
pub struct Delivery {
    name: Arc<str>,
    when_full: WhenFull,
    queue: mpsc::Sender<Item>,
    counts: Arc<Counts>,
}

/// What a worker takes.
enum Item {
    Batch(Batch),
    /// Everything before it has been stored, or was lost.
    Flushed(oneshot::Sender<()>),
}

impl Delivery {
    /// A way to this storage, with a worker of its own that ends with it. `name` is for messages and metrics.
    #[must_use]
    pub fn new(name: &str, when_full: WhenFull, store: impl Store) -> Self {
        Self::counting(name, when_full, Arc::default(), store)
    }

    /// Like [`Delivery::new`], where another way led to the same place before: what was counted of it goes on.
    #[must_use]
    pub fn after(before: &Self, store: impl Store) -> Self {
        Self::counting(&before.name, before.when_full, Arc::clone(&before.counts), store)
    }

    fn counting(name: &str, when_full: WhenFull, counts: Arc<Counts>, store: impl Store) -> Self {
        let name: Arc<str> = name.into();
        let (queue, items) = mpsc::channel(QUEUE);
        tokio::spawn(work(Arc::clone(&name), Arc::clone(&counts), store, items));
        Self { name, when_full, queue, counts }
    }

    /// Name of the storage.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What happens to a batch that there is no room for.
    #[must_use]
    pub fn when_full(&self) -> WhenFull {
        self.when_full
    }

    /// Hands over a batch.
    pub async fn send(&self, batch: Batch) {
        let lost = match self.when_full {
            WhenFull::Wait => self.queue.send(Item::Batch(batch)).await.err().map(|error| error.0),
            WhenFull::Drop => match self.queue.try_send(Item::Batch(batch)) {
                Ok(()) => None,
                Err(TrySendError::Full(item) | TrySendError::Closed(item)) => Some(item),
            },
        };
        if let Some(Item::Batch(batch)) = lost {
            add(&self.counts.dropped, batch.size());
        }
    }

    /// What became of the batches so far.
    #[must_use]
    pub fn delivered(&self) -> Delivered {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Delivered {
            stored: read(&self.counts.stored),
            dropped: read(&self.counts.dropped),
            errors: read(&self.counts.errors),
        }
    }

    /// What storing has cost of processor time so far.
    #[must_use]
    pub fn spent(&self, part: Part) -> Duration {
        self.counts.work.spent(part)
    }

    /// Waits until everything that was handed over has been stored or lost, or until then; whether it has.
    pub async fn flush(&self, until: Instant) -> bool {
        let flushing = async {
            let (sender, flushed) = oneshot::channel();
            if self.queue.send(Item::Flushed(sender)).await.is_ok() {
                // The worker ends before it answers only where the whole process does.
                let _ = flushed.await;
            }
        };
        tokio::time::timeout_at(until, flushing).await.is_ok()
    }
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery").field("name", &self.name).finish_non_exhaustive()
    }
}

async fn work(name: Arc<str>, counts: Arc<Counts>, mut store: impl Store, mut items: mpsc::Receiver<Item>) {
    let mut said = Said::default();
    while let Some(item) = items.recv().await {
        let batch = match item {
            Item::Batch(batch) => batch,
            Item::Flushed(sender) => {
                // Who asked may have given up meanwhile.
                let _ = sender.send(());
                continue;
            }
        };
        match store.store(&batch, &counts.work).await {
            Ok(()) => {
                add(&counts.stored, batch.size());
                said.works(&name);
            }
            Err(error) => {
                add(&counts.dropped, batch.size());
                counts.errors.fetch_add(1, Ordering::Relaxed);
                if let StoreError::Failed(why) = error {
                    said.fails(&name, &why);
                }
            }
        }
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
    fn fails(&mut self, name: &str, why: &str) {
        self.failures += 1;
        if self.failures.is_power_of_two() {
            let times = match self.failures {
                1 => String::new(),
                times => format!(" ({times} times in a row)"),
            };
            tracing::error!("{name}: not stored: {why}{times}");
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

    async fn flushed(delivery: &Delivery, within: Duration) -> bool {
        delivery.flush(Instant::now() + within).await
    }

    #[tokio::test]
    async fn batches_are_stored_in_their_order_and_counted() {
        let gate = Gate::new(usize::from(u8::MAX));
        let delivery = Delivery::new("log", WhenFull::Wait, gate.clone());
        for time in 0..50_u32 {
            delivery.send(batch(time.into(), vec![])).await;
        }
        assert!(flushed(&delivery, PATIENT).await);
        assert_eq!(gate.stored(), (0..50_u32).map(f64::from).collect::<Vec<_>>());
        assert_eq!(delivery.delivered(), Delivered { stored: 100, dropped: 0, errors: 0 });
    }

    #[tokio::test]
    async fn what_a_full_queue_has_no_room_for_is_dropped_and_counted() {
        let gate = Gate::new(0);
        let delivery = Delivery::new("slow", WhenFull::Drop, gate.clone());
        delivery.send(batch(0.0, vec![])).await;
        // The worker has it, so that the queue is empty.
        while delivery.queue.capacity() < QUEUE {
            tokio::task::yield_now().await;
        }
        for time in 1..=QUEUE + 3 {
            #[allow(clippy::cast_precision_loss, reason = "small")]
            delivery.send(batch(time as f64, vec![])).await;
        }
        assert_eq!(delivery.delivered(), Delivered { stored: 0, dropped: 6, errors: 0 });
        gate.permits.add_permits(100);
        assert!(flushed(&delivery, PATIENT).await);
        assert_eq!(gate.stored(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(delivery.delivered(), Delivered { stored: 14, dropped: 6, errors: 0 });
    }

    #[tokio::test]
    async fn a_full_queue_that_waits_loses_nothing() {
        let gate = Gate::new(0);
        let delivery = Arc::new(Delivery::new("log", WhenFull::Wait, gate.clone()));
        let sending = tokio::spawn({
            let delivery = Arc::clone(&delivery);
            async move {
                for time in 0..=QUEUE + 1 {
                    #[allow(clippy::cast_precision_loss, reason = "small")]
                    delivery.send(batch(time as f64, vec![])).await;
                }
            }
        });
        tokio::time::sleep(SHORT).await;
        assert!(!sending.is_finished());
        gate.permits.add_permits(1);
        tokio::time::timeout(PATIENT, sending).await.unwrap().unwrap();
        gate.permits.add_permits(100);
        assert!(flushed(&delivery, PATIENT).await);
        assert_eq!(gate.stored().len(), QUEUE + 2);
        assert_eq!(delivery.delivered().dropped, 0);
    }

    #[tokio::test]
    async fn flushing_gives_up_in_time() {
        let gate = Gate::new(0);
        let delivery = Delivery::new("stuck", WhenFull::Wait, gate.clone());
        assert!(flushed(&delivery, PATIENT).await);
        delivery.send(batch(0.0, vec![])).await;
        assert!(!flushed(&delivery, SHORT).await);
        gate.permits.add_permits(1);
        assert!(flushed(&delivery, PATIENT).await);
        assert_eq!(gate.stored(), [0.0]);
    }

    #[tokio::test]
    async fn what_a_storage_refuses_is_lost_and_the_next_is_tried() {
        let gate = Gate { refuses: true, ..Gate::new(3) };
        let delivery = Delivery::new("bad", WhenFull::Wait, gate);
        for time in 0..3_u32 {
            delivery.send(batch(time.into(), vec![])).await;
        }
        assert!(flushed(&delivery, PATIENT).await);
        assert_eq!(delivery.delivered(), Delivered { stored: 0, dropped: 6, errors: 3 });
    }

    #[tokio::test]
    async fn what_was_counted_of_the_way_before_goes_on() {
        let before = Delivery::new("log", WhenFull::Wait, Gate::new(9));
        before.send(batch(0.0, vec![])).await;
        let after = Delivery::after(&before, Gate::new(9));
        after.send(batch(1.0, vec![])).await;
        assert!(flushed(&before, PATIENT).await && flushed(&after, PATIENT).await);
        assert_eq!((after.name(), after.when_full(), after.delivered().stored), ("log", WhenFull::Wait, 4));
    }

    #[tokio::test]
    async fn what_was_handed_over_is_stored_although_the_way_has_gone() {
        let gate = Gate::new(0);
        let delivery = Delivery::new("log", WhenFull::Wait, gate.clone());
        delivery.send(batch(0.0, vec![])).await;
        delivery.send(batch(1.0, vec![])).await;
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
}
