//! Storages: where metrics go.

use std::time::Duration;

use wca_model::DeliveryTerms;

use super::{GuestId, StorageId};

/// Where metrics go.
#[derive(Clone, Debug, PartialEq)]
pub enum Storage {
    /// `LogStorage`
    Log(LogStorage),
    /// `FilterStorage`
    Filter(FilterStorage),
    /// `KafkaStorage`
    Kafka(KafkaStorage),
    /// A WebAssembly component.
    Guest(GuestId),
}

/// Text in Prometheus' form, to a file or to standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogStorage {
    /// The file; `None`: standard error.
    pub output_filename: Option<String>,
    /// Whether each iteration replaces the file, instead of being added to it. Never without a file.
    pub overwrite: bool,
    /// Whether each line ends with the time. Where the file does not say: whenever it is not overwritten.
    pub include_timestamp: bool,
    /// The only labels that are written; `None`: all.
    pub filter_labels: Option<Vec<String>>,
    /// How metrics are given to it.
    pub delivery: DeliveryTerms,
}

/// Passes some metrics on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterStorage {
    /// Where they are passed on to, in this order.
    pub storages: Vec<StorageId>,
    /// Names of the metrics that are passed on; `None`: all.
    pub filter: Option<Vec<String>>,
}

/// Messages of a Kafka topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaStorage {
    /// The topic.
    pub topic: String,
    /// Brokers, each `host:port`.
    pub brokers_ips: Vec<String>,
    /// How long a delivery may take.
    pub max_timeout: Duration,
    /// Options of the Kafka client, by its own names.
    pub extra_config: Vec<(String, String)>,
    /// Certificates and checks; `None`: no TLS.
    pub ssl: Option<Ssl>,
}

/// Certificates and checks of a TLS connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ssl {
    /// How the server is judged.
    pub server_verify: ServerVerify,
    /// File with our certificate, and with the key too if `client_key_path` is `None`.
    pub client_cert_path: Option<String>,
    /// File with the key of our certificate. Never without a certificate.
    pub client_key_path: Option<String>,
}

/// How a server's certificate is judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerVerify {
    /// By the authorities that the machine trusts.
    Machine,
    /// By the authorities in this file.
    File(String),
    /// Not at all.
    Off,
}
