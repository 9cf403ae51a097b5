//! What waits before one storage, in the order in which it came.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};
use wca_model::Batch;

/// Batches that wait for one worker.
pub(crate) struct Queue {
    state: Mutex<State>,
    most: usize,
    /// There is something to take, or nothing will come any more.
    filled: Notify,
    /// There is room.
    room: Notify,
    /// Number of the oldest batch that is neither stored nor lost.
    oldest: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<(u64, Batch)>,
    /// The one that the worker has.
    taken: Option<u64>,
    /// Number of the next.
    next: u64,
    is_closed: bool,
}

impl State {
    fn oldest(&self) -> u64 {
        self.taken.or_else(|| self.waiting.front().map(|(number, _)| *number)).unwrap_or(self.next)
    }

    fn push(&mut self, batch: Batch) {
        self.waiting.push_back((self.next, batch));
        self.next += 1;
    }
}

impl Queue {
    /// With room for so many, one at least.
    pub(crate) fn new(most: usize) -> Self {
        let (oldest, _) = watch::channel(0);
        Self { state: Mutex::default(), most: most.max(1), filled: Notify::new(), room: Notify::new(), oldest }
    }

    /// Adds a batch; the oldest of those that wait where there was no room.
    pub(crate) fn push_out(&self, batch: Batch) -> Option<Batch> {
        let mut state = self.locked();
        let out = if state.waiting.len() < self.most { None } else { state.waiting.pop_front() };
        state.push(batch);
        self.oldest.send_replace(state.oldest());
        self.filled.notify_one();
        out.map(|(_, batch)| batch)
    }

    /// Adds a batch as soon as there is room.
    pub(crate) async fn push_in(&self, batch: Batch) {
        loop {
            {
                let mut state = self.locked();
                if state.waiting.len() < self.most {
                    state.push(batch);
                    self.filled.notify_one();
                    return;
                }
            }
            self.room.notified().await;
        }
    }

    /// The next batch; none when it is closed and empty. What was taken before is done.
    pub(crate) async fn take(&self) -> Option<Batch> {
        loop {
            {
                let mut state = self.locked();
                let taken = state.waiting.pop_front();
                state.taken = taken.as_ref().map(|(number, _)| *number);
                self.oldest.send_replace(state.oldest());
                if let Some((_, batch)) = taken {
                    self.room.notify_one();
                    return Some(batch);
                }
                if state.is_closed {
                    return None;
                }
            }
            self.filled.notified().await;
        }
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.locked().waiting.len()
    }

    /// Nothing comes any more.
    pub(crate) fn close(&self) {
        self.locked().is_closed = true;
        self.filled.notify_one();
    }

    /// Waits until all that have come so far are done.
    pub(crate) async fn emptied(&self) {
        let next = self.locked().next;
        // The sender is this.
        let _ = self.oldest.subscribe().wait_for(|oldest| *oldest >= next).await;
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
