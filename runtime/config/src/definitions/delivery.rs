//! How metrics are given to a storage: arguments of every one.

use wca_model::{DeliveryTerms, OnStorageFailure};

use super::{Kind, Parameter};
use crate::reading::{Arguments, Seconds};

/// Most batches that may wait: each can be as large as a tick of a large node.
const MANY: i64 = 10_000;

pub(super) const ON_FAILURE: Parameter = Parameter::with_default(
    "on_failure",
    Kind::OneOf(&["drop", "block", "exit"], None),
    "drop",
    "What happens to metrics that the storage does not take. drop loses the oldest, and counts them; block tries again until \
     they are taken, and iterations wait where the queue is full; exit ends the agent.",
);

pub(super) const QUEUE: Parameter = Parameter::with_default(
    "queue_batches",
    Kind::Integer(1, MANY),
    "32",
    "How many batches may wait for the storage. An iteration makes one for each argument that leads to it.",
);

pub(super) const RETRY: Parameter = Parameter::with_default(
    "retry_timeout_in_seconds",
    Kind::Numeric(0.0, 3600.0),
    "5",
    "Seconds for which a batch that was not taken is tried again, ever more rarely.",
);

/// Arguments about how metrics are given to a storage.
pub(crate) const DELIVERY: &[Parameter] = &[ON_FAILURE, QUEUE, RETRY];

/// Takes them.
pub(crate) fn delivery(arguments: &mut Arguments) -> Option<DeliveryTerms> {
    let on_failure: String = arguments.take("on_failure")?;
    let queue: u32 = arguments.take("queue_batches")?;
    Some(DeliveryTerms {
        on_failure: match on_failure.as_str() {
            "block" => OnStorageFailure::Block,
            "exit" => OnStorageFailure::Exit,
            _ => OnStorageFailure::Drop,
        },
        queue: usize::try_from(queue).ok()?,
        retry: arguments.take::<Seconds>("retry_timeout_in_seconds")?.0,
    })
}
