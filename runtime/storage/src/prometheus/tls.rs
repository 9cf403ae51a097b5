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
    /// The file of the certificate cannot be read as PEM.
    #[error("it cannot be read as PEM: {0}")]
    Certificate(pem::Error),
    /// The file of the key cannot be read as PEM.
    #[error("it cannot be read as PEM: {0}")]
    Key(pem::Error),
    /// They do not belong together, or are of no use.
    #[error("certificate and key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

/// Which file is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFile {
    /// That of the certificate.
    Certificate,
    /// That of the key.
    Key,
    /// Each may be.
    Either,
}

impl TlsError {
    /// Which file is at fault.
    #[must_use]
    pub fn file(&self) -> TlsFile {
        match self {
            Self::NoCertificate | Self::Certificate(_) => TlsFile::Certificate,
            Self::NoKey | Self::Key(_) => TlsFile::Key,
            Self::Unusable(_) => TlsFile::Either,
        }
    }
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
            CertificateDer::pem_slice_iter(certificate).collect::<Result<_, _>>().map_err(TlsError::Certificate)?;
        if chain.is_empty() {
            return Err(TlsError::NoCertificate);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| match error {
            pem::Error::NoItemsFound => TlsError::NoKey,
            error => TlsError::Key(error),
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

    const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";

    #[rstest]
    #[case("", "", "it holds no certificate in PEM (-----BEGIN CERTIFICATE-----)", TlsFile::Certificate)]
    #[case("not PEM", "", "it holds no certificate in PEM (-----BEGIN CERTIFICATE-----)", TlsFile::Certificate)]
    #[case("-----BEGIN CERTIFICATE-----\nAAAA\n", "", "it cannot be read as PEM: ", TlsFile::Certificate)]
    #[case(CERTIFICATE, "", "it holds no private key in PEM (-----BEGIN PRIVATE KEY-----)", TlsFile::Key)]
    #[case(CERTIFICATE, "-----BEGIN PRIVATE KEY-----\nAAAA\n", "it cannot be read as PEM: ", TlsFile::Key)]
    #[case(CERTIFICATE, KEY, "certificate and key cannot be used: ", TlsFile::Either)]
    fn what_cannot_be_used_is_said(
        #[case] certificate: &str,
        #[case] key: &str,
        #[case] expected: &str,
        #[case] file: TlsFile,
    ) {
        let error = Tls::new(certificate.as_bytes(), key.as_bytes()).err().unwrap();
        assert!(error.to_string().starts_with(expected), "{error}");
        assert_eq!(error.file(), file);
    }
}
