//! What every storage does.

use std::sync::{Arc, Mutex, PoisonError};

use wca_model::Batch;

use crate::work::Work;

/// A batch was not stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Not now: it may be tried again.
    #[error("{0}")]
    Unavailable(String),
    /// Never.
    #[error("{0}")]
    Rejected(String),
    /// What has been said of the storage elsewhere.
    #[error("it failed, as said before")]
    Told {
        /// Whether it may be tried again.
        may_pass: bool,
    },
}

impl StoreError {
    /// Whether the same batch may be stored a little later.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Told { may_pass: true })
    }

    /// Whether it has not been said elsewhere.
    pub(crate) fn is_news(&self) -> bool {
        !matches!(self, Self::Told { .. })
    }
}

/// What became of some samples of a batch, where a storage takes it in parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// Those that were stored, although the batch as a whole was not.
    pub stored: usize,
    /// Those of which nobody knows whether they were stored. They are not tried again.
    pub uncertain: usize,
}

/// What became of the parts of the batch that is being stored, as far as it is known at any moment: a storage keeps it, and who
/// cannot wait for the end reads it.
#[derive(Debug, Default)]
pub struct PartsSoFar(Mutex<Parts>);

impl PartsSoFar {
    /// It is this from now on.
    pub fn set(&self, parts: Parts) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = parts;
    }

    /// What it is now.
    #[must_use]
    pub fn get(&self) -> Parts {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A storage.
#[async_trait::async_trait]
pub trait Store: Send + 'static {
    /// Takes one batch, and returns when it has been stored; counts what that costs of processor time. After an error that may
    /// pass, the next call can be for the same batch.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn store(&mut self, batch: &Batch, work: &Arc<Work>) -> Result<(), StoreError>;

    /// The batch of the last calls is not tried again, since it was stored or is given up: what became of its parts apart from
    /// the rest. The next call is for another one. Others wait meanwhile, so it takes no time.
    fn over(&mut self) -> Parts {
        Parts::default()
    }

    /// Where a storage that takes batches in parts keeps what became of those of the one under way. With [`Store::over`] it
    /// begins anew.
    fn so_far(&self) -> Arc<PartsSoFar> {
        Arc::default()
    }
}
