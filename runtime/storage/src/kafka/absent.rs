//! What stands for the storage where the program has no client.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use wca_model::Batch;

use super::{KafkaError, Options};
use crate::store::{Store, StoreError};
use crate::work::Work;

/// There is no client to wait for.
#[must_use]
pub fn end(_: Duration) -> bool {
    true
}

/// There is none.
pub struct KafkaStorage(Infallible);

impl KafkaStorage {
    /// Refuses.
    ///
    /// # Errors
    /// [`KafkaError::NotBuiltIn`].
    pub fn new(_: &Options) -> Result<Self, KafkaError> {
        Err(KafkaError::NotBuiltIn)
    }

    /// What the operator should hear once.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        match self.0 {}
    }
}

#[async_trait::async_trait]
impl Store for KafkaStorage {
    async fn store(&mut self, _: &Batch, _: &Arc<Work>) -> Result<(), StoreError> {
        match self.0 {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_how_to_build_it_in() {
        let options = Options {
            topic: "metrics".into(),
            brokers: vec!["localhost:9092".into()],
            timeout: Duration::from_secs(1),
            extra: vec![],
            tls: None,
        };
        let error = KafkaStorage::new(&options).err().unwrap();
        assert_eq!(error.to_string(), "this program was built without it");
        assert!(error.help().unwrap().contains("`--features kafka`"));
    }
}
