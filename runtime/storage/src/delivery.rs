//! From a tick to a storage: a queue and a worker before each, so that a slow one keeps nobody waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::sync::oneshot;
use tokio::time::Instant;
use wca_model::Batch;

use crate::store::{Store, StoreError};

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
        let name: Arc<str> = name.into();
        let counts = Arc::<Counts>::default();
        let (queue, items) = mpsc::channel(QUEUE);
        tokio::spawn(work(Arc::clone(&name), Arc::clone(&counts), store, items));
        Self { name, when_full, queue, counts }
    }

    /// Name of the storage.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
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
        match store.store(&batch).await {
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
