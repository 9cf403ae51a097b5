//! Where a socket listens.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use crate::reading::{check_path, check_port};

/// Longest path of a socket in bytes (`sun_path` of unix(7), with a zero byte behind it).
const LONGEST_PATH: usize = 107;

/// Where a socket listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    /// At an address of this machine.
    Tcp(SocketAddr),
    /// At a path, from the root.
    Unix(PathBuf),
}

impl ListenAddress {
    /// Whether only this machine can reach it.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl std::fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

impl FromStr for ListenAddress {
    /// What is wrong with the text; it follows its name.
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with('/') {
            check_path(text, true)?;
            if text.len() > LONGEST_PATH {
                let length = text.len();
                return Err(format!("must be a path of a socket, of at most {LONGEST_PATH} bytes, and has {length}"));
            }
            return Ok(Self::Unix(text.into()));
        }
        let missing = "must be ADDRESS:PORT, such as 127.0.0.1:9100, or the path of a socket, which begins with `/`";
        let (host, port) = text.rsplit_once(':').ok_or(missing)?;
        check_port(port)?;
        let port = port.parse().map_err(|_| missing)?;
        Ok(Self::Tcp(SocketAddr::new(ip(host)?, port)))
    }
}

fn ip(host: &str) -> Result<IpAddr, String> {
    if let Some(inner) = host.strip_prefix('[') {
        let address = inner.strip_suffix(']').and_then(|inner| inner.parse::<Ipv6Addr>().ok());
        return address
            .map(IpAddr::V6)
            .ok_or_else(|| format!("has a wrong host: `{host}` is no IPv6 address in brackets"));
    }
    match host {
        "localhost" => Ok(Ipv4Addr::LOCALHOST.into()),
        "" => Err("has no host: 0.0.0.0 is every IPv4 address of this machine, and [::] every address".into()),
        host if host.contains(':') => {
            Err("must be ADDRESS:PORT; an IPv6 address stands in brackets: [::1]:9100".into())
        }
        // The process that opens the socket has every right, and asks no name server.
        host => host.parse().map(IpAddr::V4).map_err(|_| {
            format!("has a wrong host: `{host}` is no address of this machine, as 127.0.0.1, [::1] or 0.0.0.0 are")
        }),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("127.0.0.1:9100", Ok("127.0.0.1:9100"))]
    #[case("localhost:9100", Ok("127.0.0.1:9100"))]
    #[case("0.0.0.0:1", Ok("0.0.0.0:1"))]
    #[case("[::1]:9100", Ok("[::1]:9100"))]
    #[case("[::]:65535", Ok("[::]:65535"))]
    #[case("/run/wca.sock", Ok("/run/wca.sock"))]
    #[case("9100", Err("must be ADDRESS:PORT, such as 127.0.0.1:9100"))]
    #[case("run/wca.sock", Err("must be ADDRESS:PORT"))]
    #[case(":9100", Err("has no host: 0.0.0.0 is every"))]
    #[case("::1:9100", Err("stands in brackets: [::1]:9100"))]
    #[case("[127.0.0.1]:9100", Err("is no IPv6 address in brackets"))]
    #[case("node7.example:9100", Err("`node7.example` is no address of this machine"))]
    #[case("127.1:9100", Err("`127.1` is no address"))]
    #[case("127.0.0.1:0", Err("`0` is no number from 1 to 65535"))]
    #[case("127.0.0.1:http", Err("`http` is no number"))]
    #[case("/run/../wca.sock", Err("must be a path without `..`"))]
    fn addresses(#[case] text: &str, #[case] expected: Result<&str, &str>) {
        match (text.parse::<ListenAddress>(), expected) {
            (Ok(address), Ok(expected)) => assert_eq!(address.to_string(), expected),
            (Err(error), Err(expected)) => assert!(error.contains(expected), "{error}"),
            (found, _) => panic!("{found:?}"),
        }
    }

    #[test]
    fn a_path_that_the_kernel_would_not_take() {
        let path = |length: usize| format!("/{}", "a".repeat(length - 1));
        assert!(path(107).parse::<ListenAddress>().is_ok());
        let told = path(108).parse::<ListenAddress>().unwrap_err();
        assert!(told.ends_with("of at most 107 bytes, and has 108"), "{told}");
    }

    #[rstest]
    #[case("127.0.0.1:9100", true)]
    #[case("[::1]:9100", true)]
    #[case("/run/wca.sock", true)]
    #[case("0.0.0.0:9100", false)]
    #[case("[::]:9100", false)]
    fn who_can_reach_it(#[case] text: &str, #[case] is_local: bool) {
        assert_eq!(text.parse::<ListenAddress>().unwrap().is_local(), is_local);
    }
}
