//! Ways to Kafka.

use std::sync::Arc;

use wca_model::DeliveryTerms;
use wca_storage::Delivery;
use wca_storage::kafka::{KafkaStorage, Options};

use crate::run::free_name;
use crate::workers;

/// A way to a topic, beside the `others` that there are. What was counted of one of the same name among those `before` goes on.
pub(crate) fn kafka(
    (options, terms): &(Options, DeliveryTerms),
    storage: KafkaStorage,
    others: &[Arc<Delivery>],
    before: &[Arc<Delivery>],
) -> Delivery {
    let taken: Vec<&str> = others.iter().map(|other| other.name()).collect();
    let name = format!("KafkaStorage({})", options.topic);
    // One topic may be that of several clusters.
    let name = free_name(&name, &taken).unwrap_or(name);
    let _workers = workers::enter();
    match before.iter().find(|before| before.name() == name) {
        Some(before) => Delivery::after(before, *terms, storage),
        None => Delivery::new(&name, *terms, storage),
    }
}
