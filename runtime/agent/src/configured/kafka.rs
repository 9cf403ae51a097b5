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
            Some(read.map_err(|(what, help)| ConfigError {
                place: Box::new(storage.place.clone()),
                what: format!("`ssl` of `!KafkaStorage`: {what}"),
                help,
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

/// What is wrong with a file, and what would be right.
type Wrong = (String, Option<String>);

async fn tls(secrets: &Secrets<'_>, ssl: &Ssl) -> Result<Tls, Wrong> {
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
async fn pem(secrets: &Secrets<'_>, path: &str, what: &str) -> Result<String, Wrong> {
    let bytes = secrets.read(path).await.map_err(|error| (error, None))?;
    in_pem(&bytes, path, what)
}

fn in_pem(bytes: &[u8], path: &str, what: &str) -> Result<String, Wrong> {
    // Around the blocks stands what people like, in any encoding.
    let text = String::from_utf8_lossy(bytes).into_owned();
    let holds =
        text.lines().any(|line| line.starts_with("-----BEGIN ") && line.trim_end().ends_with(&format!("{what}-----")));
    if holds {
        return Ok(text);
    }
    let name = what.to_lowercase();
    let tool = if what == "CERTIFICATE" { "x509" } else { "pkey" };
    Err((
        format!("{path}: it holds no {name} in PEM (-----BEGIN {what}-----)"),
        Some(format!(
            "where it is the {name} in DER, `openssl {tool} -inform der -in {path} -out FILE` makes PEM of it"
        )),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pem_may_stand_among_what_is_no_utf8() {
        let latin = b"# Autorit\xe9\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(in_pem(latin, "/ca.pem", "CERTIFICATE").unwrap().contains("\nAAAA\n"));
        let key = b"-----BEGIN EC PRIVATE KEY-----\nAAAA\n";
        assert!(in_pem(key, "/key.pem", "PRIVATE KEY").is_ok());
    }

    #[test]
    fn what_holds_none_is_told_with_what_makes_one() {
        let (what, help) = in_pem(b"\x30\x82", "/ca.der", "CERTIFICATE").unwrap_err();
        assert_eq!(what, "/ca.der: it holds no certificate in PEM (-----BEGIN CERTIFICATE-----)");
        assert!(help.unwrap().contains("`openssl x509 -inform der -in /ca.der -out FILE`"));
        let (_, help) = in_pem(b"", "/key", "PRIVATE KEY").unwrap_err();
        assert!(help.unwrap().contains("`openssl pkey "));
    }
}
