//! Ways to Kafka.

use std::sync::Arc;

use wca_model::DeliveryTerms;
use wca_storage::Delivery;
use wca_storage::kafka::{KafkaStorage, Options};

use crate::run::free_name;
use crate::workers;

/// A way to a topic, beside those that are `kept` and the `others` that there are. What was counted of one of the same name among
/// those `before` goes on, where that one is not kept.
pub(crate) fn kafka(
    (options, terms): &(Options, DeliveryTerms),
    storage: KafkaStorage,
    (others, kept): (&[Arc<Delivery>], &[Arc<Delivery>]),
    before: &[Arc<Delivery>],
) -> Delivery {
    let taken: Vec<&str> = others.iter().chain(kept).map(|other| other.name()).collect();
    let name = format!("KafkaStorage({})", options.topic);
    // One topic may be that of several clusters.
    let name = free_name(&name, &taken).unwrap_or(name);
    let _workers = workers::enter();
    // A kept one has another name.
    match before.iter().find(|before| before.name() == name) {
        Some(before) => Delivery::after(before, *terms, storage),
        None => Delivery::new(&name, *terms, storage),
    }
}
