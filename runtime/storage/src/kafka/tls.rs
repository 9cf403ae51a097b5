//! Why a TLS connection does not come about, in words that say what would be right.
//!
//! librdkafka says that a certificate "could not be verified", whatever is wrong with it. So where it does, the broker is asked for
//! its certificate once more, and that is judged by the same authorities.

use std::fmt::Debug;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use super::{Authorities, Tls};

/// Where machines keep the authorities that they trust: Debian, Red Hat, SUSE, Alpine.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// What the client complains of, with what is known besides.
pub(super) fn explained(trouble: &str, tls: &Tls, time: Duration) -> String {
    let why = if trouble.contains("certificate verify failed") || trouble.contains("error:0A000086") {
        certificate(trouble, &tls.authorities, time)
    } else if refuses_ours(trouble) {
        Some(match tls.identity {
            None => "the broker wants a certificate of ours: name one in `client_cert_path` of `ssl`".into(),
            Some(_) => "the broker does not take the certificate of `client_cert_path`".into(),
        })
    } else {
        None
    };
    why.map_or_else(|| trouble.to_owned(), |why| format!("{why}: {trouble}"))
}

/// Whether it is the broker who has ended the handshake, because of what it was shown (RFC 8446, 6.2).
fn refuses_ours(trouble: &str) -> bool {
    let alerts =
        ["certificate required", "bad certificate", "certificate unknown", "certificate expired", "unknown ca"];
    trouble.contains("alert") && alerts.iter().any(|alert| trouble.contains(alert))
}

/// What is wrong with the certificate of the broker that the client complains of.
fn certificate(trouble: &str, authorities: &Authorities, time: Duration) -> Option<String> {
    let broker = broker_in(trouble)?;
    let (host, _) = broker.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(host.to_owned()).ok()?;
    let error = judged(broker, name, authorities, time)?;
    let whose = match authorities {
        Authorities::These(_) => "the authorities in the file of `server_verify`",
        Authorities::Machine | Authorities::Anybody => "the authorities that this machine trusts",
    };
    let what = match error {
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "has expired".to_owned()
        }
        Error::InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
            "is not valid yet".to_owned()
        }
        Error::InvalidCertificate(CertificateError::NotValidForName) => format!("is not for {host}"),
        Error::InvalidCertificate(CertificateError::NotValidForNameContext { presented, .. }) => {
            // Each is shown as `DnsName("broker.example")`.
            let names: Vec<&str> = presented.iter().map(|name| name.split('"').nth(1).unwrap_or(name)).collect();
            format!("is not for {host}, but for {}", names.join(", "))
        }
        Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            format!("is signed by none of {whose}")
        }
        error => format!("cannot be trusted ({error})"),
    };
    Some(format!("the certificate of the broker {broker} {what}"))
}

/// `HOST:PORT` of `ssl://HOST:PORT/ID: …`.
fn broker_in(trouble: &str) -> Option<&str> {
    trouble.split_once("ssl://")?.1.split_once('/').map(|(broker, _)| broker)
}

/// What is wrong with the certificate that is shown there; none where nothing is, or where it is not shown.
fn judged(broker: &str, name: ServerName<'static>, authorities: &Authorities, time: Duration) -> Option<Error> {
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem(authorities)?).filter_map(Result::ok));
    let judge = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().ok()?;
    let watch = Arc::new(Watch { judge, error: Mutex::default() });
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
    let verifier: Arc<dyn ServerCertVerifier> = Arc::clone(&watch) as _;
    let config = config.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    let mut connection = ClientConnection::new(Arc::new(config), name).ok()?;
    let address = broker.to_socket_addrs().ok()?.next()?;
    let time = time.max(Duration::from_millis(1));
    let mut stream = TcpStream::connect_timeout(&address, time).ok()?;
    stream.set_read_timeout(Some(time)).and_then(|()| stream.set_write_timeout(Some(time))).ok()?;
    // How it ends says less than what was found.
    let _ = connection.complete_io(&mut stream);
    watch.error.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// The authorities in PEM.
fn pem(authorities: &Authorities) -> Option<Vec<u8>> {
    match authorities {
        Authorities::These(authorities) => Some(authorities.clone().into_bytes()),
        Authorities::Machine => BUNDLES.iter().find_map(|path| std::fs::read(path).ok()),
        Authorities::Anybody => None,
    }
}

/// Takes no certificate, and remembers what is wrong with it: nothing is sent to whom showed it.
#[derive(Debug)]
struct Watch {
    judge: Arc<WebPkiServerVerifier>,
    error: Mutex<Option<Error>>,
}

impl ServerCertVerifier for Watch {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judged = self.judge.verify_server_cert(certificate, chain, name, ocsp, now);
        *self.error.lock().unwrap_or_else(PoisonError::into_inner) = judged.err();
        Err(Error::General("it was looked at".into()))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.judge.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.judge.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.judge.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::kafka::Identity;

    #[rstest]
    #[case("ssl://localhost:9093/bootstrap: SSL handshake failed", Some("localhost:9093"))]
    #[case("sasl_ssl://[::1]:9093/1: x", Some("[::1]:9093"))]
    #[case("localhost:9092/bootstrap: Connect to ipv4#127.0.0.1:9092 failed", None)]
    fn the_broker_is_that_of_the_complaint(#[case] trouble: &str, #[case] expected: Option<&str>) {
        assert_eq!(broker_in(trouble), expected);
    }

    #[test]
    fn what_the_broker_says_of_our_certificate_is_told() {
        let alert = "ssl://a:1/1: SSL routines::tlsv13 alert certificate required: SSL alert number 116";
        let mut tls = Tls { authorities: Authorities::Anybody, identity: None };
        let told = explained(alert, &tls, Duration::ZERO);
        assert_eq!(
            told,
            format!("the broker wants a certificate of ours: name one in `client_cert_path` of `ssl`: {alert}")
        );
        tls.identity = Some(Identity { certificate: String::new(), key: String::new() });
        assert!(explained(alert, &tls, Duration::ZERO).starts_with("the broker does not take the certificate of"));
        assert_eq!(explained("Connection refused", &tls, Duration::ZERO), "Connection refused");
    }
}
