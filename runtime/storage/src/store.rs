//! What every storage does.

use std::sync::Arc;

use wca_model::Batch;

use crate::work::Work;

/// A batch was not stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It could not be, and the text says why.
    #[error("{0}")]
    Failed(String),
    /// The storage is left alone for now, which has been said.
    #[error("it is not called for now")]
    Resting,
}

/// A storage.
#[async_trait::async_trait]
pub trait Store: Send + 'static {
    /// Takes one batch, and returns when it has been stored; counts what that costs of processor time.
    ///
    /// # Errors
    /// [`StoreError`]; the batch is lost then.
    async fn store(&mut self, batch: &Batch, work: &Arc<Work>) -> Result<(), StoreError>;
}
