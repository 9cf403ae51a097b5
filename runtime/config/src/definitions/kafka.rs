//! `KafkaStorage`.

use super::delivery::{ON_FAILURE, QUEUE, RETRY, delivery};
use super::{Definition, Kind, Parameter, Shape};
use crate::model::{KafkaStorage, Role, Storage};
use crate::reading::{Arguments, Made, Pairs, Reader, Seconds};

/// Most characters of a topic's name (Kafka, org.apache.kafka.common.internals.Topic).
const LONGEST_TOPIC: usize = 249;

pub(super) const KAFKA_STORAGE: Definition = Definition {
    tag: "KafkaStorage",
    role: Role::Storage,
    help: "Sends metrics in Prometheus' text form to a topic of Kafka.",
    available: true,
    shape: Shape::Arguments(
        &[
            Parameter::required("topic", Kind::Text, "The topic that messages are sent to."),
            Parameter::with_default(
                "brokers_ips",
                Kind::List(&Kind::HostPort),
                "['127.0.0.1:9092']",
                "Addresses of the brokers, each with its port.",
            ),
            Parameter::with_default(
                "max_timeout_in_seconds",
                Kind::Numeric(0.0, 5.0),
                "0.5",
                "Seconds after which a message that was not delivered is an error.",
            ),
            Parameter::optional(
                "extra_config",
                Kind::Map(&Kind::Text),
                "Options of the Kafka client, by the names that librdkafka gives them.",
            ),
            Parameter::optional("ssl", Kind::Only("SSL"), "Certificates of the connection; null is no TLS."),
            ON_FAILURE,
            QUEUE,
            RETRY,
        ],
        kafka_storage,
    ),
};

fn kafka_storage(reader: &mut Reader<'_>, arguments: &mut Arguments) -> Option<Made> {
    let topic: String = arguments.take("topic")?;
    if let Err(what) = check_topic(&topic) {
        reader.error(arguments.place_of("topic"), format!("`topic` of `!KafkaStorage` {what}"));
        return None;
    }
    let brokers_ips: Vec<String> = arguments.take("brokers_ips")?;
    if brokers_ips.is_empty() {
        reader.error_with_help(
            arguments.place_of("brokers_ips"),
            "`brokers_ips` of `!KafkaStorage` names no broker".into(),
            "one is enough, by which the others are found: ['kafka.example:9092']".into(),
        );
        return None;
    }
    let max_timeout = arguments.take::<Seconds>("max_timeout_in_seconds")?.0;
    if max_timeout.is_zero() {
        let what = "`max_timeout_in_seconds: 0` of `!KafkaStorage` leaves no time in which anything could be delivered";
        reader.note(arguments.place_of("max_timeout_in_seconds"), what.into());
    }
    let storage = KafkaStorage {
        topic,
        brokers_ips,
        max_timeout,
        extra_config: arguments.take::<Option<Pairs<String>>>("extra_config")?.unwrap_or_default().0,
        ssl: arguments.take("ssl")?,
        delivery: delivery(arguments)?,
        place: arguments.place.clone(),
        extra_place: arguments.place_of("extra_config").clone(),
    };
    Some(reader.store(Storage::Kafka(Box::new(storage))))
}

/// A name that a broker takes for a topic.
fn check_topic(topic: &str) -> Result<(), String> {
    let is_of_topic = |found: char| found.is_ascii_alphanumeric() || "._-".contains(found);
    match topic.chars().find(|found| !is_of_topic(*found)) {
        _ if topic.is_empty() => Err("must be the name of a topic, but this one is empty".into()),
        _ if topic == "." || topic == ".." => {
            Err(format!("must be the name of a topic, and Kafka takes none that is {topic}"))
        }
        _ if topic.len() > LONGEST_TOPIC => {
            Err(format!("must be the name of a topic, which has at most {LONGEST_TOPIC} characters"))
        }
        Some(found) => Err(format!(
            "must be the name of a topic, in which there are letters, digits, `.`, `_` and `-`, but no {found:?}"
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("metrics", true)]
    #[case("wca.node_1-a", true)]
    #[case("", false)]
    #[case(".", false)]
    #[case("..", false)]
    #[case("a b", false)]
    #[case("a/b", false)]
    #[case("m\u{e9}triques", false)]
    fn topics(#[case] topic: &str, #[case] right: bool) {
        assert_eq!(check_topic(topic).is_ok(), right, "{:?}", check_topic(topic));
    }

    #[test]
    fn a_topic_has_a_longest_name() {
        assert!(
            check_topic(&"a".repeat(LONGEST_TOPIC)).is_ok() && check_topic(&"a".repeat(LONGEST_TOPIC + 1)).is_err()
        );
    }
}
