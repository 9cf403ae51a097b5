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
    progress: watch::Sender<Progress>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<(u64, Batch)>,
    /// The one that the worker has.
    taken: Option<(u64, Batch)>,
    /// Number of the next.
    next: u64,
    is_closed: bool,
}

/// How far the worker has come.
#[derive(Clone, Copy, Default)]
struct Progress {
    /// Number of the oldest batch that is neither stored nor lost.
    oldest: u64,
    /// How many wait.
    waiting: usize,
}

impl State {
    fn progress(&self) -> Progress {
        let oldest = self.taken.as_ref().or(self.waiting.front()).map_or(self.next, |(number, _)| *number);
        Progress { oldest, waiting: self.waiting.len() }
    }

    fn push(&mut self, batch: Batch) {
        self.waiting.push_back((self.next, batch));
        self.next += 1;
    }
}

impl Queue {
    /// With room for so many, one at least.
    pub(crate) fn new(most: usize) -> Self {
        let (progress, _) = watch::channel(Progress::default());
        Self { state: Mutex::default(), most: most.max(1), filled: Notify::new(), progress }
    }

    /// Adds a batch, also where there is no room.
    pub(crate) fn push(&self, batch: Batch) {
        self.change(|state| state.push(batch));
        self.filled.notify_one();
    }

    /// Adds a batch in the place of the oldest of those that wait, where there is no room; that one.
    pub(crate) fn push_out(&self, batch: Batch) -> Option<Batch> {
        let out = self.change(|state| {
            let out = if state.waiting.len() < self.most { None } else { state.waiting.pop_front() };
            state.push(batch);
            out
        });
        self.filled.notify_one();
        out.map(|(_, batch)| batch)
    }

    /// The next batch; none when it is closed and empty. It is under way until [`Queue::settle`].
    pub(crate) async fn take(&self) -> Option<Batch> {
        loop {
            let (batch, is_closed) = self.change(|state| {
                state.taken = state.waiting.pop_front();
                (state.taken.as_ref().map(|(_, batch)| batch.clone()), state.is_closed)
            });
            if batch.is_some() || is_closed {
                return batch;
            }
            self.filled.notified().await;
        }
    }

    /// The batch that was taken is stored or lost, which `count` notes before anybody who waits hears of it. Nothing where it
    /// has been abandoned meanwhile.
    pub(crate) fn settle(&self, count: impl FnOnce()) {
        self.change(|state| {
            if state.taken.take().is_some() {
                count();
            }
        });
    }

    /// Closes it and gives away all that is neither stored nor lost, the batch that was taken included.
    pub(crate) fn abandon(&self) -> Vec<Batch> {
        let left = self.change(|state| {
            state.is_closed = true;
            state.taken.take().into_iter().chain(state.waiting.drain(..)).collect::<Vec<_>>()
        });
        self.filled.notify_one();
        left.into_iter().map(|(_, batch)| batch).collect()
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.progress.borrow().waiting
    }

    /// How many may wait.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// Whether no more wait than may.
    pub(crate) fn has_room(&self) -> bool {
        self.len() <= self.most
    }

    /// Waits until no more wait than may.
    pub(crate) async fn room(&self) {
        // The sender is this.
        let _ = self.progress.subscribe().wait_for(|progress| progress.waiting <= self.most).await;
    }

    /// Nothing comes any more.
    pub(crate) fn close(&self) {
        self.locked().is_closed = true;
        self.filled.notify_one();
    }

    /// Whether nothing comes any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.locked().is_closed
    }

    /// Whether all that have come so far are done.
    pub(crate) fn is_done(&self) -> bool {
        let state = self.locked();
        state.progress().oldest >= state.next
    }

    /// Waits until all that have come so far are done.
    pub(crate) async fn emptied(&self) {
        let next = self.locked().next;
        // The sender is this.
        let _ = self.progress.subscribe().wait_for(|progress| progress.oldest >= next).await;
    }

    /// Changes what waits, and tells those who wait for it.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.locked();
        let result = change(&mut state);
        self.progress.send_replace(state.progress());
        result
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
