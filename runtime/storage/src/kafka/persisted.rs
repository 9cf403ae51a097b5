//! The one call of librdkafka that rdkafka does not wrap, and so the one that is unsafe: whether a broker has a message that is
//! reported as failed.

#![allow(unsafe_code, reason = "rdkafka does not wrap rd_kafka_message_status")]

use rdkafka::bindings::{rd_kafka_message_status, rd_kafka_msg_status_t};
use rdkafka::message::BorrowedMessage;

/// What is known of a message (rdkafka.h, `rd_kafka_msg_status_t`).
pub(super) fn status(message: &BorrowedMessage<'_>) -> rd_kafka_msg_status_t {
    // SAFETY: the message is a delivery report of librdkafka's, which lives as long as this reference, and the call reads one
    // field of it.
    unsafe { rd_kafka_message_status(message.ptr()) }
}
