//! The certificate that an endpoint shows.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// Why a certificate and its key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file of the certificate holds none.
    #[error("it holds no certificate in PEM (-----BEGIN CERTIFICATE-----)")]
    NoCertificate,
    /// The file of the key holds none.
    #[error("it holds no private key in PEM (-----BEGIN PRIVATE KEY-----)")]
    NoKey,
    /// A file cannot be read as PEM.
    #[error("it cannot be read as PEM: {0}")]
    Pem(pem::Error),
    /// They do not belong together, or are of no use.
    #[error("certificate and key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

/// A certificate with its key, for TLS 1.2 and 1.3.
#[derive(Clone)]
pub struct Tls {
    pub(super) acceptor: TlsAcceptor,
}

impl Tls {
    /// From the content of a file with a certificate, and those that lead from it to its authority, and of a file with the
    /// key; both in PEM, and perhaps the same.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn new(certificate: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(certificate).collect::<Result<_, _>>().map_err(TlsError::Pem)?;
        if chain.is_empty() {
            return Err(TlsError::NoCertificate);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| match error {
            pem::Error::NoItemsFound => TlsError::NoKey,
            error => TlsError::Pem(error),
        })?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)) })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("", "", "it holds no certificate in PEM (-----BEGIN CERTIFICATE-----)")]
    #[case("not PEM", "", "it holds no certificate in PEM (-----BEGIN CERTIFICATE-----)")]
    #[case("-----BEGIN CERTIFICATE-----\nAAAA\n", "", "it cannot be read as PEM: ")]
    #[case(
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "",
        "it holds no private key in PEM (-----BEGIN PRIVATE KEY-----)"
    )]
    #[case(
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        "certificate and key cannot be used: "
    )]
    fn what_cannot_be_used_is_said(#[case] certificate: &str, #[case] key: &str, #[case] expected: &str) {
        let told = Tls::new(certificate.as_bytes(), key.as_bytes()).err().unwrap().to_string();
        assert!(told.starts_with(expected), "{told}");
    }
}
