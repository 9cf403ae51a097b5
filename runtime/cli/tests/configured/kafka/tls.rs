//! What is said of TLS connections that do not come about, and that the others do.

use super::broker::{Broker, shared};
use super::file;
use super::read::messages;
use crate::common::Finished;
use crate::prometheus::no_openssl;
use crate::setup::Setup;

/// A run of a tick against this listener, with these arguments of `!SSL`.
fn run(broker: &Broker, listener: &str, topic: &str, ssl: &str) -> Finished {
    for name in ["authority.pem", "other.pem", "client.pem", "client.key"] {
        assert!(broker.path(name).exists(), "{name}");
    }
    run_with(broker, listener, topic, &format!("ssl: !SSL {{{ssl}}}"))
}

/// The same with this argument of the storage.
fn run_with(broker: &Broker, listener: &str, topic: &str, argument: &str) -> Finished {
    let argument = argument.replace("CERTIFICATES", &broker.path("").display().to_string());
    let setup = Setup::with(&file(&[&format!(
        "!KafkaStorage {{topic: {topic}, brokers_ips: ['{}'], max_timeout_in_seconds: 3, retry_timeout_in_seconds: 0, {argument}}}",
        broker.address(listener)
    )]));
    setup.run(&["--iterations", "1"])
}

/// The broker, where it speaks TLS.
fn with_tls() -> Option<&'static Broker> {
    let broker = shared()?;
    if !broker.has("right") {
        no_openssl();
        return None;
    }
    Some(broker)
}

#[test]
fn a_broker_with_a_certificate_of_the_right_authority_is_trusted() {
    let Some(broker) = with_tls() else { return };
    let finished = run(broker, "right", "tls-right", "server_verify: CERTIFICATES/authority.pem");
    finished.ends_with(0);
    assert!(!finished.stderr.contains("FailedDelivery"), "{finished:#?}");
    assert_eq!(messages(broker.address("plaintext"), "tls-right").len(), 1);
}

#[test]
fn a_broker_of_another_authority_is_not() {
    let Some(broker) = with_tls() else { return };
    let finished = run(broker, "right", "tls-other", "server_verify: CERTIFICATES/other.pem");
    finished.ends_with(0).says(&format!(
        "the certificate of the broker {} is signed by none of the authorities in the file of `server_verify`",
        broker.address("right")
    ));
}

#[test]
fn options_of_the_client_that_speak_tls_are_explained_too() {
    let Some(broker) = with_tls() else { return };
    let finished = run_with(broker, "right", "tls-options", "extra_config: {security.protocol: ssl}");
    finished.ends_with(0).says(&format!(
        "the certificate of the broker {} is signed by none of the authorities that this machine trusts",
        broker.address("right")
    ));
}

#[test]
fn a_certificate_that_has_expired_is_told() {
    let Some(broker) = with_tls() else { return };
    let finished = run(broker, "expired", "tls-expired", "server_verify: CERTIFICATES/authority.pem");
    finished.ends_with(0).says(&format!("the certificate of the broker {} has expired", broker.address("expired")));
}

#[test]
fn a_certificate_of_another_host_is_told() {
    let Some(broker) = with_tls() else { return };
    let finished = run(broker, "elsewhere", "tls-elsewhere", "server_verify: CERTIFICATES/authority.pem");
    let said = "is not for localhost, but for elsewhere.example";
    finished.ends_with(0).says(said);
}

#[test]
fn a_broker_that_wants_a_certificate_is_shown_one_or_it_is_told() {
    let Some(broker) = with_tls() else { return };
    let finished = run(broker, "clients", "tls-clients", "server_verify: CERTIFICATES/authority.pem");
    finished.ends_with(0).says("the broker wants a certificate of ours: name one in `client_cert_path` of `ssl`");
    let with = "server_verify: CERTIFICATES/authority.pem, client_cert_path: CERTIFICATES/client.pem, client_key_path: \
                CERTIFICATES/client.key";
    let finished = run(broker, "clients", "tls-clients", with);
    finished.ends_with(0);
    assert!(!finished.stderr.contains("FailedDelivery"), "{finished:#?}");
    assert_eq!(messages(broker.address("plaintext"), "tls-clients").len(), 1);
}
