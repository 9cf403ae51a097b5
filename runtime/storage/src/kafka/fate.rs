//! What became of a message.

use rdkafka::bindings::rd_kafka_msg_status_t;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::DeliveryResult;

use super::persisted;

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is stored.
    Stored,
    /// A broker may have stored it.
    Uncertain,
    /// It is not stored, and may be later; with a reason, where there is one.
    Waiting(Option<String>),
    /// It is not stored, and never will be.
    Lost(String),
}

impl Fate {
    /// What the client reports of a message.
    pub(super) fn of(result: &DeliveryResult<'_>) -> Self {
        let Err((error, message)) = result else { return Self::Stored };
        match persisted::status(message) {
            rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_NOT_PERSISTED => Self::of_error(error),
            rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED => Self::Uncertain,
            rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_PERSISTED => Self::Stored,
        }
    }

    /// Of a message that no broker has.
    pub(super) fn of_error(error: &KafkaError) -> Self {
        match error.rdkafka_error_code() {
            // We have taken it back ourselves.
            Some(RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight) => Self::Waiting(None),
            Some(code @ RDKafkaErrorCode::MessageSizeTooLarge) => Self::Lost(format!(
                "{code}; `message.max.bytes` in `extra_config` says how large messages may be, and must not be more than \
                 `max.message.bytes` of the topic"
            )),
            Some(code @ (RDKafkaErrorCode::InvalidMessage | RDKafkaErrorCode::InvalidRecord)) => {
                Self::Lost(code.to_string())
            }
            Some(code) => Self::Waiting(Some(code.to_string())),
            None => Self::Waiting(Some(error.to_string())),
        }
    }
}
