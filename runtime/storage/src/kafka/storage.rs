//! The storage: a batch as messages, of each of which it is known what became of it.

use std::sync::Arc;
use std::time::Instant;

use tokio::task::JoinError;
use wca_model::Batch;

use super::messages::Messages;
use super::producer::Producer;
use super::settings::Settings;
use super::split::split;
use super::tls;
use super::{KafkaError, Options};
use crate::log::TextForm;
use crate::seldom::Seldom;
use crate::store::{Parts, PartsSoFar, Store, StoreError};
use crate::work::{self, Work};

/// Sends each batch to a topic.
pub struct KafkaStorage {
    client: Arc<Client>,
    /// The one that is used; none after it has given messages back.
    producer: Option<Producer>,
    /// The batch of the last call.
    batch: Option<Arc<Messages>>,
    so_far: Arc<PartsSoFar>,
    doubts: Doubts,
}

/// What makes a producer.
struct Client {
    options: Options,
    settings: Settings,
}

impl KafkaStorage {
    /// With a client of its own, which looks for brokers from now on.
    ///
    /// # Errors
    /// [`KafkaError`].
    pub fn new(options: &Options) -> Result<Self, KafkaError> {
        let settings = Settings::new(options)?;
        let producer = Producer::new(&settings, &options.topic)?;
        let client = Arc::new(Client { options: options.clone(), settings });
        let (so_far, doubts) = (Arc::default(), Doubts::default());
        Ok(Self { client, producer: Some(producer), batch: None, so_far, doubts })
    }

    /// What the operator should hear once.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.client.settings.notes
    }

    /// The messages of a batch; those of the last call where it was for the same one.
    async fn messages(&mut self, batch: &Batch, work: &Arc<Work>) -> Result<Arc<Messages>, StoreError> {
        if let Some(begun) = &self.batch {
            return Ok(Arc::clone(begun));
        }
        let (client, batch, work) = (Arc::clone(&self.client), batch.clone(), Arc::clone(work));
        let parts = tokio::task::spawn_blocking(move || {
            let form = TextForm { timestamps: true, labels: None };
            work.count(work::Part::Rendering, || split(&form.text(&batch), client.settings.most))
        });
        let parts = parts.await.map_err(|error| ended(&error))?;
        let messages = Arc::new(Messages::new(parts, Arc::clone(&self.so_far)));
        self.batch = Some(Arc::clone(&messages));
        Ok(messages)
    }

    /// Has this done elsewhere, since it blocks. What it has not settled of what it gave to the client, where it panics, nobody
    /// knows, and what it held back is lost: what made it panic once does so again.
    async fn delivered(
        &mut self,
        messages: &Messages,
        deliver: impl FnOnce() -> (Option<Producer>, Result<(), StoreError>) + Send + 'static,
    ) -> Result<(), StoreError> {
        match tokio::task::spawn_blocking(deliver).await {
            Ok((producer, result)) => {
                self.producer = producer;
                result
            }
            Err(error) => {
                messages.doubt();
                Err(ended(&error))
            }
        }
    }
}

#[async_trait::async_trait]
impl Store for KafkaStorage {
    async fn store(&mut self, batch: &Batch, work: &Arc<Work>) -> Result<(), StoreError> {
        let messages = self.messages(batch, work).await?;
        let before = messages.parts().uncertain;
        let (client, producer) = (Arc::clone(&self.client), self.producer.take());
        let (sent, work) = (Arc::clone(&messages), Arc::clone(work));
        let result = self.delivered(&messages, move || client.deliver(producer, &sent, &work)).await;
        self.doubts.say(&self.client.options.topic, messages.parts().uncertain.saturating_sub(before));
        result
    }

    fn over(&mut self) -> Parts {
        self.so_far.set(Parts::default());
        self.batch.take().map(|messages| messages.parts()).unwrap_or_default()
    }

    fn so_far(&self) -> Arc<PartsSoFar> {
        Arc::clone(&self.so_far)
    }
}

impl Client {
    /// Sends what waits by this producer, or by a new one; gives back the one that may be used again.
    fn deliver(
        &self,
        producer: Option<Producer>,
        messages: &Messages,
        work: &Work,
    ) -> (Option<Producer>, Result<(), StoreError>) {
        if messages.waiting().is_empty() {
            return (producer, Ok(()));
        }
        let made = producer.map_or_else(|| Producer::new(&self.settings, &self.options.topic), Ok);
        let mut producer = match made {
            Ok(producer) => producer,
            Err(error) => return (None, Err(StoreError::Unavailable(error.to_string()))),
        };
        let mut delivered = work.count(work::Part::Writing, || producer.deliver(messages, self.options.timeout));
        if let Some((trouble, spoken)) = delivered.trouble.as_mut().zip(self.settings.tls.as_ref()) {
            *trouble = tls::explained(trouble, spoken, self.options.timeout);
        }
        let producer = Some(producer).filter(|_| delivered.is_usable);
        (producer, messages.verdict(delivered))
    }
}

/// Why work that was done elsewhere has not come back.
fn ended(error: &JoinError) -> StoreError {
    match error.is_panic() {
        true => StoreError::Rejected(format!("an error in the agent, which is to be reported: {error}")),
        false => StoreError::Unavailable("the agent ends".into()),
    }
}

/// What is said of samples that are uncertain: it is no news at every batch.
#[derive(Default)]
struct Doubts {
    seldom: Seldom,
    unsaid: usize,
}

impl Doubts {
    /// Of so many more it is.
    fn say(&mut self, topic: &str, samples: usize) {
        if samples == 0 {
            return;
        }
        self.unsaid += samples;
        if self.seldom.count(Instant::now()).is_some() {
            let samples = std::mem::take(&mut self.unsaid);
            tracing::warn!(
                "KafkaStorage({topic}): of {samples} samples no broker has said whether it stored them, and they are never sent \
                 again (wca_storage_uncertain_samples)"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::kafka::fate::Fate;
    use crate::kafka::split::Part;

    fn options() -> Options {
        Options {
            topic: "metrics".into(),
            // A port at which nobody listens.
            brokers: vec!["127.0.0.1:9".into()],
            timeout: Duration::from_millis(200),
            extra: vec![],
            tls: None,
        }
    }

    #[tokio::test]
    async fn where_no_broker_is_nothing_is_uncertain() {
        let mut storage = KafkaStorage::new(&options()).unwrap();
        for _ in 0..2 {
            let told = storage.store(&crate::testing::batch(1.0, vec![]), &Arc::default()).await.unwrap_err();
            let text = told.to_string();
            assert!(text.starts_with("FailedDelivery: 1 of 1 messages were not delivered within 200ms"), "{text}");
            assert!(text.contains("Connect to ipv4#127.0.0.1:9 failed: Connection refused"), "{text}");
            assert!(told.may_pass() && !text.contains("uncertain"), "{text}");
        }
        assert_eq!(storage.over(), Parts::default());
    }

    #[tokio::test]
    async fn a_batch_of_nothing_is_no_message() {
        let mut storage = KafkaStorage::new(&options()).unwrap();
        let batch = Batch::new(
            Arc::clone(crate::testing::batch(1.0, vec![]).snapshot()),
            Arc::new(wca_model::batch::LabelSets::none()),
            vec![],
            &[],
        );
        storage.store(&batch, &Arc::default()).await.unwrap();
        assert_eq!(storage.over(), Parts::default());
    }

    #[tokio::test]
    async fn what_was_settled_before_a_panic_stays_so_and_nothing_is_sent_again() {
        let mut storage = KafkaStorage::new(&options()).unwrap();
        let parts = [1, 20, 300].map(|samples| Part { text: String::new(), samples }).to_vec();
        let messages = Arc::new(Messages::new(parts, storage.so_far()));
        storage.batch = Some(Arc::clone(&messages));
        let sent = Arc::clone(&messages);
        let told = storage
            .delivered(&messages, move || {
                sent.settle(0, Fate::Stored);
                sent.sent(1);
                panic!("as it must not")
            })
            .await
            .unwrap_err();
        assert!(!told.may_pass() && told.to_string().contains("as it must not"), "{told}");
        let expected = Parts { stored: 1, uncertain: 20 };
        assert_eq!(
            (storage.so_far().get(), storage.over(), storage.so_far().get()),
            (expected, expected, Parts::default())
        );
    }
}
