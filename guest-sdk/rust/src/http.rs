//! One request over `wasi:http`, which the operator grants by origin.

use std::fmt;
use std::time::Duration;
use wasip2::http::outgoing_handler::{ErrorCode, OutgoingRequest, RequestOptions, handle};
use wasip2::http::types::{Fields, Method, OutgoingBody, Scheme};

/// The most that one call of a body's stream takes.
const CHUNK: usize = 4096;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// Nobody answered in time.
    Timeout,
    /// The operator has not granted it.
    Denied,
    /// No request could be made, or it broke.
    Failed(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => f.write_str("no answer in time"),
            Self::Denied => f.write_str("the request was denied"),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Error {}

/// Posts `body` to `url` and answers with the status. `timeout` bounds the wait for the connection, and that for the answer.
pub fn post(url: &str, content_type: &str, body: &[u8], timeout: Duration) -> Result<u16, Error> {
    post_with(url, &[("content-type", content_type)], body, timeout)
}

/// As [`post`], with these headers. The runtime says the host, and the length of the body is said here.
pub fn post_with(url: &str, headers: &[(&str, &str)], body: &[u8], timeout: Duration) -> Result<u16, Error> {
    let target = Target::of(url)?;
    let fields = Fields::new();
    let length = body.len().to_string();
    for (name, value) in headers.iter().chain(&[("content-length", length.as_str())]) {
        fields.append(name, value.as_bytes()).map_err(|why| Error::Failed(format!("header {name}: {why}")))?;
    }
    let request = OutgoingRequest::new(fields);
    let scheme = if target.https { Scheme::Https } else { Scheme::Http };
    let made = request.set_method(&Method::Post).and_then(|()| request.set_scheme(Some(&scheme)));
    let made = made.and_then(|()| request.set_authority(Some(target.authority)));
    made.and_then(|()| request.set_path_with_query(Some(&target.path))).map_err(|()| malformed(url))?;
    let outgoing = request.body().map_err(|()| Error::Failed("the request has no body to write to".to_owned()))?;

    let limits = RequestOptions::new();
    let nanoseconds = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
    // A runtime that does not know one of these limits has its own.
    let _ = limits.set_connect_timeout(Some(nanoseconds));
    let _ = limits.set_first_byte_timeout(Some(nanoseconds));

    let answer = handle(request, Some(limits)).map_err(failed)?;
    // A body that breaks off has a cause, and the answer names it.
    let _ = send(outgoing, body);
    answer.subscribe().block();
    match answer.get() {
        Some(Ok(Ok(response))) => Ok(response.status()),
        Some(Ok(Err(code))) => Err(failed(code)),
        Some(Err(())) | None => Err(Error::Failed("the runtime gave no answer".to_owned())),
    }
}

fn send(outgoing: OutgoingBody, body: &[u8]) -> Result<(), ()> {
    let stream = outgoing.write()?;
    for chunk in body.chunks(CHUNK) {
        stream.blocking_write_and_flush(chunk).map_err(drop)?;
    }
    // The stream is a child of the body, and has to go first.
    drop(stream);
    OutgoingBody::finish(outgoing, None).map_err(drop)
}

fn failed(code: ErrorCode) -> Error {
    match code {
        ErrorCode::ConnectionTimeout
        | ErrorCode::ConnectionReadTimeout
        | ErrorCode::ConnectionWriteTimeout
        | ErrorCode::DnsTimeout
        | ErrorCode::HttpResponseTimeout => Error::Timeout,
        ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => Error::Denied,
        other => Error::Failed(words(&format!("{other:?}"))),
    }
}

/// `ErrorCode::ConnectionRefused` as `connection refused`.
fn words(code: &str) -> String {
    let code = code.rsplit_once("ErrorCode::").map_or(code, |(_, name)| name);
    let (name, details) = code.split_at(code.find('(').unwrap_or(code.len()));
    let mut text = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !text.is_empty() {
            text.push(' ');
        }
        text.push(c.to_ascii_lowercase());
    }
    text + details
}

fn malformed(url: &str) -> Error {
    Error::Failed(format!("`{url}` is no address; one looks like `http://127.0.0.1:8000/path`"))
}

/// Where a request goes.
#[derive(Debug, PartialEq, Eq)]
struct Target<'a> {
    https: bool,
    authority: &'a str,
    path: String,
}

impl<'a> Target<'a> {
    fn of(url: &'a str) -> Result<Self, Error> {
        let (scheme, rest) = url.split_once("://").ok_or_else(|| malformed(url))?;
        let https = match scheme {
            "http" => false,
            "https" => true,
            _ => return Err(malformed(url)),
        };
        let rest = rest.split('#').next().unwrap_or(rest);
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.is_empty() || authority.contains('@') {
            return Err(malformed(url));
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { https, authority, path })
    }
}

/// Whether [`post`] can go there, for `validate`.
pub fn check(url: &str) -> Result<(), Error> {
    Target::of(url).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_error_is_read_as_words() {
        assert_eq!(words("ErrorCode::ConnectionRefused"), "connection refused");
        assert_eq!(words("ErrorCode::InternalError(Some(\"x\"))"), "internal error(Some(\"x\"))");
    }

    #[test]
    fn an_address_is_taken_apart() {
        let of = |url| Target::of(url).map(|target| (target.https, target.authority, target.path));
        assert_eq!(of("http://127.0.0.1:8000"), Ok((false, "127.0.0.1:8000", "/".to_owned())));
        assert_eq!(of("https://example.org/a?b#c"), Ok((true, "example.org", "/a?b".to_owned())));
        assert_eq!(of("http://example.org?b"), Ok((false, "example.org", "/?b".to_owned())));
        for wrong in ["", "127.0.0.1:8000", "ftp://x/", "http:///path", "http://user@host/"] {
            assert_eq!(of(wrong), Err(malformed(wrong)), "{wrong}");
        }
    }
}
