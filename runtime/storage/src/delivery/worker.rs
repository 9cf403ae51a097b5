//! The worker of a way: stores what waits there batch by batch, again where that fails, for as long as the terms want.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;
use wca_model::{Batch, OnStorageFailure};

use super::way::Way;
use crate::store::{Parts, Store, StoreError};

/// How long it is waited before a batch is tried again: the first time, doubling from there, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// How long one call may take before a storage is given up by which the agent is to end, also where batches are not tried again
/// for as long: a disk may be slow for a moment.
pub(super) const LEAST_PATIENCE: Duration = Duration::from_secs(1);

/// Stores whatever comes, until the way is closed and empty.
pub(super) async fn work(way: Arc<Way>, mut store: impl Store) {
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
                let size = batch.size();
                way.counts.over(Parts { stored: size.saturating_sub(uncertain), uncertain }, size);
            });
            return;
        };
        way.counts.errors.fetch_add(1, Ordering::Relaxed);
        let left = time_left(way, begun);
        if left.is_zero() || !error.may_pass() {
            give_up(way, &error, said);
            way.queue.settle(|| way.counts.over(store.over(), batch.size()));
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
