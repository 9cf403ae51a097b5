//! Storages: where metrics go.

use std::fmt;
use std::time::Duration;

use wca_model::DeliveryTerms;

use super::{GuestId, StorageId};
use crate::listen::ListenAddress;
use crate::node::Place;

/// Where metrics go.
#[derive(Clone, Debug, PartialEq)]
pub enum Storage {
    /// `LogStorage`
    Log(LogStorage),
    /// `FilterStorage`
    Filter(FilterStorage),
    /// `PrometheusStorage`
    Prometheus(Box<PrometheusStorage>),
    /// `KafkaStorage`
    Kafka(Box<KafkaStorage>),
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
    /// Where `overwrite` stands; where it does not, the tag.
    pub place: Place,
}

/// Passes some metrics on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterStorage {
    /// Where they are passed on to, in this order.
    pub storages: Vec<StorageId>,
    /// Names of the metrics that are passed on, in which `*` stands for any characters and `?` for one; `None`: all.
    pub filter: Option<Vec<String>>,
    /// Labels, each with a regular expression that must match its whole value.
    pub labels: Vec<(String, String)>,
    /// Where the names stand; the tag where there are none.
    pub filter_place: Place,
    /// Where the labels stand; the tag where there are none.
    pub labels_place: Place,
}

/// The last iteration, for who asks by HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrometheusStorage {
    /// Where it listens; no two storages have the same.
    pub listen: ListenAddress,
    /// The path in the URL, which begins with a slash.
    pub path: String,
    /// Files of the certificate; `None`: no TLS.
    pub certificate: Option<Certificate>,
    /// A user who may read; `None` here and no token: everybody.
    pub basic: Option<BasicAccess>,
    /// File with a token whose holder may read.
    pub token_path: Option<String>,
    /// Where the address stands.
    pub place: Place,
}

impl PrometheusStorage {
    /// The files that it names.
    pub fn secret_paths(&self) -> impl Iterator<Item = &str> {
        let certificate = self.certificate.iter().flat_map(|files| [&files.certificate_path, &files.key_path]);
        let password = self.basic.iter().map(|basic| &basic.password_path);
        certificate.chain(password).chain(&self.token_path).map(String::as_str)
    }
}

/// Files of a certificate that we show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// With the certificate.
    pub certificate_path: String,
    /// With the key; perhaps the same.
    pub key_path: String,
}

/// A user who may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BasicAccess {
    /// The name, without a colon.
    pub user: String,
    /// File with the password.
    pub password_path: String,
}

/// Messages of a Kafka topic. Shown without what is secret in the options of the client.
#[derive(Clone, PartialEq, Eq)]
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
    /// How metrics are given to it.
    pub delivery: DeliveryTerms,
    /// Where the tag stands.
    pub place: Place,
    /// Where the options stand; the tag where there are none.
    pub extra_place: Place,
}

impl KafkaStorage {
    /// The files that it names.
    pub fn secret_paths(&self) -> impl Iterator<Item = &str> {
        self.ssl.iter().flat_map(Ssl::paths)
    }
}

impl fmt::Debug for KafkaStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, brokers_ips, max_timeout, extra_config, ssl, delivery, place, extra_place } = self;
        let shown = |(name, value): &(String, String)| match is_secret(name) {
            true => format!("{name}: (not shown)"),
            false => format!("{name}: {value:?}"),
        };
        f.debug_struct("KafkaStorage")
            .field("topic", topic)
            .field("brokers_ips", brokers_ips)
            .field("max_timeout", max_timeout)
            .field("extra_config", &extra_config.iter().map(shown).collect::<Vec<_>>())
            .field("ssl", ssl)
            .field("delivery", delivery)
            .field("place", place)
            .field("extra_place", extra_place)
            .finish()
    }
}

/// Whether an option of the client has a value that nobody should see: those that librdkafka itself calls sensitive
/// (CONFIGURATION.md), save names of files and of users.
fn is_secret(option: &str) -> bool {
    ["password", "secret", "token", ".pem", "oauthbearer", "jaas"].iter().any(|word| option.contains(word))
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

impl Ssl {
    /// The files that it names.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        let authorities = match &self.server_verify {
            ServerVerify::File(path) => Some(path),
            ServerVerify::Machine | ServerVerify::Off => None,
        };
        authorities.into_iter().chain(&self.client_cert_path).chain(&self.client_key_path).map(String::as_str)
    }
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
