//! A broker that hangs, and what the agent does meanwhile: it ends, it waits, it takes another configuration.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::broker::Broker;
use super::read::{messages, samples};
use super::{LOG, file, topic};
use crate::common::skipped;
use crate::setup::Setup;

/// A broker that may be stopped, for one test at a time; none where it cannot be had here, which is said.
fn stoppable() -> Option<MutexGuard<'static, Broker>> {
    static BROKER: OnceLock<Result<Mutex<Broker>, String>> = OnceLock::new();
    match BROKER.get_or_init(|| Broker::start("stopped").map(Mutex::new)) {
        Ok(broker) => Some(broker.lock().unwrap_or_else(PoisonError::into_inner)),
        Err(why) => {
            skipped(why);
            None
        }
    }
}

/// Stops it as long as this is there.
struct Stopped<'a>(&'a Broker);

impl<'a> Stopped<'a> {
    fn new(broker: &'a Broker) -> Self {
        broker.signal(Signal::STOP);
        Self(broker)
    }
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        self.0.signal(Signal::CONT);
    }
}

/// The number before these words, wherever they stand first.
fn number_before(said: &str, words: &str) -> Option<usize> {
    let (before, _) = said.split_once(words)?;
    before.rsplit(' ').next()?.parse().ok()
}

/// How many samples came out of a topic.
fn came_out(broker: &Broker, topic: &str) -> usize {
    messages(broker.address("plaintext"), topic).iter().map(|message| samples(message).len()).sum()
}

/// How many ticks there were.
fn ticks(setup: &Setup) -> usize {
    setup.read("metrics.prom").lines().filter(|line| line.starts_with("wca_up{")).count()
}

/// Whether something of what went to this topic was stored.
fn has_stored(setup: &Setup, topic: &str) -> bool {
    let name = format!("KafkaStorage({topic})");
    let lines = setup.lines("metrics.prom");
    lines.iter().any(|line| line.is("wca_storage_stored_samples", "storage", &name) && line.value > 0.0)
}

#[test]
fn at_the_end_what_was_stored_is_not_lost_and_what_the_client_has_is_uncertain() {
    let Some(broker) = stoppable() else { return };
    // Many small messages, each a request of its own, so that a broker stops within a batch.
    let extra = "message.max.bytes: '1000', batch.num.messages: '1', linger.ms: '0'";
    for round in 0..3 {
        let topic = format!("ends-{round}");
        // By TLS, whose library is cleared up when the process ends.
        let (listener, ssl) = match broker.has("right") {
            true => ("right", format!(", ssl: !SSL {{server_verify: {}}}", broker.path("authority.pem").display())),
            false => ("plaintext", String::new()),
        };
        let kafka = format!(
            "!KafkaStorage {{topic: {topic}, queue_batches: 1000, retry_timeout_in_seconds: 60, brokers_ips: ['{}'], \
             extra_config: {{{extra}}}{ssl}}}",
            broker.address(listener)
        );
        let setup = Setup::with(&file(&[LOG, &kafka]).replace("action_delay: 0.1", "action_delay: 0.03"));
        topic::make(broker.address("plaintext"), &topic, 1, &[]);
        let mut started = setup.start(&[]);
        started.until("something is stored", |setup| has_stored(setup, &topic));
        let stopped = Stopped::new(&broker);
        // The time of messages is over meanwhile.
        let now = ticks(&setup);
        started.until_ticks("metrics.prom", now + 30);
        let finished = started.stop();
        drop(stopped);
        finished.ends_with(0).says(": not everything was stored within 5s; of ");
        let lost = number_before(&finished.stderr, " samples are lost").unwrap();
        let uncertain = number_before(&finished.stderr, " samples no broker has said").unwrap_or(0);
        let (went_in, came_out) = (samples(&setup.read("metrics.prom")).len(), came_out(&broker, &topic));
        println!("{went_in} samples: {came_out} came out, {lost} are lost, {uncertain} uncertain");
        assert!(lost > 0 && came_out <= went_in - lost, "{finished:#?}");
        assert!(went_in - lost - uncertain <= came_out, "{finished:#?}");
    }
}

#[test]
fn iterations_wait_for_a_broker_that_hangs_where_nothing_may_be_lost() {
    let Some(broker) = stoppable() else { return };
    let kafka = format!(
        "!KafkaStorage {{topic: blocks, on_failure: block, queue_batches: 2, retry_timeout_in_seconds: 0, brokers_ips: ['{}']}}",
        broker.address("plaintext")
    );
    let setup = Setup::with(&file(&[LOG, &kafka]));
    let mut started = setup.start(&[]);
    started.until_ticks("metrics.prom", 5);
    let stopped = Stopped::new(&broker);
    started.until("a wait", |setup| setup.read("stderr").contains("iterations wait until it has taken some"));
    // What the iteration that waits has made may still be on its way to the log.
    std::thread::sleep(Duration::from_secs(1));
    let held = ticks(&setup);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(ticks(&setup), held);
    drop(stopped);
    started.until_ticks("metrics.prom", held + 10);
    let finished = started.stop();
    finished.ends_with(0);
    let lines = setup.last_lines("metrics.prom");
    let last =
        |name: &str| lines.iter().rev().find(|line| line.is(name, "storage", "KafkaStorage(blocks)")).unwrap().value;
    assert_eq!(last("wca_storage_dropped_samples"), 0.0);
    assert!(!finished.stderr.contains("are lost"), "{finished:#?}");
    let (went_in, uncertain) = (samples(&setup.read("metrics.prom")).len(), last("wca_storage_uncertain_samples"));
    let came_out = came_out(&broker, "blocks");
    assert!(
        came_out <= went_in && came_out as f64 >= went_in as f64 - uncertain,
        "{came_out} of {went_in}, {uncertain}"
    );
}

#[test]
fn a_configuration_is_taken_while_a_broker_hangs() {
    let Some(broker) = stoppable() else { return };
    let kafka =
        |topic: &str| format!("!KafkaStorage {{topic: {topic}, brokers_ips: ['{}']}}", broker.address("plaintext"));
    let setup = Setup::with(&file(&[LOG, &kafka("hangs")]));
    let mut started = setup.start(&[]);
    started.until_ticks("metrics.prom", 5);
    let stopped = Stopped::new(&broker);
    started.until("a failure", |setup| setup.read("stderr").contains("KafkaStorage(hangs): not stored"));
    setup.configure(&file(&[LOG, &kafka("hangs"), &kafka("new")]));
    let begun = Instant::now();
    setup.reload().ends_with(0);
    setup.configure(&file(&[LOG, &kafka("new")]));
    setup.reload().ends_with(0);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    let now = ticks(&setup);
    started.until_ticks("metrics.prom", now + 5);
    drop(stopped);
    started.until("something is stored", |setup| has_stored(setup, "new"));
    started.stop().ends_with(0);
    assert!(came_out(&broker, "new") > 0);
}
