//! Why a TLS connection does not come about, in words that say what would be right.
//!
//! librdkafka says that a certificate "could not be verified", whatever is wrong with it. So where it does, the broker is asked for
//! its certificate once more, and that is judged by the same authorities.

use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{CertificateError, Error};

use super::judge::judged_in_time;
use super::{Authorities, Options};

/// How TLS is spoken, as far as it explains why it is not.
#[derive(Clone)]
pub(super) struct Spoken {
    authorities: Authorities,
    has_identity: bool,
    /// It is `extra_config` that says so, and not `ssl`.
    is_of_options: bool,
}

impl Spoken {
    /// As these options have it; none where TLS is not spoken, or it cannot be known how.
    pub(super) fn of(options: &Options) -> Option<Self> {
        if let Some(tls) = &options.tls {
            let (authorities, has_identity) = (tls.authorities.clone(), tls.identity.is_some());
            return Some(Self { authorities, has_identity, is_of_options: false });
        }
        let given = |name: &str| options.extra.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let protocol = given("security.protocol")?.to_ascii_lowercase();
        if !["ssl", "sasl_ssl"].contains(&protocol.as_str()) {
            return None;
        }
        let is_off =
            given("enable.ssl.certificate.verification").is_some_and(|value| value.starts_with(['f', 'F', '0']));
        let authorities = match (given("ssl.ca.pem"), given("ssl.ca.location")) {
            _ if is_off => Authorities::Anybody,
            (Some(pem), _) => Authorities::These(pem.to_owned()),
            (None, None | Some("probe")) => Authorities::Machine,
            (None, Some(path)) => Authorities::These(String::from_utf8_lossy(&std::fs::read(path).ok()?).into_owned()),
        };
        let identities = ["ssl.certificate.pem", "ssl.certificate.location", "ssl.keystore.location"];
        let has_identity = identities.iter().any(|name| given(name).is_some());
        Some(Self { authorities, has_identity, is_of_options: true })
    }
}

/// What the client complains of, with what is known besides; for that, so much time may pass.
pub(super) fn explained(trouble: &str, tls: &Spoken, time: Duration) -> String {
    let why = if trouble.contains("certificate verify failed") || trouble.contains("error:0A000086") {
        certificate(trouble, tls, time)
    } else if refuses_ours(trouble) {
        let option =
            if tls.is_of_options { "`ssl.certificate.pem` of `extra_config`" } else { "`client_cert_path` of `ssl`" };
        Some(match tls.has_identity {
            false => format!("the broker wants a certificate of ours: name one in {option}"),
            true => format!("the broker does not take the certificate of {option}"),
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
fn certificate(trouble: &str, tls: &Spoken, time: Duration) -> Option<String> {
    let broker = broker_in(trouble)?;
    let (host, _) = broker.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(host.to_owned()).ok()?;
    let error = judged_in_time(broker, name, &tls.authorities, time)?;
    let whose = match &tls.authorities {
        Authorities::These(_) if tls.is_of_options => "the authorities that `extra_config` names",
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

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::kafka::{Identity, Tls};

    #[rstest]
    #[case("ssl://localhost:9093/bootstrap: SSL handshake failed", Some("localhost:9093"))]
    #[case("sasl_ssl://[::1]:9093/1: x", Some("[::1]:9093"))]
    #[case("localhost:9092/bootstrap: Connect to ipv4#127.0.0.1:9092 failed", None)]
    fn the_broker_is_that_of_the_complaint(#[case] trouble: &str, #[case] expected: Option<&str>) {
        assert_eq!(broker_in(trouble), expected);
    }

    fn options(extra: &[(&str, &str)], tls: Option<Tls>) -> Options {
        Options {
            topic: "metrics".into(),
            brokers: vec![],
            timeout: Duration::from_secs(1),
            extra: extra.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            tls,
        }
    }

    #[test]
    fn what_the_broker_says_of_our_certificate_is_told() {
        let alert = "ssl://a:1/1: SSL routines::tlsv13 alert certificate required: SSL alert number 116";
        let tls = |identity| Some(Tls { authorities: Authorities::Anybody, identity });
        let told = |extra: &[_], tls| explained(alert, &Spoken::of(&options(extra, tls)).unwrap(), Duration::ZERO);
        assert_eq!(
            told(&[], tls(None)),
            format!("the broker wants a certificate of ours: name one in `client_cert_path` of `ssl`: {alert}")
        );
        let identity = Some(Identity { certificate: String::new(), key: String::new() });
        assert!(told(&[], tls(identity)).starts_with("the broker does not take the certificate of `client_cert_path`"));
        let by_options = told(&[("security.protocol", "SSL")], None);
        assert!(by_options.contains("name one in `ssl.certificate.pem` of `extra_config`"), "{by_options}");
        let other = explained("Connection refused", &Spoken::of(&options(&[], tls(None))).unwrap(), Duration::ZERO);
        assert_eq!(other, "Connection refused");
    }

    #[test]
    fn options_of_the_client_speak_tls_too() {
        let spoken = |extra: &[_]| Spoken::of(&options(extra, None));
        assert!(spoken(&[]).is_none() && spoken(&[("security.protocol", "sasl_plaintext")]).is_none());
        let ssl = ("security.protocol", "sasl_ssl");
        assert!(spoken(&[ssl]).unwrap().authorities == Authorities::Machine);
        assert!(spoken(&[ssl, ("ssl.ca.pem", "x")]).unwrap().authorities == Authorities::These("x".into()));
        assert!(spoken(&[ssl, ("ssl.ca.location", "/nowhere")]).is_none());
        let off = ("enable.ssl.certificate.verification", "false");
        assert!(spoken(&[ssl, off]).unwrap().authorities == Authorities::Anybody);
    }
}
