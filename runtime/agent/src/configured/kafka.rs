//! How messages go to Kafka: with the certificates and the key that the warden has opened.

use wca_config::{ConfigError, ServerVerify, Ssl};
use wca_storage::kafka::{Authorities, Identity, KafkaStorage, Options, Tls};

use crate::client::Client;
use crate::configured::site::Secrets;
use crate::settings::Configured;

/// What the storage of the file is made with.
pub(super) async fn options(
    client: &Client,
    settings: &Configured,
    storage: &wca_config::KafkaStorage,
) -> Result<Options, ConfigError> {
    let secrets = Secrets { client, settings };
    let tls = match &storage.ssl {
        None => None,
        Some(ssl) => {
            let read = tls(&secrets, ssl).await;
            Some(read.map_err(|what| ConfigError {
                place: Box::new(storage.place.clone()),
                what: format!("`ssl` of `!KafkaStorage`: {what}"),
                help: None,
            })?)
        }
    };
    Ok(Options {
        topic: storage.topic.clone(),
        brokers: storage.brokers_ips.clone(),
        timeout: storage.max_timeout,
        extra: storage.extra_config.clone(),
        tls,
    })
}

/// The storage; it looks for brokers from now on.
pub(super) fn made(options: &Options, storage: &wca_config::KafkaStorage) -> Result<KafkaStorage, ConfigError> {
    KafkaStorage::new(options).map_err(|error| {
        let of_option = error.is_of_option();
        let (place, argument) =
            if of_option { (&storage.extra_place, "`extra_config` of ") } else { (&storage.place, "") };
        ConfigError {
            place: Box::new(place.clone()),
            what: format!("{argument}`!KafkaStorage`: {error}"),
            help: error.help().map(str::to_owned),
        }
    })
}

async fn tls(secrets: &Secrets<'_>, ssl: &Ssl) -> Result<Tls, String> {
    let authorities = match &ssl.server_verify {
        ServerVerify::Machine => Authorities::Machine,
        ServerVerify::File(path) => Authorities::These(pem(secrets, path, "CERTIFICATE").await?),
        ServerVerify::Off => Authorities::Anybody,
    };
    let identity = match &ssl.client_cert_path {
        None => None,
        Some(path) => Some(Identity {
            certificate: pem(secrets, path, "CERTIFICATE").await?,
            key: pem(secrets, ssl.client_key_path.as_ref().unwrap_or(path), "PRIVATE KEY").await?,
        }),
    };
    Ok(Tls { authorities, identity })
}

/// What stands in a file, which must hold one of these.
async fn pem(secrets: &Secrets<'_>, path: &str, what: &str) -> Result<String, String> {
    let text = String::from_utf8(secrets.read(path).await?).unwrap_or_default();
    let holds =
        text.lines().any(|line| line.starts_with("-----BEGIN ") && line.trim_end().ends_with(&format!("{what}-----")));
    if holds {
        Ok(text)
    } else {
        Err(format!("{path}: it holds no {} in PEM (-----BEGIN {what}-----)", what.to_lowercase()))
    }
}
