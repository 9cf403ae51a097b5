//! `KafkaStorage`: Prometheus text as messages of a topic, by librdkafka.
//!
//! The client is an idempotent producer: what it sends again on its own comes out once. What it cannot say of a message, whether a
//! broker has stored it, is told apart ([`Parts::uncertain`](crate::Parts)), and such a message is never sent again. A program
//! that is built without the feature `kafka` has all of this but the client, and says so.

#[cfg(not(feature = "kafka"))]
mod absent;
#[cfg(feature = "kafka")]
mod clients;
#[cfg(feature = "kafka")]
mod fate;
#[cfg(feature = "kafka")]
mod judge;
#[cfg(feature = "kafka")]
mod messages;
#[cfg(feature = "kafka")]
mod persisted;
#[cfg(feature = "kafka")]
mod producer;
#[cfg(feature = "kafka")]
mod settings;
#[cfg(feature = "kafka")]
mod split;
#[cfg(feature = "kafka")]
mod storage;
#[cfg(feature = "kafka")]
mod tls;

use std::time::Duration;

#[cfg(not(feature = "kafka"))]
pub use absent::{KafkaStorage, end};
#[cfg(feature = "kafka")]
pub use clients::end;
#[cfg(feature = "kafka")]
pub use storage::KafkaStorage;

/// Where messages go, and how.
#[derive(Clone, PartialEq, Eq)]
pub struct Options {
    /// The topic.
    pub topic: String,
    /// Brokers, each `host:port`.
    pub brokers: Vec<String>,
    /// How long nothing may come of the messages under way, and how long brokers are looked for.
    pub timeout: Duration,
    /// Options of the client, by its own names.
    pub extra: Vec<(String, String)>,
    /// Certificates and checks; none: no TLS, unless the options of the client say so.
    pub tls: Option<Tls>,
}

/// Certificates and checks of a TLS connection. Not shown in messages: it holds a key.
#[derive(Clone, PartialEq, Eq)]
pub struct Tls {
    /// Whom a certificate of a broker must come from.
    pub authorities: Authorities,
    /// What is shown to brokers.
    pub identity: Option<Identity>,
}

/// Whom a certificate of a broker must come from.
#[derive(Clone, PartialEq, Eq)]
pub enum Authorities {
    /// From one whom the machine trusts.
    Machine,
    /// From one of these, in PEM.
    These(String),
    /// From anybody: certificates are not checked.
    Anybody,
}

/// A certificate with its key.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate in PEM, followed by those that lead to its authority.
    pub certificate: String,
    /// The key in PEM.
    pub key: String,
}

/// Why messages cannot be sent as the operator wants it.
#[derive(Debug, thiserror::Error)]
pub enum KafkaError {
    /// The program has no client.
    #[error("this program was built without it")]
    NotBuiltIn,
    /// Options that the client does not have.
    #[error("librdkafka has no option {}", .0.join(", and no option "))]
    Unknown(Vec<String>),
    /// An option has a value that the client does not take.
    #[error("{name}: {what}")]
    Invalid {
        /// The option.
        name: String,
        /// What the client says.
        what: String,
    },
    /// An option that is decided elsewhere.
    #[error("{name} cannot be set here: {why}")]
    Owned {
        /// The option.
        name: String,
        /// Where, and why.
        why: &'static str,
    },
    /// The client does not start.
    #[error("the Kafka client does not start: {0}")]
    Client(String),
}

impl KafkaError {
    /// What would be right.
    #[must_use]
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::NotBuiltIn => Some(
                "the feature `kafka` builds it in, and is on by default: `cargo build --release` without \
                 `--no-default-features`, or with `--features kafka`",
            ),
            Self::Unknown(_) => Some("its CONFIGURATION.md lists them"),
            Self::Invalid { .. } | Self::Owned { .. } | Self::Client(_) => None,
        }
    }

    /// Whether an option of the client is wrong.
    #[must_use]
    pub fn is_of_option(&self) -> bool {
        matches!(self, Self::Unknown(_) | Self::Invalid { .. } | Self::Owned { .. })
    }
}
