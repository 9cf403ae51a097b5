//! `KafkaStorage` and the real Apache Kafka, where Java and Maven are installed.

mod accounts;
mod broker;
mod far;
mod read;
mod stopped;
mod tls;
mod topic;

use crate::setup::Setup;
use broker::shared;
use read::{messages, messages_in, samples};

/// A node without tasks, whose metrics go to these storages, all of them.
fn file(storages: &[&str]) -> String {
    format!(
        "runner: !MeasurementRunner\n  node: !StaticNode {{tasks: []}}\n  action_delay: 0.1\n  metrics_storage: !FilterStorage \
         {{storages: [{}]}}\n",
        storages.join(", ")
    )
}

const LOG: &str = "!LogStorage {output_filename: FOLDER/metrics.prom}";

#[test]
fn what_comes_out_of_a_topic_is_what_stands_in_the_log() {
    let Some(broker) = shared() else { return };
    let topic =
        format!("{{topic: whole, max_timeout_in_seconds: 5, brokers_ips: ['{}']}}", broker.by_name("plaintext"));
    let setup = Setup::with(&file(&[LOG, &format!("!KafkaStorage {topic}")]));
    let finished = setup.run(&["--iterations", "5"]);
    finished.ends_with(0);
    assert!(!finished.stderr.contains("FailedDelivery"), "{finished:#?}");
    let messages = messages(broker.address("plaintext"), "whole");
    assert_eq!(messages.len(), 5);
    let all: String = messages.iter().map(|message| format!("{message}\n")).collect();
    assert_eq!(all, setup.read("metrics.prom"));
    let last = setup.last_lines("metrics.prom");
    let stored = last.iter().rev().find(|line| line.is("wca_storage_stored_samples", "storage", "KafkaStorage(whole)"));
    assert!(stored.unwrap().value > 0.0, "{last:#?}");
}

#[test]
fn a_batch_that_is_too_large_for_a_message_is_several_and_each_is_whole() {
    let Some(broker) = shared() else { return };
    let name = if broker.has("ipv6") { "ipv6" } else { "plaintext" };
    // Its brokers are tried until one answers.
    let brokers = format!("brokers_ips: ['127.0.0.1:9', '{}']", broker.address(name));
    let extra = "extra_config: {message.max.bytes: '2000', compression.codec: gzip}";
    let storage = format!("!KafkaStorage {{topic: split, max_timeout_in_seconds: 5, {brokers}, {extra}}}");
    let setup = Setup::with(&file(&[LOG, &storage]));
    setup.run(&["--iterations", "3"]).ends_with(0);
    let messages = messages(broker.address("plaintext"), "split");
    assert!(messages.len() > 6 && messages.iter().all(|message| message.len() < 2_000), "{} messages", messages.len());
    // With the header above each, which a reader of one message alone needs.
    let found: Vec<_> = messages.iter().flat_map(|message| samples(message)).collect();
    assert_eq!(found, samples(&setup.read("metrics.prom")));
}

/// A node of which so much is measured that it is several messages, and how it is stored in this topic.
fn large(broker: &str, topic: &str, extra: &str) -> String {
    let kafka = format!(
        "!KafkaStorage {{topic: {topic}, max_timeout_in_seconds: 5, brokers_ips: ['{broker}'], extra_config: {{{extra}}}}}"
    );
    let labels: Vec<String> = (0..10).map(|number| format!("padding_{number}: {}", "x".repeat(400))).collect();
    format!("{}  extra_labels: {{{}}}\n", file(&[LOG, &kafka]), labels.join(", "))
}

#[test]
fn a_topic_that_takes_less_than_many_messages_takes_each_of_them() {
    let Some(broker) = shared() else { return };
    let address = broker.address("plaintext");
    topic::make(address, "narrow", 1, &[("max.message.bytes", "150000")]);
    let setup = Setup::with(&large(address, "narrow", ""));
    let finished = setup.run(&["--iterations", "3"]);
    finished.ends_with(0);
    assert!(!finished.stderr.contains("FailedDelivery"), "{}", finished.stderr);
    let found = messages(address, "narrow");
    assert!(found.len() > 9 && found.iter().all(|message| message.len() <= 100_000), "{} messages", found.len());
    let found: Vec<_> = found.iter().flat_map(|message| samples(message)).collect();
    assert_eq!(found, samples(&setup.read("metrics.prom")));
    // Who has the client put more into one batch than the topic takes is told so.
    let setup = Setup::with(&large(address, "narrow", "batch.size: '1000000', linger.ms: '50'"));
    let finished = setup.run(&["--iterations", "1"]);
    finished.ends_with(0).says(" messages were refused: ").says("`max.message.bytes` of the topic");
}

#[test]
fn a_topic_of_several_partitions_has_all_that_went_in() {
    let Some(broker) = shared() else { return };
    let address = broker.address("plaintext");
    topic::make(address, "parted", 3, &[]);
    let setup = Setup::with(&large(address, "parted", "sticky.partitioning.linger.ms: '0'"));
    setup.run(&["--iterations", "5"]).ends_with(0);
    let parts: Vec<Vec<String>> = (0..3).map(|partition| messages_in(address, "parted", partition)).collect();
    assert!(parts.iter().filter(|messages| !messages.is_empty()).count() > 1, "all messages are in one partition");
    let mut found: Vec<_> = parts.iter().flatten().flat_map(|message| samples(message)).collect();
    let mut expected = samples(&setup.read("metrics.prom"));
    found.sort();
    expected.sort();
    assert_eq!(found.len(), expected.len());
    assert!(found == expected);
}

#[test]
fn a_password_is_shown_by_options_and_one_that_is_wrong_is_told() {
    let Some(broker) = shared() else { return };
    for (password, is_right) in [("secret", true), ("guessed", false)] {
        let sasl = "security.protocol: sasl_plaintext, sasl.mechanisms: PLAIN, sasl.username: wca";
        let setup = Setup::with(&file(&[&format!(
            "!KafkaStorage {{topic: sasl, max_timeout_in_seconds: 3, retry_timeout_in_seconds: 0, brokers_ips: ['{}'], \
             extra_config: {{{sasl}, sasl.password: {password}, debug: all}}}}",
            broker.address("sasl")
        )]));
        let finished = setup.run(&["--iterations", "1"]);
        finished.ends_with(0).says("librdkafka: ");
        let shown = format!("{}{}", finished.stdout, finished.stderr);
        assert!(!shown.contains("guessed") && !shown.contains("password: secret"), "{finished:#?}");
        assert_eq!(finished.stderr.contains("SASL authentication error"), !is_right, "{finished:#?}");
        assert_eq!(finished.stderr.contains("FailedDelivery"), !is_right, "{finished:#?}");
    }
    assert_eq!(messages(broker.address("plaintext"), "sasl").len(), 1);
}

#[test]
fn options_that_cannot_be_are_told_in_their_line() {
    for (extra, said) in [
        (
            "{no.such: a, nor.this: b}",
            "`extra_config` of `!KafkaStorage`: librdkafka has no option no.such, and no option nor.this",
        ),
        ("{acks: '1'}", "`extra_config` of `!KafkaStorage`: acks cannot be set here: "),
        (
            "{sasl.mechanisms: GSSAPI, security.protocol: sasl_ssl}",
            "`!KafkaStorage`: the Kafka client does not start: ",
        ),
    ] {
        let setup = Setup::with(&file(&[&format!("!KafkaStorage {{topic: a, extra_config: {extra}}}")]));
        setup.run(&["--iterations", "1"]).ends_with(1).says(said).says("config.yaml:4:");
    }
}

#[test]
fn a_broker_that_is_away_costs_no_tick_and_each_sample_is_counted() {
    let storage = "!KafkaStorage {topic: away, brokers_ips: ['127.0.0.1:9'], max_timeout_in_seconds: 0.1, queue_batches: 2, \
                   retry_timeout_in_seconds: 0.3}";
    let setup = Setup::with(&file(&[LOG, storage]));
    let mut started = setup.start(&[]);
    started.until_ticks("metrics.prom", 40);
    let finished = started.stop();
    finished.ends_with(0).says("KafkaStorage(away): not stored: FailedDelivery: 1 of 1 messages were not delivered");
    finished.says("Connect to ipv4#127.0.0.1:9 failed: Connection refused");
    let lines = setup.lines("metrics.prom");
    let last =
        |name: &str| lines.iter().rev().find(|line| line.is(name, "storage", "KafkaStorage(away)")).unwrap().value;
    assert!(last("wca_storage_errors") > 2.0 && last("wca_storage_dropped_samples") > 0.0);
    assert_eq!((last("wca_storage_stored_samples"), last("wca_storage_uncertain_samples")), (0.0, 0.0));
}

#[test]
fn a_storage_that_stays_the_same_goes_on_over_a_reload() {
    let Some(broker) = shared() else { return };
    let kafka = format!(
        "!KafkaStorage {{topic: reloaded, max_timeout_in_seconds: 5, brokers_ips: ['{}']}}",
        broker.address("plaintext")
    );
    let setup = Setup::with(&file(&[LOG, &kafka]));
    let mut started = setup.start(&[]);
    started.until_ticks("metrics.prom", 3);
    setup.reload().ends_with(0);
    started.until_ticks("metrics.prom", 8);
    setup.configure(&file(&[LOG, &kafka.replace("topic: reloaded", "topic: renamed")]));
    setup.reload().ends_with(0);
    started.until_ticks("metrics.prom", 13);
    started.stop().ends_with(0);
    let in_order: Vec<_> = ["reloaded", "renamed"]
        .into_iter()
        .flat_map(|topic| messages(broker.address("plaintext"), topic))
        .flat_map(|message| samples(&message))
        .collect();
    assert_eq!(in_order, samples(&setup.read("metrics.prom")));
}
