//! TLS to a server, which shows who it is.

use std::io;
use std::sync::{Arc, LazyLock};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use wasmtime_wasi_http::Error;

use crate::grants::Origin;

/// Trusts the authorities that browsers trust; none where the program has no means for TLS.
pub(super) fn trusting_as_browsers() -> Option<Arc<ClientConfig>> {
    static CONFIG: LazyLock<Option<Arc<ClientConfig>>> =
        LazyLock::new(|| trusting(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.into() }));
    CONFIG.clone()
}

/// Trusts these authorities.
pub(super) fn trusting(roots: RootCertStore) -> Option<Arc<ClientConfig>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
    Some(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// The same connection by TLS, to a server that has shown to be the host of the origin.
pub(super) async fn encrypted(
    origin: &Origin,
    stream: TcpStream,
    config: Option<&Arc<ClientConfig>>,
) -> Result<TlsStream<TcpStream>, Error> {
    let config = config.ok_or(Error::ConfigurationError)?;
    let name = match origin.address() {
        Some(address) => ServerName::from(address),
        None => ServerName::try_from(origin.host().to_owned()).map_err(|_| Error::HttpRequestUriInvalid)?,
    };
    TlsConnector::from(Arc::clone(config)).connect(name, stream).await.map_err(|error| of_tls(&error))
}

fn of_tls(error: &io::Error) -> Error {
    match error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(_)) => Error::TlsCertificateError,
        Some(rustls::Error::AlertReceived(alert)) => {
            Error::TlsAlertReceived { alert_id: Some(u8::from(*alert)), alert_message: Some(format!("{alert:?}")) }
        }
        _ => Error::TlsProtocolError,
    }
}
