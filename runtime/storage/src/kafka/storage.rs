//! The storage: a batch as messages, of each of which it is known what became of it.

use std::sync::Arc;

use wca_model::Batch;

use super::fate::Fate;
use super::producer::{Delivered, Producer};
use super::settings::Settings;
use super::split::{Part, split};
use super::tls;
use super::{KafkaError, Options};
use crate::log::TextForm;
use crate::store::{Parts, Store, StoreError};
use crate::work::{self, Work};

/// Sends each batch to a topic.
pub struct KafkaStorage {
    client: Arc<Client>,
    /// The one that is used; none after it has given messages back.
    producer: Option<Producer>,
    /// The batch of the last call.
    batch: Option<Messages>,
}

/// What makes a producer.
struct Client {
    options: Options,
    settings: Settings,
}

/// A batch on its way.
struct Messages {
    parts: Vec<Part>,
    states: Vec<State>,
}

/// Where a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Stored,
    Uncertain,
    Lost,
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
        Ok(Self { client, producer: Some(producer), batch: None })
    }

    /// What the operator should hear once.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.client.settings.notes
    }
}

#[async_trait::async_trait]
impl Store for KafkaStorage {
    async fn store(&mut self, batch: &Batch, work: &Arc<Work>) -> Result<(), StoreError> {
        let (client, begun, producer) = (Arc::clone(&self.client), self.batch.take(), self.producer.take());
        let (batch, work) = (batch.clone(), Arc::clone(work));
        let delivering = tokio::task::spawn_blocking(move || {
            let messages = begun.unwrap_or_else(|| client.messages(&batch, &work));
            client.deliver(producer, messages, &work)
        });
        let (producer, messages, failed) =
            delivering.await.map_err(|_| StoreError::Unavailable("the agent ends".into()))?;
        (self.producer, self.batch) = (producer, Some(messages));
        failed
    }

    fn over(&mut self) -> Parts {
        self.batch.take().map(|messages| messages.settled()).unwrap_or_default()
    }
}

impl Client {
    fn messages(&self, batch: &Batch, work: &Work) -> Messages {
        let form = TextForm { timestamps: true, labels: None };
        let parts = work.count(work::Part::Rendering, || split(&form.text(batch), self.settings.most));
        Messages { states: vec![State::Waiting; parts.len()], parts }
    }

    /// Sends what waits by this producer, or by a new one; gives back the one that may be used again.
    fn deliver(
        &self,
        producer: Option<Producer>,
        mut messages: Messages,
        work: &Work,
    ) -> (Option<Producer>, Messages, Result<(), StoreError>) {
        if !messages.states.contains(&State::Waiting) {
            return (producer, messages, Ok(()));
        }
        let made = producer.map_or_else(|| Producer::new(&self.settings, &self.options.topic), Ok);
        let mut producer = match made {
            Ok(producer) => producer,
            Err(error) => return (None, messages, Err(StoreError::Unavailable(error.to_string()))),
        };
        let mut delivered =
            work.count(work::Part::Writing, || producer.deliver(&messages.waiting(), self.options.timeout));
        if let Some((trouble, tls)) = delivered.trouble.as_mut().zip(self.options.tls.as_ref()) {
            *trouble = tls::explained(trouble, tls, self.options.timeout);
        }
        let producer = Some(producer).filter(|_| delivered.is_usable);
        let failed = messages.take(delivered, &self.options);
        (producer, messages, failed)
    }
}

impl Messages {
    /// Those that wait, with their numbers.
    fn waiting(&self) -> Vec<(usize, &str)> {
        let waiting =
            self.parts.iter().zip(&self.states).enumerate().filter(|(_, (_, state))| **state == State::Waiting);
        waiting.map(|(number, (part, _))| (number, part.text.as_str())).collect()
    }

    /// Samples in messages of this state.
    fn samples(&self, wanted: State) -> usize {
        let parts = self.parts.iter().zip(&self.states).filter(|(_, state)| **state == wanted);
        parts.map(|(part, _)| part.samples).sum()
    }

    fn settled(&self) -> Parts {
        Parts { stored: self.samples(State::Stored), uncertain: self.samples(State::Uncertain) }
    }

    /// Takes note of what became of messages; the error says of which ones they are not stored.
    fn take(&mut self, delivered: Delivered, options: &Options) -> Result<(), StoreError> {
        let (sent, mut failed, mut why) = (delivered.fates.len(), 0, None);
        let mut uncertain = 0;
        for (at, fate) in delivered.fates {
            let (state, reason) = match fate {
                Fate::Stored => (State::Stored, None),
                Fate::Uncertain => (State::Uncertain, None),
                Fate::Waiting(reason) => (State::Waiting, reason),
                Fate::Lost(reason) => (State::Lost, Some(reason)),
            };
            self.states[at] = state;
            failed += usize::from(state != State::Stored);
            uncertain += usize::from(state == State::Uncertain);
            why = why.or(reason);
        }
        if failed == 0 && !self.states.contains(&State::Lost) {
            return Ok(());
        }
        let why = delivered.trouble.or(why).unwrap_or_else(|| "no broker has answered in time".into());
        let uncertain = match uncertain {
            0 => String::new(),
            count => format!("; of {count} it is uncertain, and these are not sent again"),
        };
        let what = format!(
            "FailedDelivery: {failed} of {sent} messages were not delivered within {:?} (max_timeout_in_seconds): {why}{uncertain}",
            options.timeout
        );
        // Where something waits, it is tried again; what is uncertain never is.
        Err(match self.states.contains(&State::Waiting) {
            true => StoreError::Unavailable(what),
            false => StoreError::Rejected(what),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

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

    fn messages(samples: &[usize]) -> Messages {
        let parts: Vec<Part> = samples.iter().map(|samples| Part { text: String::new(), samples: *samples }).collect();
        Messages { states: vec![State::Waiting; parts.len()], parts }
    }

    fn delivered(fates: &[(usize, Fate)]) -> Delivered {
        Delivered { fates: fates.to_vec(), trouble: None, is_usable: false }
    }

    #[test]
    fn each_message_is_settled_by_itself_and_only_what_waits_is_sent_again() {
        let mut batch = messages(&[1, 20, 300, 4_000]);
        let first =
            [(0, Fate::Stored), (1, Fate::Uncertain), (2, Fate::Waiting(None)), (3, Fate::Lost("large".into()))];
        let told = batch.take(delivered(&first), &options()).unwrap_err();
        assert_eq!(
            told.to_string(),
            "FailedDelivery: 3 of 4 messages were not delivered within 200ms (max_timeout_in_seconds): large; of 1 it is \
             uncertain, and these are not sent again"
        );
        assert!(told.may_pass());
        assert_eq!((batch.waiting(), batch.settled()), (vec![(2, "")], Parts { stored: 1, uncertain: 20 }));
        let told = batch.take(delivered(&[(2, Fate::Stored)]), &options()).unwrap_err();
        assert!(!told.may_pass(), "one was lost");
        assert_eq!((batch.waiting(), batch.settled()), (vec![], Parts { stored: 301, uncertain: 20 }));
    }

    #[test]
    fn where_nothing_waits_nothing_is_tried_again() {
        let mut batch = messages(&[1, 1]);
        let told = batch.take(delivered(&[(0, Fate::Stored), (1, Fate::Uncertain)]), &options()).unwrap_err();
        assert!(!told.may_pass());
        let mut batch = messages(&[1, 1]);
        assert!(
            batch
                .take(delivered(&[(0, Fate::Uncertain), (1, Fate::Waiting(None))]), &options())
                .unwrap_err()
                .may_pass()
        );
        assert!(batch.take(delivered(&[(1, Fate::Stored)]), &options()).is_ok());
        assert_eq!(batch.settled(), Parts { stored: 1, uncertain: 1 });
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
}
