//! From an origin to a connection: its name is looked up once, and what is connected to is an address that was looked at.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, LazyLock};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;
use wasmtime_wasi_http::Error;

use super::address::forbidden;
use super::exchanges::{Exchanges, HttpStop};
use crate::grants::Origin;

/// A connection, with TLS or without.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Names that are looked up at once. A thread waits for each, and goes on where nobody waits for it any more.
static LOOKUPS: Semaphore = Semaphore::const_new(16);

/// None where the program has no means for TLS.
static TLS: LazyLock<Option<Arc<ClientConfig>>> = LazyLock::new(|| {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.into() };
    Some(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
});

/// Connects to an origin that is granted.
pub(super) async fn connect(
    origin: &Origin,
    granted: &[Origin],
    exchanges: &Exchanges,
) -> Result<Box<dyn Stream>, Error> {
    let addresses = addresses(origin, granted, exchanges).await?;
    let stream = first_that_answers(&addresses).await?;
    // It costs nothing but packets where it fails.
    let _ = stream.set_nodelay(true);
    if origin.is_https() { encrypted(origin, stream).await } else { Ok(Box::new(stream)) }
}

/// The addresses to which the name of an origin may lead.
async fn addresses(origin: &Origin, granted: &[Origin], exchanges: &Exchanges) -> Result<Vec<SocketAddr>, Error> {
    // One that the operator wrote down as an address leads to itself.
    if let Some(address) = origin.address() {
        return Ok(vec![SocketAddr::new(address, origin.port())]);
    }
    let found =
        look_up(origin).await.map_err(|error| Error::DnsError { rcode: Some(error.to_string()), info_code: None })?;
    let mut refused = None;
    let mut allowed = Vec::new();
    for address in found {
        match forbidden(origin, address.ip(), granted) {
            None => allowed.push(address),
            Some(special) => refused = refused.or(Some((address.ip(), special))),
        }
    }
    match (allowed.is_empty(), refused) {
        (false, _) => Ok(allowed),
        (true, None) => Err(Error::DestinationNotFound),
        (true, Some((address, special))) => {
            let besides = origin.at(address);
            let text = format!(
                "a request to {origin} was refused: its name leads to {address}, which is {special}; --allow-http {besides} \
                 besides would grant it"
            );
            exchanges.stop(HttpStop::Address, &text);
            Err(Error::DestinationIpProhibited)
        }
    }
}

async fn look_up(origin: &Origin) -> io::Result<Vec<SocketAddr>> {
    // It fails only where lookups are closed, which they never are.
    let turn = LOOKUPS.acquire().await.map_err(io::Error::other)?;
    let name = (origin.host().to_owned(), origin.port());
    let lookup = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        name.to_socket_addrs().map(Iterator::collect)
    });
    lookup.await.map_err(io::Error::other)?
}

async fn first_that_answers(addresses: &[SocketAddr]) -> Result<TcpStream, Error> {
    let mut last = Error::DestinationNotFound;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = of_connecting(&error),
        }
    }
    Err(last)
}

fn of_connecting(error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Error::ConnectionRefused,
        io::ErrorKind::TimedOut => Error::ConnectionTimeout,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Error::DestinationIpUnroutable,
        _ => Error::InternalError(Some(error.to_string())),
    }
}

async fn encrypted(origin: &Origin, stream: TcpStream) -> Result<Box<dyn Stream>, Error> {
    let config = TLS.as_ref().ok_or(Error::ConfigurationError)?;
    let name = match origin.address() {
        Some(address) => ServerName::from(address),
        None => ServerName::try_from(origin.host().to_owned()).map_err(|_| Error::HttpRequestUriInvalid)?,
    };
    let stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await.map_err(|error| of_tls(&error))?;
    Ok(Box::new(stream))
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
