//! On what terms metrics are given to a storage.

use std::time::Duration;

/// What happens to metrics that a storage does not take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnStorageFailure {
    /// They are dropped, the oldest first, which is counted. The agent goes on.
    #[default]
    Drop,
    /// None is dropped: they are tried again until they are taken, and ticks wait for room, so that they overrun, which is
    /// counted.
    Block,
    /// None is dropped: the agent ends.
    Exit,
}

/// On what terms a storage is given metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryTerms {
    /// What happens to what it does not take.
    pub on_failure: OnStorageFailure,
    /// How many batches may wait for it. A tick makes at most three.
    pub queue: usize,
    /// How long one batch is tried again; with [`OnStorageFailure::Block`], without end.
    pub retry: Duration,
}

impl Default for DeliveryTerms {
    fn default() -> Self {
        Self { on_failure: OnStorageFailure::default(), queue: 32, retry: Duration::from_secs(5) }
    }
}
