//! What an operator grants a policy beyond the contract: origins that it may send HTTP requests to.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Scheme, host and port to which requests may go.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Origin {
    https: bool,
    /// In small letters; an address in its usual form, one of IPv6 in brackets.
    host: String,
    port: u16,
}

/// The text is no origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no origin: {what}; an origin is scheme, host and port alone, such as http://127.0.0.1:8000")]
pub struct OriginError {
    text: String,
    what: &'static str,
}

impl std::str::FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let wrong = |what| OriginError { text: text.to_owned(), what };
        let uri: http::Uri = text.parse().map_err(|_| wrong("it is no URL"))?;
        let origin = Self::judged(&uri).map_err(wrong)?;
        if uri.path_and_query().is_some_and(|path| path.as_str() != "/") {
            return Err(wrong("it has a path"));
        }
        if !origin.is_grantable() {
            return Err(wrong(
                "a link-local address of IPv6 leads nowhere without an interface, which cannot be named here",
            ));
        }
        Ok(origin)
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}:{}", if self.https { "https" } else { "http" }, self.host, self.port)
    }
}

impl Origin {
    /// The origin of a URL; the error is why it has none.
    pub(crate) fn judged(uri: &http::Uri) -> Result<Self, &'static str> {
        const FORM: &str = "the scheme must be http or https, and a host must follow";
        let authority = uri.authority().ok_or(FORM)?;
        if authority.as_str().contains('@') {
            return Err("it has a user name");
        }
        let (https, usual) = match uri.scheme_str() {
            Some("http") => (false, 80),
            Some("https") => (true, 443),
            _ => return Err(FORM),
        };
        let host = authority.host();
        if host.is_empty() {
            return Err(FORM);
        }
        let port = match authority.port_u16() {
            Some(port) => port,
            None if authority.as_str() == host => usual,
            None => return Err("its port is no number from 0 to 65535"),
        };
        let host = address(host).map_or_else(|| host.to_ascii_lowercase(), written);
        Ok(Self { https, host, port })
    }

    /// Whether a request can go there at all: a link-local address of IPv6 is one of many interfaces.
    pub(crate) fn is_grantable(&self) -> bool {
        !matches!(self.address(), Some(IpAddr::V6(address)) if address.is_unicast_link_local())
    }

    /// The same at this address instead of a name.
    pub(crate) fn at(&self, address: IpAddr) -> Self {
        Self { host: written(address), ..self.clone() }
    }

    pub(crate) fn is_https(&self) -> bool {
        self.https
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The address that stands in the place of a name.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        address(&self.host)
    }

    /// Whether its name is one of this machine itself (RFC 6761).
    pub(crate) fn is_localhost(&self) -> bool {
        self.host == "localhost" || self.host.ends_with(".localhost")
    }
}

/// The address in the place of a host.
fn address(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?.parse().ok().map(IpAddr::V6),
        None => host.parse().ok().map(IpAddr::V4),
    }
}

/// An address in the place of a host.
fn written(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

/// What an operator grants a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grants {
    /// Origins to which it may send HTTP requests.
    pub http: Vec<Origin>,
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("http://127.0.0.1:8000", Ok("http://127.0.0.1:8000"))]
    #[case("http://127.0.0.1:8000/", Ok("http://127.0.0.1:8000"))]
    #[case("https://Metrics.Example", Ok("https://metrics.example:443"))]
    #[case("http://[::1]:80", Ok("http://[::1]:80"))]
    #[case("http://[0:0:0:0:0:0:0:1]", Ok("http://[::1]:80"))]
    #[case("127.0.0.1:8000", Err("`127.0.0.1:8000` is no origin: the scheme must be http or https"))]
    #[case("ftp://x", Err("`ftp://x` is no origin: the scheme must be http or https"))]
    #[case("http://u:p@x", Err("`http://u:p@x` is no origin: it has a user name"))]
    #[case("http://x/write?db=1", Err("`http://x/write?db=1` is no origin: it has a path"))]
    #[case(
        "http://[fe80::1]:80",
        Err("`http://[fe80::1]:80` is no origin: a link-local address of IPv6 leads nowhere")
    )]
    #[case("http://169.254.1.1:80", Ok("http://169.254.1.1:80"))]
    #[case("http://", Err("`http://` is no origin: it is no URL"))]
    fn origins(#[case] text: &str, #[case] expected: Result<&str, &str>) {
        match (text.parse::<Origin>(), expected) {
            (Ok(origin), Ok(expected)) => assert_eq!(origin.to_string(), expected),
            (Err(error), Err(expected)) => assert!(error.to_string().starts_with(expected), "{error}"),
            (found, expected) => panic!("{found:?} instead of {expected:?}"),
        }
    }
}
