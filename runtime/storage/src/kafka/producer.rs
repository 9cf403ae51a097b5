//! A client, and what became of the messages that it was given.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext, PurgeConfig};

use super::KafkaError;
use super::clients::{self, Alive};
use super::fate::Fate;
use super::messages::Messages;
use super::settings::Settings;

/// How often it is looked for what has come.
const LOOK: Duration = Duration::from_millis(2);
/// For how long the client is waited for when it has to say why something failed: another of its threads says so.
const WHY: Duration = Duration::from_millis(100);
/// For how long the client is waited for when it gives messages back. It holds them in its own memory.
const GIVE_BACK: Duration = Duration::from_secs(5);
/// How long the first message of a client may be under way, where others have less: for a number as a producer and for
/// connections to leaders it takes several answers, and a client that is given up before has them all to wait for again.
const FIRST: Duration = Duration::from_secs(5);
/// Most bytes that the client has at a time, unless one message alone has more: five requests, as many as it has under way at
/// once. What it does not have is neither late nor uncertain where a broker goes away.
const UNDER_WAY: usize = 500_000;

/// How an attempt has ended.
#[derive(Debug)]
pub(super) struct Delivered {
    /// What the client has complained of, where a message is not stored.
    pub(super) trouble: Option<String>,
    /// How long messages could take, and why so long.
    pub(super) limit: String,
    /// The client can be given messages again. Where not, it is to be dropped, and another one made: it would count messages that
    /// it gave back as missing.
    pub(super) is_usable: bool,
}

/// A client. Its calls block.
pub(super) struct Producer {
    base: Option<BaseProducer<Reports>>,
    alive: Option<Alive>,
    topic: String,
    has_found_brokers: bool,
    has_delivered: bool,
}

impl Producer {
    pub(super) fn new(settings: &Settings, topic: &str) -> Result<Self, KafkaError> {
        let reports = Reports { is_watched: settings.is_watched, reported: Mutex::default() };
        let alive = Some(clients::begun());
        let base = settings.config.create_with_context(reports).map_err(|error: ClientError| match error {
            ClientError::ClientConfig(_, what, name, _) => KafkaError::Invalid { name, what },
            ClientError::ClientCreation(what) => KafkaError::Client(what),
            error => KafkaError::Client(error.to_string()),
        })?;
        Ok(Self { base: Some(base), alive, topic: topic.to_owned(), has_found_brokers: false, has_delivered: false })
    }

    /// Sends those of these messages that wait, and comes back when it is clear what became of each: all are settled, or one has
    /// failed, or none was settled for that time. Finding brokers may take that time first; nothing is sent before, so that a
    /// broker that is away costs no message its certainty.
    pub(super) fn deliver(&mut self, messages: &Messages, time: Duration) -> Delivered {
        let mut limit = format!("{time:?} (max_timeout_in_seconds)");
        let Some(base) = &self.base else { return Delivered { trouble: None, limit, is_usable: false } };
        let reports = base.context();
        if !self.has_found_brokers {
            if let Err(error) = base.client().fetch_metadata(Some(&self.topic), time) {
                reports.hear_why(base);
                let why = || error.rdkafka_error_code().map(|code| code.to_string());
                return Delivered { trouble: reports.trouble().or_else(why), limit, is_usable: true };
            }
            self.has_found_brokers = true;
        }
        let first = time.max(FIRST);
        if !self.has_delivered && first > time {
            limit = format!("{first:?}, which the first message of a connection may take");
        }
        let mut until = Instant::now() + if self.has_delivered { time } else { first };
        let mut sending = Sending { base, topic: &self.topic, messages, bytes: 0, count: 0, is_failing: false };
        let waiting = messages.waiting();
        let mut waiting = waiting.as_slice();
        while (sending.count > 0 || !waiting.is_empty() && !sending.is_failing)
            && Instant::now() < until
            && !clients::are_to_end()
        {
            waiting = sending.hand_over(waiting);
            if sending.reported() {
                self.has_delivered = true;
                until = Instant::now() + time;
            }
        }
        let is_over = sending.count == 0;
        if !is_over {
            base.purge(PurgeConfig::default().queue().inflight().non_blocking());
            let until = Instant::now() + GIVE_BACK;
            while sending.count > 0 && Instant::now() < until {
                sending.reported();
            }
        }
        // What the client does not give back is on its way.
        messages.doubt();
        let is_usable = is_over && !sending.is_failing;
        let trouble = if is_usable && waiting.is_empty() { None } else { reports.trouble() };
        if trouble.is_none() {
            reports.forget_trouble();
        }
        Delivered { trouble, limit, is_usable }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        // It waits for its threads, which may just be asking for the address of a name.
        let (base, alive) = (self.base.take(), self.alive.take());
        let dropping = std::thread::Builder::new().name("kafka-end".into()).spawn(move || {
            drop(base);
            drop(alive);
        });
        if let Err(error) = dropping {
            tracing::warn!("a Kafka client ends slowly: {error}");
        }
    }
}

/// Messages that are being given to the client.
struct Sending<'a> {
    base: &'a BaseProducer<Reports>,
    topic: &'a str,
    messages: &'a Messages,
    /// How many the client has, and their bytes.
    count: usize,
    bytes: usize,
    /// One was not stored and may be later: those behind it come after it.
    is_failing: bool,
}

impl Sending<'_> {
    /// Gives to the client what there is room for, in this order; the rest.
    fn hand_over<'m>(&mut self, mut waiting: &'m [(usize, &'m str)]) -> &'m [(usize, &'m str)] {
        while let [(number, text), rest @ ..] = waiting
            && !self.is_failing
            && (self.count == 0 || self.bytes + text.len() <= UNDER_WAY)
        {
            self.messages.sent(*number);
            let record = BaseRecord::<(), str, usize>::with_opaque_to(self.topic, *number).payload(*text);
            match self.base.send(record) {
                Ok(()) => {
                    self.count += 1;
                    self.bytes += text.len();
                }
                Err((error, _)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) => {
                    self.messages.settle(*number, Fate::Waiting(Some(error.to_string())));
                    return waiting;
                }
                Err((error, _)) => self.settle(*number, Fate::of_error(&error)),
            }
            waiting = rest;
        }
        waiting
    }

    /// Takes note of what the client has reported meanwhile; whether a broker has answered for a message.
    fn reported(&mut self) -> bool {
        self.base.poll(LOOK);
        let mut is_answered = false;
        for (number, fate) in self.base.context().take() {
            self.count = self.count.saturating_sub(1);
            self.bytes = self.bytes.saturating_sub(self.messages.length(number));
            is_answered |= matches!(fate, Fate::Stored | Fate::Lost(_));
            self.settle(number, fate);
        }
        is_answered
    }

    fn settle(&mut self, number: usize, fate: Fate) {
        self.is_failing |= !matches!(fate, Fate::Stored | Fate::Lost(_));
        self.messages.settle(number, fate);
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

    fn take(&self) -> Vec<(usize, Fate)> {
        std::mem::take(&mut self.locked().fates)
    }

    /// Waits a moment for what the client complains of, which comes the same way as reports.
    fn hear_why(&self, base: &BaseProducer<Self>) {
        let until = Instant::now() + WHY;
        while self.trouble().is_none() && Instant::now() < until {
            base.poll(LOOK);
        }
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
            // Of a connection that ends as it should not, it is said nowhere else.
            self.locked().trouble = Some(without_thread(message).to_owned());
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

/// What the client says without the thread that says it, which `log.thread.name` adds.
fn without_thread(message: &str) -> &str {
    let named = message.strip_prefix("[thrd:").and_then(|named| named.split_once("]: "));
    named.map_or(message, |(_, message)| message)
}

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        self.locked().fates.push((number, Fate::of(result)));
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("[thrd:[::1]:9092/1]: [::1]:9092/1: Connect failed", "[::1]:9092/1: Connect failed")]
    #[case("[::1]:9092/1: Connect failed [x]: y", "[::1]:9092/1: Connect failed [x]: y")]
    fn what_the_client_says_has_no_thread(#[case] said: &str, #[case] expected: &str) {
        assert_eq!(without_thread(said), expected);
    }
}
