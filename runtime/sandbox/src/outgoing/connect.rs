//! From an origin to a connection: its name is looked up once, and what is connected to is an address that was looked at.

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use wasmtime_wasi_http::Error;

use super::address::forbidden;
use super::exchanges::Exchanges;
use super::lookups::{Found, LookupError};
use super::stops::HttpStop;
use super::tls;
use crate::grants::Origin;

/// A connection, with TLS or without.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// How long an address is waited for before the next one is tried beside it (RFC 8305, section 5).
const BEFORE_NEXT: Duration = Duration::from_millis(250);

/// Connects to an origin that is granted.
pub(super) async fn connect(origin: &Origin, exchanges: &Exchanges) -> Result<Box<dyn Stream>, Error> {
    let addresses = addresses(origin, exchanges).await?;
    let stream = first_that_answers(&addresses).await?;
    // It costs nothing but packets where it fails.
    let _ = stream.set_nodelay(true);
    if !origin.is_https() {
        return Ok(Box::new(stream));
    }
    Ok(Box::new(tls::encrypted(origin, stream, exchanges.outgoing.tls.as_ref()).await?))
}

/// The addresses to which the name of an origin may lead.
async fn addresses(origin: &Origin, exchanges: &Exchanges) -> Result<Vec<SocketAddr>, Error> {
    // One that the operator wrote down as an address leads to itself.
    if let Some(address) = origin.address() {
        return Ok(vec![SocketAddr::new(address, origin.port())]);
    }
    match exchanges.outgoing.lookups.look_up(origin).await {
        Ok(found) => allowed(origin, &found, exchanges),
        Err(why @ LookupError::TooMany) => {
            exchanges.stop(HttpStop::TooMany, &format!("a request to {origin} was refused: {why}"));
            Err(Error::ConnectionLimitReached)
        }
        Err(LookupError::Failed(error)) => Err(Error::DnsError { rcode: Some(error.to_string()), info_code: None }),
    }
}

/// Those of the addresses to which the name of an origin may lead. That others are among them is said and counted once.
fn allowed(origin: &Origin, found: &[Found], exchanges: &Exchanges) -> Result<Vec<SocketAddr>, Error> {
    let mut refused = None;
    let mut allowed = Vec::new();
    for found in found {
        match forbidden(origin, found, &exchanges.outgoing.granted) {
            None => allowed.push(found.address),
            Some(special) => refused = refused.or(Some((found.address.ip(), special))),
        }
    }
    if let Some((address, special)) = refused {
        let what = if allowed.is_empty() { "was refused" } else { "goes elsewhere" };
        let also = if allowed.is_empty() { "" } else { "also " };
        let besides = origin.at(address);
        let remedy = match besides.is_grantable() {
            true => format!("; --allow-http {besides} besides would grant it"),
            false => String::new(),
        };
        let text =
            format!("a request to {origin} {what}: its name {also}leads to {address}, which is {special}{remedy}");
        exchanges.stop(HttpStop::Address, &text);
        if allowed.is_empty() {
            return Err(Error::DestinationIpProhibited);
        }
    }
    if allowed.is_empty() { Err(Error::DestinationNotFound) } else { Ok(in_turns(&allowed)) }
}

/// The same addresses with those of IPv4 and IPv6 in turns, those of the first one's kind first (RFC 8305, section 4): where one
/// of them leads nowhere on this machine, the other's turn comes soon.
fn in_turns(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let is_first_kind =
        |address: &SocketAddr| addresses.first().is_some_and(|first| first.is_ipv4() == address.is_ipv4());
    let (firsts, others): (Vec<SocketAddr>, Vec<SocketAddr>) =
        addresses.iter().partition(|address| is_first_kind(address));
    let (mut firsts, mut others) = (firsts.into_iter(), others.into_iter());
    let mut mixed = Vec::with_capacity(addresses.len());
    while mixed.len() < addresses.len() {
        mixed.extend(firsts.next());
        mixed.extend(others.next());
    }
    mixed
}

/// A connection to the first of these addresses that answers. Each is tried when the one before it has failed, or has not
/// answered for a while, and then beside it.
async fn first_that_answers(addresses: &[SocketAddr]) -> Result<TcpStream, Error> {
    let mut last = Error::DestinationNotFound;
    let mut under_way = JoinSet::new();
    let mut addresses = addresses.iter().copied().peekable();
    loop {
        if let Some(address) = addresses.next() {
            under_way.spawn(TcpStream::connect(address));
        }
        let wait = if addresses.peek().is_some() { BEFORE_NEXT } else { Duration::MAX };
        match timeout(wait, under_way.join_next()).await {
            Ok(Some(Ok(Ok(stream)))) => return Ok(stream),
            Ok(Some(Ok(Err(error)))) => last = of_connecting(&error),
            Ok(Some(Err(error))) => last = Error::InternalError(Some(error.to_string())),
            Ok(None) => return Err(last),
            Err(_) => {}
        }
    }
}

fn of_connecting(error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Error::ConnectionRefused,
        io::ErrorKind::TimedOut => Error::ConnectionTimeout,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Error::DestinationIpUnroutable,
        _ => Error::InternalError(Some(error.to_string())),
    }
}
