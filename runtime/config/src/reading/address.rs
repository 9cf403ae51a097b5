//! Texts that are addresses: URLs, `host:port`, paths. Each check says what is wrong with a text.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::definitions::{LONGEST_TEXT, is_text};
use crate::scalar::Scalar;

/// A URL of HTTP with a host.
pub(crate) fn check_url(text: &str) -> Result<(), String> {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let rest = rest.ok_or("must be a URL that begins with http:// or https://")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if text.contains(|found: char| found.is_whitespace() || found.is_control()) {
        return Err("must be a URL, in which there are no blanks".into());
    }
    let after_user = authority.rsplit('@').next().unwrap_or_default();
    let host_end =
        if after_user.starts_with('[') { after_user.find(']').map(|end| end + 1) } else { after_user.find(':') };
    let (host, port) = after_user.split_at(host_end.unwrap_or(after_user.len()));
    if host.is_empty() {
        return Err("must be a URL with a host".into());
    }
    if !port.is_empty() {
        check_port(port.strip_prefix(':').ok_or("must be a URL with a colon between host and port")?)?;
    }
    if host.starts_with('[') { check_ipv6(host) } else { check_host(host) }
}

/// `host:port`; the host is a name, an IPv4 address, or an IPv6 address in brackets.
pub(crate) fn check_host_port(text: &str) -> Result<(), String> {
    let (host, port) = text.rsplit_once(':').ok_or("must be HOST:PORT; the colon and the port are missing")?;
    if host.starts_with('[') {
        check_ipv6(host)?;
    } else if host.contains(':') {
        return Err("must be HOST:PORT; an IPv6 address stands in brackets: [::1]:9092".into());
    } else {
        check_host(host)?;
    }
    check_port(port)
}

/// A path that does not climb; from the root, if that is wanted.
pub(crate) fn check_path(text: &str, absolute: bool) -> Result<(), String> {
    if text.is_empty() {
        return Err("must be a path, but this one is empty".into());
    }
    if text.contains('\0') {
        return Err("must be a path, in which there are no zero bytes".into());
    }
    if text.split('/').any(|component| component == "..") {
        return Err("must be a path without `..`".into());
    }
    if absolute && !text.starts_with('/') {
        return Err("must be an absolute path, which begins with `/`".into());
    }
    Ok(())
}

/// What stands for a file among the arguments of a component: a text that is a path.
pub(crate) fn check_file(scalar: &Scalar) -> Result<(), String> {
    if !is_text(scalar) {
        return Err(format!("must be a path, but this is {}", scalar.describe()));
    }
    let length = scalar.text.chars().count();
    if length > LONGEST_TEXT {
        return Err(format!("must be a path of at most {LONGEST_TEXT} characters, but this one has {length}"));
    }
    check_path(&scalar.text, false)
}

fn check_ipv6(host: &str) -> Result<(), String> {
    let inner = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
    let address = inner.and_then(|inner| inner.parse::<Ipv6Addr>().ok());
    address.map(|_| ()).ok_or_else(|| format!("has a wrong host: `{host}` is no IPv6 address in brackets"))
}

fn check_host(host: &str) -> Result<(), String> {
    // Resolvers read 127.1 as 127.0.0.1, which nobody means.
    if host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        let address = host.parse::<Ipv4Addr>();
        return address.map(|_| ()).map_err(|_| format!("has a wrong host: `{host}` is no IPv4 address"));
    }
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let name = host.strip_suffix('.').unwrap_or(host);
    if host.len() > 253 || !name.split('.').all(is_label) {
        return Err(format!("has a wrong host: `{host}` is no host name"));
    }
    Ok(())
}

/// A port, in digits alone.
pub(crate) fn check_port(port: &str) -> Result<(), String> {
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(number) if digits && number > 0 => Ok(()),
        _ => Err(format!("has a wrong port: `{port}` is no number from 1 to 65535")),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("http://127.0.0.1:8000", true)]
    #[case("https://mesos.example/api?x=1", true)]
    #[case("https://user@[::1]:5051/", true)]
    #[case("ftp://a", false)]
    #[case("127.0.0.1:5051", false)]
    #[case("http://", false)]
    #[case("http:///path", false)]
    #[case("http://:80", false)]
    #[case("http://a:port", false)]
    #[case("http://a b", false)]
    #[case("http://127.1", false)]
    #[case("http://[::1", false)]
    #[case("http://[::1]5", false)]
    fn urls(#[case] text: &str, #[case] right: bool) {
        assert_eq!(check_url(text).is_ok(), right, "{:?}", check_url(text));
    }

    #[rstest]
    #[case("127.0.0.1:9092", true)]
    #[case("kafka-1.example.:9092", true)]
    #[case("[::1]:9092", true)]
    #[case("127.1:9876", false)]
    #[case("127.0.0.1", false)]
    #[case("::1:9092", false)]
    #[case("[nonsense]:1", false)]
    #[case(":9092", false)]
    #[case("a..b:1", false)]
    #[case("a:0", false)]
    #[case("a:+1", false)]
    #[case("a:70000", false)]
    fn hosts_and_ports(#[case] text: &str, #[case] right: bool) {
        assert_eq!(check_host_port(text).is_ok(), right, "{:?}", check_host_port(text));
    }

    #[rstest]
    #[case("/a/b", true, true)]
    #[case("a..b/c", false, true)]
    #[case("../some/path", true, false)]
    #[case("../some/path", false, false)]
    #[case("/a/../b", true, false)]
    #[case("a/b", true, false)]
    #[case("", false, false)]
    #[case("a\0", false, false)]
    fn paths(#[case] text: &str, #[case] absolute: bool, #[case] right: bool) {
        assert_eq!(check_path(text, absolute).is_ok(), right, "{:?}", check_path(text, absolute));
    }
}
