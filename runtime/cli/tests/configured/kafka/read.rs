//! What stands in a topic, as its readers see it.

use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};

use crate::setup::PATIENCE;

/// All messages of the one partition of a topic, in their order.
pub(crate) fn messages(broker: &str, topic: &str) -> Vec<String> {
    messages_in(broker, topic, 0)
}

/// All messages of this partition of a topic, in their order.
pub(crate) fn messages_in(broker: &str, topic: &str, partition: i32) -> Vec<String> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", broker)
        .set("group.id", "test")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    let (first, end) = consumer.fetch_watermarks(topic, partition, PATIENCE).unwrap();
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    consumer.assign(&from).unwrap();
    let (begun, mut next, mut messages) = (Instant::now(), first, Vec::new());
    while next < end {
        assert!(begun.elapsed() < PATIENCE, "{topic}: read up to {next} of {end}");
        let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
        let message = message.unwrap();
        next = message.offset() + 1;
        messages.push(String::from_utf8(message.payload().unwrap().to_vec()).unwrap());
    }
    messages
}

/// The samples of an exposition, each with the header of its metric above it.
pub(crate) fn samples(text: &str) -> Vec<(String, String)> {
    let (mut header, mut samples) = (String::new(), Vec::new());
    for line in text.lines() {
        if line.is_empty() {
            header.clear();
        } else if line.starts_with('#') {
            header.push_str(line);
            header.push('\n');
        } else {
            samples.push((header.clone(), line.to_owned()));
        }
    }
    samples
}
