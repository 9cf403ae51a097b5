//! A client, and what became of the messages that it was given.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext, PurgeConfig};

use super::KafkaError;
use super::fate::Fate;
use super::settings::Settings;

/// How often it is looked for what has come.
const LOOK: Duration = Duration::from_millis(2);
/// For how long the client is waited for when it gives messages back. It holds them in its own memory.
const GIVE_BACK: Duration = Duration::from_secs(5);

/// What became of messages, each by its number.
#[derive(Debug)]
pub(super) struct Delivered {
    pub(super) fates: Vec<(usize, Fate)>,
    /// What the client has complained of, where a message is not stored.
    pub(super) trouble: Option<String>,
    /// The client can be given messages again. Where not, it is to be dropped, and another one made: it would count messages that
    /// it gave back as missing.
    pub(super) is_usable: bool,
}

/// A client. Its calls block.
pub(super) struct Producer {
    base: Option<BaseProducer<Reports>>,
    topic: String,
    has_found_brokers: bool,
}

impl Producer {
    pub(super) fn new(settings: &Settings, topic: &str) -> Result<Self, KafkaError> {
        let reports = Reports { is_watched: settings.is_watched, reported: Mutex::default() };
        let base = settings.config.create_with_context(reports).map_err(|error: ClientError| match error {
            ClientError::ClientConfig(_, what, name, _) => KafkaError::Invalid { name, what },
            ClientError::ClientCreation(what) => KafkaError::Client(what),
            error => KafkaError::Client(error.to_string()),
        })?;
        Ok(Self { base: Some(base), topic: topic.to_owned(), has_found_brokers: false })
    }

    /// Sends these messages, and waits until it is clear what became of each. Finding brokers may take that time first; nothing is
    /// sent before, so that a broker that is away costs no message its certainty.
    pub(super) fn deliver(&mut self, messages: &[(usize, &str)], time: Duration) -> Delivered {
        let Some(base) = &self.base else { return Delivered { fates: vec![], trouble: None, is_usable: false } };
        let reports = base.context();
        if !self.has_found_brokers {
            if let Err(error) = base.client().fetch_metadata(Some(&self.topic), time) {
                // What it complains of comes the same way as reports.
                base.poll(LOOK);
                let why = error.rdkafka_error_code().map(|code| code.to_string());
                let fates = messages.iter().map(|(number, _)| (*number, Fate::Waiting(why.clone()))).collect();
                return Delivered { fates, trouble: reports.trouble(), is_usable: true };
            }
            self.has_found_brokers = true;
        }
        let until = Instant::now() + time;
        let mut fates = Vec::new();
        for (number, text) in messages {
            if let Some(refused) = self.send(base, *number, text, until) {
                fates.push((*number, refused));
            }
        }
        let missing = || messages.len() - fates.len() - reports.count();
        while missing() > 0 && Instant::now() < until {
            base.poll(LOOK);
        }
        let is_over = missing() == 0;
        if !is_over {
            base.purge(PurgeConfig::default().queue().inflight().non_blocking());
            let until = Instant::now() + GIVE_BACK;
            while missing() > 0 && Instant::now() < until {
                base.poll(LOOK);
            }
        }
        fates.extend(reports.take());
        // What the client does not give back is on its way.
        let silent = messages.iter().filter(|(number, _)| fates.iter().all(|(known, _)| known != number));
        let silent: Vec<_> = silent.map(|(number, _)| (*number, Fate::Uncertain)).collect();
        fates.extend(silent);
        let is_usable = is_over && fates.iter().all(|(_, fate)| matches!(fate, Fate::Stored | Fate::Lost(_)));
        let trouble = if is_usable { None } else { reports.trouble() };
        if is_usable {
            reports.forget_trouble();
        }
        Delivered { fates, trouble, is_usable }
    }

    /// Gives a message to the client; what became of it where it is not taken.
    fn send(&self, base: &BaseProducer<Reports>, number: usize, text: &str, until: Instant) -> Option<Fate> {
        let mut record = BaseRecord::<(), str, usize>::with_opaque_to(&self.topic, number).payload(text);
        loop {
            match base.send(record) {
                Ok(()) => return None,
                Err((error, back))
                    if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) && Instant::now() < until =>
                {
                    base.poll(LOOK);
                    record = back;
                }
                Err((error, _)) => return Some(Fate::of_error(&error)),
            }
        }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        // It waits for its threads, which may just be asking for the address of a name.
        let base = self.base.take();
        let dropping = std::thread::Builder::new().name("kafka-end".into()).spawn(move || drop(base));
        if let Err(error) = dropping {
            tracing::warn!("a Kafka client ends slowly: {error}");
        }
    }
}

/// What the client says.
struct Reports {
    is_watched: bool,
    reported: Mutex<Reported>,
}

#[derive(Default)]
struct Reported {
    fates: Vec<(usize, Fate)>,
    trouble: Option<String>,
}

impl Reports {
    fn locked(&self) -> MutexGuard<'_, Reported> {
        self.reported.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self) -> usize {
        self.locked().fates.len()
    }

    fn take(&self) -> Vec<(usize, Fate)> {
        std::mem::take(&mut self.locked().fates)
    }

    fn trouble(&self) -> Option<String> {
        self.locked().trouble.clone()
    }

    fn forget_trouble(&self) {
        self.locked().trouble = None;
    }
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if facility == "FAIL" {
            // Behind the name of the thread. Of a connection that ends as it should not, it is said nowhere else.
            let message = message.split_once("]: ").map_or(message, |(_, message)| message);
            self.locked().trouble = Some(message.to_owned());
        }
        // What is wrong with a connection is told with what it costs.
        if facility == "CONFWARN" {
            tracing::warn!("KafkaStorage: {message}");
        } else if self.is_watched {
            tracing::info!("librdkafka: {level:?} {facility} {message}");
        } else {
            tracing::debug!("librdkafka: {level:?} {facility} {message}");
        }
    }

    fn stats_raw(&self, statistics: &[u8]) {
        // Who sets `statistics.interval.ms` wants to see them.
        tracing::info!("librdkafka: {}", String::from_utf8_lossy(statistics));
    }

    fn error(&self, error: ClientError, reason: &str) {
        let mut reported = self.locked();
        // That all brokers are down follows from what is wrong with each.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) || reported.trouble.is_none() {
            reported.trouble = Some(reason.to_owned());
        }
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        self.locked().fates.push((number, Fate::of(result)));
    }
}
